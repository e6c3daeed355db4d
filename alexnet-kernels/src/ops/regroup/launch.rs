//! Launches of maps of towers, from together to apart and back.
#![allow(clippy::missing_errors_doc)] // `cuda/launch.rs` says what is refused

use candle_core::{Result, bail};

use crate::cuda::launch::{Launch, Span, Storage, check_equal, width};

/// Pixels of all towers' channels to pixels of each tower's, one tower after another, with a bias
/// for each channel and, if asked for, a ReLU.
pub fn towers_apart(
    storage: Storage,
    towers: usize,
    [z, bias, y]: [Span; 3],
    relu: bool,
) -> Result<Launch> {
    let channels = bias.length as usize;
    if towers == 0 || !channels.is_multiple_of(towers) {
        bail!("towers apart: {channels} channels do not divide into {towers} towers")
    }
    let launch = launch(storage, "towers_apart", (towers, channels / towers), &[z, bias, y])?;
    Ok(launch.words(&[u32::from(relu)]))
}

/// Pixels of each tower's channels, one tower after another, to pixels of all towers'. The sizes
/// are the number of towers, and the channels of one.
pub fn towers_together(
    storage: Storage,
    sizes: (usize, usize),
    [y, x]: [Span; 2],
) -> Result<Launch> {
    launch(storage, "towers_together", sizes, &[y, x])
}

/// A thread for each vector of what is written, the last span, from what is read, the first.
fn launch(
    storage: Storage,
    op: &str,
    (towers, row): (usize, usize),
    spans: &[Span],
) -> Result<Launch> {
    let &[from, .., to] = spans else { bail!("{op}: buffers are missing") };
    let (elements, channels) = (check_equal(op, &[from, to])?, towers * row);
    if channels == 0 || !elements.is_multiple_of(channels) {
        bail!("{op}: {elements} elements are no pixels of {channels} channels")
    }
    let vector = width(storage.vector(), row, &[from, to].map(|span| (span, storage.bytes())));
    let kernel = format!("{op}_{}_v{vector}", storage.name());
    let launch = Launch::each("regroup", kernel, spans, elements / vector)?;
    launch.sizes(&[elements / channels, towers, row])
}
