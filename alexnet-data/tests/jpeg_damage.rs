//! A JPEG is whole, or what is wrong with it is said; and what follows it does not matter.

mod common;

use alexnet_data::{Pixels, decode};
use common::jpeg;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

const SIDE: usize = 96;

/// How a file is encoded.
#[derive(Debug, Clone, Copy, Default)]
struct As {
    grey: bool,
    progressive: bool,
    restart: u16,
}

const ALL: [As; 6] = [
    As { grey: false, progressive: false, restart: 0 },
    As { grey: true, progressive: false, restart: 0 },
    As { grey: false, progressive: false, restart: 3 },
    As { grey: true, progressive: false, restart: 5 },
    As { grey: false, progressive: true, restart: 0 },
    As { grey: true, progressive: true, restart: 0 },
];

/// Smooth colours, whose chroma is nearly the same however a decoder enlarges it, and sharp luma.
fn scene(side: usize) -> Vec<u8> {
    let value = |y: usize, x: usize, c: usize| {
        let slope = [90 + y * 60 / side, 60 + x * 50 / side, 130 - y * 40 / side][c];
        slope + (x * y / 3 + x * 5) % 41
    };
    (0..side * side * 3).map(|i| value(i / 3 / side, i / 3 % side, i % 3) as u8).collect()
}

fn file(how: As) -> Vec<u8> {
    let (pixels, side, mut bytes) = (scene(SIDE), SIDE as u16, Vec::new());
    let mut encoder = Encoder::new(&mut bytes, 90);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.set_progressive(how.progressive);
    encoder.set_restart_interval(how.restart);
    if how.grey {
        encoder.encode(&pixels[..SIDE * SIDE], side, side, ColorType::Luma).unwrap();
    } else {
        encoder.encode(&pixels, side, side, ColorType::Rgb).unwrap();
    }
    bytes
}

/// Where the data of the first scan begin.
fn data(bytes: &[u8]) -> usize {
    let scan = bytes.windows(2).position(|w| w == [0xff, 0xda]).unwrap();
    scan + 2 + usize::from(bytes[scan + 3])
}

/// The positions of all restart markers.
fn restarts(bytes: &[u8]) -> Vec<usize> {
    let from = data(bytes);
    let is_restart = |&i: &usize| bytes[i] == 0xff && (0xd0..=0xd7).contains(&bytes[i + 1]);
    (from..bytes.len() - 1).filter(is_restart).collect()
}

/// Decodes at full size, where nothing is resized, and at a quarter of it.
fn both(bytes: &[u8]) -> [Pixels; 2] {
    [SIDE, SIDE / 4].map(|size| decode(bytes, size).unwrap())
}

fn damage(bytes: &[u8]) -> [String; 2] {
    both(bytes).map(|pixels| pixels.damage.expect("a word about the damage"))
}

/// The mean of the absolute differences of some rows.
fn difference(a: &Pixels, b: &Pixels, rows: std::ops::Range<usize>) -> f64 {
    let range = rows.start * a.width * 3..rows.end * a.width * 3;
    let pairs = a.data[range.clone()].iter().zip(&b.data[range]);
    let (sum, count) = pairs.fold((0, 0), |(s, n), (a, b)| (s + u64::from(a.abs_diff(*b)), n + 1));
    sum as f64 / f64::from(count)
}

/// Data that stop early, with the end-of-image marker right there, are damage of the right amount;
/// and what is there is decoded.
#[test]
fn data_that_stop_early() {
    for how in ALL.into_iter().filter(|how| !how.progressive) {
        let good = file(how);
        let whole = decode(&good, SIDE).unwrap();
        let (from, length) = (data(&good), good.len() - 2 - data(&good));
        for part in [10, 50, 90] {
            let cut = [&good[..from + length * part / 100], &[0xff, 0xd9]].concat();
            for text in damage(&cut) {
                let missing = text.strip_prefix("the last ").and_then(|t| t.split_once(" %"));
                let missing: usize = missing.expect(&text).0.parse().unwrap();
                assert!(missing.abs_diff(100 - part) < 15, "{how:?}, {part} % left: {text}");
            }
            let got = decode(&cut, SIDE).unwrap();
            let rows = 0..SIDE * (part - 10) / 100 / 16 * 16;
            if !rows.is_empty() {
                assert!(difference(&got, &whole, rows) < 3.0, "{how:?}, {part} % left");
            }
        }
    }
}

/// The same for the progressive, where a scan may stop early or be missing.
#[test]
fn scans_that_stop_early() {
    for how in ALL.into_iter().filter(|how| how.progressive) {
        let good = file(how);
        let scans: Vec<_> =
            (0..good.len() - 1).filter(|&i| good[i..i + 2] == [0xff, 0xda]).collect();
        assert!(scans.len() > 2);
        for (i, &scan) in scans.iter().enumerate() {
            let end = scans.get(i + 1).copied().unwrap_or(good.len() - 2);
            for cut in [scan, (scan + end) / 2 + 8] {
                if cut > scans[0] {
                    damage(&[&good[..cut], &[0xff, 0xd9]].concat());
                }
            }
        }
    }
}

/// What a broken disk leaves, zeros or other constants up to the end, is no picture.
#[test]
fn constants_to_the_end() {
    for how in ALL {
        let good = file(how);
        for constant in [0, 0x55] {
            let mut bytes = good.clone();
            let (from, end) = ((data(&good) + good.len()) / 2, good.len() - 2);
            bytes[from..end].fill(constant);
            damage(&bytes);
        }
    }
}

/// Restart markers that are missing, in another order or of another number are damage; the
/// intervals between the right ones are where they belong.
#[test]
fn restart_markers() {
    for how in ALL.into_iter().filter(|how| how.restart > 0) {
        let good = file(how);
        let (whole, at) = (decode(&good, SIDE).unwrap(), restarts(&good));
        let without = |gone: &[usize]| -> Vec<u8> {
            let kept = |i: &usize| !gone.iter().any(|&at| (at..at + 2).contains(i));
            (0..good.len()).filter(kept).map(|i| good[i]).collect()
        };
        damage(&without(&at));
        damage(&without(&at[3..4]));
        // An interval is lost with its marker; the last row of units is right all the same.
        let lost = [&good[..at[2]], &good[at[3]..]].concat();
        assert!(damage(&lost)[0].contains("% of the picture are missing"), "{how:?}");
        let got = decode(&lost, SIDE).unwrap();
        assert!(difference(&got, &whole, SIDE - 16..SIDE) < 3.0, "{how:?}");
        assert!(difference(&got, &whole, 0..SIDE) < 25.0, "{how:?}");
        for (i, change) in [(0, 4), (2, 1)] {
            let mut bytes = good.clone();
            bytes[at[i] + 1] ^= change;
            damage(&bytes);
        }
        // The last interval is missing, and so are its units.
        let last = [&good[..at[at.len() - 1]], &[0xff, 0xd9]].concat();
        assert!(damage(&last)[0].starts_with("the last "), "{how:?}");
        // One more marker after the last unit is what some encoders write.
        let next = 0xd0 + (at.len() % 8) as u8;
        let more = [&good[..good.len() - 2], &[0xff, next, 0xff, 0xd9]].concat();
        assert_eq!(both(&more), both(&good));
    }
}

/// Whatever follows the end-of-image marker changes nothing.
#[test]
fn what_follows_does_not_matter() {
    let good = file(As::default());
    let half = &good[..good.len() / 2];
    let scan = b"ab\xff\xda\0\x0c\x03\x01\0\x02\x11\x03\x11\0\x3f\0xyz\xff\xd0".to_vec();
    for how in ALL {
        let good = file(how);
        for tail in [&good[..], half, &scan, &[0xff; 99], &[0xff, 0xd9], &vec![0x37; 5000]] {
            assert_eq!(both(&[&good[..], tail].concat()), both(&good), "{how:?}");
        }
        // An end-of-image marker inside is the end.
        let middle = (data(&good) + good.len()) / 2;
        damage(&[&good[..middle], &[0xff, 0xd9], &good[middle..]].concat());
    }
}

/// Where nothing can be decoded, the file is refused with the reason.
#[test]
fn nothing_is_left() {
    for how in ALL {
        let good = file(how);
        let empty = [&good[..data(&good)], &[0xff, 0xd9]].concat();
        let reason = decode(&empty, SIDE).unwrap_err().to_string();
        assert!(reason.contains("nothing of it can be decoded"), "{how:?}: {reason}");
    }
    // As a file transfer in text mode leaves it.
    let good = jpeg(&scene(200), 200, 200);
    let mangled: Vec<u8> =
        good.iter().flat_map(|&b| [b'\r', b].into_iter().skip(usize::from(b != b'\n'))).collect();
    let reason = decode(&mangled, SIDE).unwrap_err().to_string();
    assert!(reason.contains("line ends"), "{reason}");
}

/// A flipped byte is noticed where codes stop fitting, and never hurts what was before it.
#[test]
fn flipped_bytes() {
    let good = file(As::default());
    let (whole, from) = (decode(&good, SIDE).unwrap(), data(&good));
    let (mut noticed, mut all) = (0, 0);
    for at in (from + (good.len() - from) / 2..good.len() - 2).step_by(7) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x5a;
        let Ok(got) = decode(&bytes, SIDE) else { continue };
        (noticed, all) = (noticed + usize::from(got.damage.is_some()), all + 1);
        assert!(difference(&got, &whole, 0..16) < 3.0, "byte {at}");
    }
    assert!(noticed * 5 > all && all > 50, "{noticed} of {all}");
}
