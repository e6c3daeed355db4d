//! Where in its image a crop was.

#[cfg(feature = "cuda")]
use candle_core::{Result, bail};

/// Where in its image a crop was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Rows above it.
    pub top: usize,
    /// Columns left of it.
    pub left: usize,
    /// Whether it is mirrored left to right.
    pub flip: bool,
}

/// Windows as the kernel reads them: top, left, whether it is mirrored.
#[cfg(feature = "cuda")]
pub(crate) fn window_words(windows: &[Window]) -> Result<Vec<u32>> {
    let word = |n: usize| match u32::try_from(n) {
        Ok(n) => Ok(n),
        Err(_) => bail!("input: a window at {n}"),
    };
    let mut words = Vec::with_capacity(3 * windows.len());
    for window in windows {
        words.extend([word(window.top)?, word(window.left)?, u32::from(window.flip)]);
    }
    Ok(words)
}
