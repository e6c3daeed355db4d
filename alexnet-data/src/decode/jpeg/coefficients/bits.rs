//! The bits of a scan, read as libjpeg reads them: zeros follow where the data end.

/// A position in the data of a scan.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// The lowest `count` bits are next, the highest of them first.
    buffer: u64,
    count: u32,
    /// Whether there is a marker at `at`, or the end of the data.
    at_marker: bool,
    /// Whether bits were asked for that are not there.
    pub(super) starved: bool,
    /// Bytes that were skipped before a marker.
    pub(super) surplus: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, buffer: 0, count: 0, at_marker: false, starved: false, surplus: 0 }
    }

    fn fill(&mut self) {
        while self.count <= 48 && !self.at_marker {
            let (byte, length) = match self.data.get(self.at) {
                Some(0xff) => {
                    let rest = &self.data[self.at..];
                    let ones = rest.iter().take_while(|&&byte| byte == 0xff).count();
                    if rest.get(ones) != Some(&0) {
                        self.at_marker = true;
                        return;
                    }
                    (0xff, ones + 1)
                }
                Some(&byte) => (byte, 1),
                None => {
                    self.at_marker = true;
                    return;
                }
            };
            self.buffer = self.buffer << 8 | u64::from(byte);
            self.count += 8;
            self.at += length;
        }
    }

    /// The next sixteen bits, without taking them.
    #[inline]
    pub(super) fn peek(&mut self) -> u32 {
        if self.count < 16 {
            self.fill();
        }
        let bits = match self.count {
            16.. => self.buffer >> (self.count - 16),
            few => self.buffer << (16 - few),
        };
        bits as u32 & 0xffff
    }

    /// Takes up to 17 bits.
    #[inline]
    pub(super) fn take(&mut self, bits: u32) -> u32 {
        if self.count < bits {
            self.fill();
            if self.count < bits {
                self.starved = true;
                self.buffer <<= 32;
                self.count += 32;
            }
        }
        self.count -= bits;
        (self.buffer >> self.count) as u32 & ((1 << bits) - 1)
    }

    /// Takes the number that `bits` bits code: its sign is the first of them, inverted.
    #[inline]
    pub(super) fn signed(&mut self, bits: u32) -> i32 {
        let value = self.take(bits) as i32;
        if bits > 0 && value >> (bits - 1) == 0 { value + 1 - (1 << bits) } else { value }
    }

    /// Drops what is left before the next marker.
    pub(super) fn finish(&mut self) {
        if !self.starved {
            self.surplus += self.count as usize / 8;
        }
        (self.buffer, self.count) = (0, 0);
        if !self.at_marker {
            self.next_marker();
        }
    }

    /// Goes on to the next marker at or after the position.
    fn next_marker(&mut self) {
        let mut rest = &self.data[self.at..];
        self.at_marker = true;
        loop {
            let at = memchr::memchr(0xff, rest).unwrap_or(rest.len());
            (self.surplus, self.at, rest) = (self.surplus + at, self.at + at, &rest[at..]);
            let ones = rest.iter().take_while(|&&byte| byte == 0xff).count();
            if rest.get(ones) != Some(&0) {
                return;
            }
            (self.surplus, self.at, rest) =
                (self.surplus + ones + 1, self.at + ones + 1, &rest[ones + 1..]);
        }
    }

    /// The marker at the position, and where it ends; `None` at the end of the data.
    fn marker(&self) -> Option<(u8, usize)> {
        let rest = &self.data[self.at..];
        let ones = rest.iter().take_while(|&&byte| byte == 0xff).count();
        rest.get(ones).map(|&marker| (marker, self.at + ones + 1))
    }

    /// Begins the next restart interval, whose marker has the number `expected`. False where the
    /// next marker is another one; where there is none, the data end, and no marker is at fault.
    ///
    /// Where it is another one, libjpeg's rule decides what is missing: one of the next two markers
    /// waits for its own interval, one of the two before is skipped, and any other is taken for the
    /// expected one.
    pub(super) fn restart(&mut self, expected: u8) -> bool {
        self.finish();
        let mut right = true;
        while let Some((marker, end)) = self.marker() {
            let ahead = marker.wrapping_sub(0xd0 + expected) & 7;
            let is_restart = (0xd0..=0xd7).contains(&marker);
            match ahead {
                1 | 2 if is_restart => return false,
                6 | 7 if is_restart => {}
                _ if !is_restart => {}
                _ => {
                    (self.at, self.at_marker, self.starved) = (end, false, false);
                    return right && ahead == 0;
                }
            }
            right = false;
            self.at = end;
            self.next_marker();
        }
        right
    }
}
