//! A JPEG's scan: its header, and what its markers say before anything is decoded.

use super::super::error::{DecodeError, Result};
use super::frame::Frame;

/// Blocks that a unit of a scan may have; the standard allows no more.
const MOST_BLOCKS: usize = 10;

/// One scan: its header and its entropy-coded data.
pub(super) struct Scan<'a> {
    pub(super) components: Vec<ScanComponent>,
    /// The first and the last coefficient, in zigzag order.
    pub(super) first: usize,
    pub(super) last: usize,
    /// The bit position before this scan, 0 in the first of a coefficient.
    pub(super) high: u8,
    /// The bit position of this scan.
    pub(super) low: u8,
    /// Units between restart markers; 0 for none.
    pub(super) interval: usize,
    pub(super) data: &'a [u8],
    /// Restart markers in the data.
    restarts: usize,
    /// Whether they are in order, and no other marker is in the data.
    in_order: bool,
    /// Stuffed bytes, which are not data.
    stuffed: usize,
}

/// A component of a scan.
pub(super) struct ScanComponent {
    /// Its index in the frame.
    pub(super) index: usize,
    /// The numbers of its tables of Huffman codes.
    pub(super) dc: usize,
    pub(super) ac: usize,
}

/// How a scan codes its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Sequential,
    FirstDc,
    MoreDc,
    FirstAc,
    MoreAc,
}

impl<'a> Scan<'a> {
    /// Reads the scan header `content`; the data are what begins `rest`.
    pub(super) fn parse(
        frame: &Frame,
        content: &[u8],
        interval: usize,
        rest: &'a [u8],
    ) -> Result<Self> {
        let bad = |what: &str| DecodeError::broken(format_args!("its scan header {what}"));
        let (&count, names) = content.split_first().ok_or_else(|| bad("is empty"))?;
        let count = usize::from(count);
        if !(1..=4).contains(&count) || names.len() != count * 2 + 3 {
            return Err(bad("is not valid"));
        }
        let mut components: Vec<ScanComponent> = Vec::new();
        for name in names[..count * 2].chunks(2) {
            let taken = |i: &usize| components.iter().any(|c| c.index == *i);
            let found = |i: &usize| frame.components[*i].id == name[0] && !taken(i);
            let index = (0..frame.components.len()).find(found);
            let index = index.ok_or_else(|| bad("names a component that the frame has not"))?;
            let [dc, ac] = [name[1] >> 4, name[1] & 0x0f].map(usize::from);
            components.push(ScanComponent { index, dc, ac });
        }
        let [first, last, position] = [0, 1, 2].map(|i| names[count * 2 + i]);
        let progressive = frame.is_progressive();
        let [first, last] = if progressive { [first, last].map(usize::from) } else { [0, 63] };
        let [high, low] = if progressive { [position >> 4, position & 0x0f] } else { [0, 0] };
        let range = if first == 0 { last == 0 } else { count == 1 && last >= first && last < 64 };
        if progressive && (!range || low > 13 || (high > 0 && high != low + 1)) {
            return Err(bad("is of no progressive scan"));
        }
        let blocks = |c: &ScanComponent| frame.components[c.index].h * frame.components[c.index].v;
        if count > 1 && components.iter().map(blocks).sum::<usize>() > MOST_BLOCKS {
            return Err(bad("has more than 10 blocks a unit"));
        }
        let data = rest;
        let (restarts, in_order, stuffed) = (0, true, 0);
        let header = Self {
            components,
            first,
            last,
            high,
            low,
            interval,
            data,
            restarts,
            in_order,
            stuffed,
        };
        Ok(header.until_next_marker())
    }

    /// The scan with `data` up to the next marker that is none of a scan.
    fn until_next_marker(mut self) -> Self {
        let mut after = 0; // the bytes before have been looked at
        for at in memchr::memchr_iter(0xff, self.data) {
            if at < after {
                continue;
            }
            match self.data.get(at + 1) {
                Some(0) => self.stuffed += 1,
                // A fill byte, which may stand before a marker.
                Some(0xff) => {
                    let fill = self.data[at..].iter().take_while(|&&byte| byte == 0xff).count();
                    after = at + fill - 1; // the last one is looked at as if it were alone
                    if self.data.get(at + fill).is_some_and(|&m| !ends_scan(m)) {
                        self.in_order = false;
                        continue;
                    }
                    self.data = &self.data[..at];
                    return self;
                }
                Some(marker @ 0xd0..=0xd7) => {
                    self.in_order &= usize::from(marker - 0xd0) == self.restarts % 8;
                    self.restarts += 1;
                }
                Some(&marker) if !ends_scan(marker) => self.in_order = false,
                _ => {
                    self.data = &self.data[..at];
                    return self;
                }
            }
        }
        self
    }

    pub(super) fn coding(&self, frame: &Frame) -> Coding {
        match (frame.is_progressive(), self.first, self.high) {
            (false, ..) => Coding::Sequential,
            (_, 0, 0) => Coding::FirstDc,
            (_, 0, _) => Coding::MoreDc,
            (.., 0) => Coding::FirstAc,
            _ => Coding::MoreAc,
        }
    }

    /// The rows and columns of its units: of the picture where it has several components, and else
    /// blocks.
    pub(super) fn units(&self, frame: &Frame) -> [usize; 2] {
        match &self.components[..] {
            [only] => frame.blocks(&frame.components[only.index]),
            _ => frame.units(),
        }
    }

    /// The number of its blocks.
    pub(super) fn blocks(&self, frame: &Frame) -> usize {
        let units = self.units(frame).iter().product::<usize>();
        match &self.components[..] {
            [_] => units,
            all => {
                let blocks = |c: &ScanComponent| &frame.components[c.index];
                all.iter().map(blocks).map(|c| units * c.h * c.v).sum()
            }
        }
    }

    /// Whether nothing about its markers, its length and its last bytes speaks against its being
    /// whole. Zeros to the end may be what a broken disk left, or a white sky.
    pub(super) fn looks_whole(&self, frame: &Frame) -> bool {
        let units = self.units(frame).iter().product::<usize>();
        let restarts = match self.interval {
            0 => 0..=0,
            // Some encoders write a marker after the last unit too.
            n => units.div_ceil(n) - 1..=units.div_ceil(n),
        };
        // Each block has one bit in such a scan, and any bits would do.
        let bytes = self.data.len() - self.stuffed;
        let short = self.coding(frame) == Coding::MoreDc
            && self.interval == 0
            && bytes != self.blocks(frame).div_ceil(8);
        let constant = self.data.last_chunk::<32>().is_some_and(|end| *end == [end[0]; 32]);
        self.in_order && restarts.contains(&self.restarts) && !short && !constant
    }
}

/// Whether a marker ends the data of a scan: any but restart markers, and those that no JPEG has.
fn ends_scan(marker: u8) -> bool {
    marker >= 0xc0 && !(0xd0..=0xd7).contains(&marker)
}
