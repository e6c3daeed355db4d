//! What is wrong with a decoded picture.

use super::super::super::error::{DecodeError, Result};
use super::super::structure::{Ending, JpegStructure};
use super::blocks::BlockDecoder;

/// Bytes before a marker that are no part of the picture, which some encoders write.
const PADDING: usize = 7;

/// What was found to be wrong while the scans of a picture were decoded.
#[derive(Default)]
pub(super) struct Damage {
    /// The blocks of all scans, and those without data.
    blocks: usize,
    missing: usize,
    /// Whether there is data after a missing block.
    gap: bool,
    bad_code: bool,
    bad_restart: bool,
    surplus: usize,
    stopped: Option<DecodeError>,
}

impl Damage {
    /// Adds what is wrong with a scan of so many blocks.
    pub(super) fn add_scan(
        &mut self,
        blocks: usize,
        missing: usize,
        at_end: bool,
        decoder: &BlockDecoder<'_>,
    ) {
        self.blocks += blocks;
        self.missing += missing;
        self.gap |= missing > 0 && !at_end;
        self.bad_code |= decoder.bad_code;
        self.bad_restart |= decoder.bad_restart;
        self.surplus += decoder.bits.surplus;
    }

    /// Adds a scan of which no block can be decoded, for this reason.
    pub(super) fn skip_scan(&mut self, blocks: usize, reason: DecodeError) {
        (self.blocks, self.missing) = (self.blocks + blocks, self.missing + blocks);
        self.stop(reason);
    }

    /// Adds why the scans after this one were not decoded.
    pub(super) fn stop(&mut self, reason: DecodeError) {
        self.stopped = Some(reason);
    }

    /// What is wrong, in words; `None` where nothing is.
    ///
    /// # Errors
    /// Where nothing of the picture is left, or where its file ends before it does.
    pub(super) fn describe(self, jpeg: &JpegStructure<'_>) -> Result<Option<String>> {
        let Self { blocks, missing, gap, bad_code, bad_restart, surplus, stopped } = self;
        if missing == blocks {
            let reason = "nothing of it can be decoded: its data end before they begin";
            return Err(stopped.unwrap_or_else(|| DecodeError::broken(reason)));
        }
        let several = jpeg.scans().count() > 1;
        let per_cent = (missing * 100).div_ceil(blocks.max(1));
        if jpeg.ending == Ending::File && (several || missing > last_row(jpeg)) {
            return Err(DecodeError::Truncated);
        }
        let mut all = Vec::new();
        if jpeg.ending == Ending::File {
            all.push("no end-of-image marker".into());
        }
        match (missing, several, gap) {
            (0, ..) => {}
            (_, true, _) => all.push(format!("{per_cent} % of the picture's data are missing")),
            (_, _, true) => all.push(format!("{per_cent} % of the picture are missing")),
            _ => all.push(format!("the last {per_cent} % of the picture are missing")),
        }
        if bad_code {
            all.push("its data are corrupt".into());
        }
        if bad_restart {
            all.push("restart markers are missing or wrong".into());
        }
        if surplus > PADDING {
            all.push(format!("{surplus} bytes of its data are no part of the picture"));
        }
        if jpeg.missing_bits() {
            all.push("scans are missing, which have its details".into());
        }
        let broken = match &jpeg.ending {
            Ending::Broken(reason) => Some(reason.clone()),
            _ => None,
        };
        all.extend(stopped.or(broken).map(|reason| reason.to_string()));
        Ok(Some(all.join("; ")).filter(|text| !text.is_empty()))
    }
}

/// The number of blocks in the last row of units.
fn last_row(jpeg: &JpegStructure<'_>) -> usize {
    let blocks = jpeg.scans().next().map_or(0, |scan| scan.blocks(&jpeg.frame));
    blocks / jpeg.frame.units()[0].max(1)
}
