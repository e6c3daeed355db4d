//! JPEG files of flat blocks, in any sampling: for what no encoder at hand writes.

/// The component's horizontal and vertical sampling.
pub(crate) type Sampling = (u8, u8);

/// Bits of a scan, with a zero after every ff.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    current: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, bits: u32) {
        for bit in (0..bits).rev() {
            self.current = self.current << 1 | (value >> bit & 1);
            self.count += 1;
            if self.count == 8 {
                self.bytes.push(self.current as u8);
                if self.current == 0xff {
                    self.bytes.push(0);
                }
                (self.current, self.count) = (0, 0);
            }
        }
    }
}

/// A baseline JPEG of `units` × 1 minimum coded units of up to five components, whose block number
/// `b` (over the whole component, in coding order) has the value `value(component, b)` all over.
/// With `adobe`, it has Adobe's marker with that colour transform: 0 none, 1 YCbCr, 2 YCCK.
pub(crate) fn jpeg(
    sampling: &[Sampling],
    units: u16,
    adobe: Option<u8>,
    value: impl Fn(usize, usize) -> u8,
) -> Vec<u8> {
    let count = sampling.len() as u8;
    let (h, v) = sampling.iter().fold((1, 1), |(h, v), s| (h.max(s.0), v.max(s.1)));
    let mut out = vec![0xff, 0xd8];
    let mut segment = |marker: u8, content: &[u8]| {
        out.extend([0xff, marker]);
        out.extend((content.len() as u16 + 2).to_be_bytes());
        out.extend(content);
    };
    if let Some(transform) = adobe {
        segment(0xee, &[b"Adobe\0\x64\0\0\0\0", &[transform][..]].concat());
    }
    segment(0xdb, &[&[0][..], &[1; 64]].concat()); // every value is stored as it is
    let (height, width) = (u16::from(v) * 8, u16::from(h) * 8 * units);
    let mut frame = vec![8];
    frame.extend([height, width].map(u16::to_be_bytes).concat());
    frame.push(count);
    (1..).zip(sampling).for_each(|(id, (h, v))| frame.extend([id, h << 4 | v, 0]));
    segment(0xc0, &frame);
    // DC: twelve codes of four bits, the code is the number of bits that follow. AC: `0` ends the
    // block.
    let mut lengths = [0; 16];
    lengths[3] = 12;
    segment(0xc4, &[&[0x00][..], &lengths, &(0..12).collect::<Vec<u8>>()].concat());
    let mut lengths = [0; 16];
    lengths[0] = 1;
    segment(0xc4, &[&[0x10][..], &lengths, &[0]].concat());
    let mut scan = vec![count];
    (1..=count).for_each(|id| scan.extend([id, 0]));
    segment(0xda, &[&scan[..], &[0, 63, 0]].concat());
    let (mut bits, mut before, mut blocks) = (Bits::default(), [0; 5], [0; 5]);
    for _ in 0..units {
        for (c, (h, v)) in sampling.iter().copied().enumerate() {
            for _ in 0..h * v {
                let level = (i32::from(value(c, blocks[c])) - 128) * 8;
                let difference = level - before[c];
                (before[c], blocks[c]) = (level, blocks[c] + 1);
                let size = 32 - difference.unsigned_abs().leading_zeros();
                bits.put(size, 4);
                let low = if difference < 0 { difference - 1 } else { difference };
                bits.put(low as u32 & ((1 << size) - 1), size);
                bits.put(0, 1);
            }
        }
    }
    bits.put(0x7f, 7);
    out.extend(bits.bytes);
    out.extend([0xff, 0xd9]);
    out
}
