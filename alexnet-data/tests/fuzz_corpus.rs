//! Runs the fuzzers' seeds (`fuzz/corpus`) as an ordinary test; another test writes them.

mod common;

use alexnet_data::fuzz;
use common::archives::{meta_mat, tar_of, tar_with_links};
use common::pickles::{batch, meta};
use common::zips::{deflated, encrypted, stored, zip_of};
use common::{contents, jpeg, picture, png, put, small_dataset};
use image::ExtendedColorType::{L8, Rgb8};
use std::fs;
use std::path::{Path, PathBuf};

/// A folder of the corpus, and its target.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 8] = [
    ("header", fuzz::header),
    ("manifest", fuzz::manifest),
    ("record", fuzz::record),
    ("image", fuzz::image),
    ("tar", fuzz::tar),
    ("mat", fuzz::mat),
    ("zip", fuzz::zip),
    ("pickle", fuzz::pickle),
];

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus")
}

/// No seed of any target, whole, cut short or with flipped bytes, causes a panic.
#[test]
fn seeds_run() {
    for (name, target) in TARGETS {
        let seeds = contents(&corpus().join(name));
        assert!(seeds.len() >= 2, "{name}");
        for (_, seed) in seeds {
            target(&seed);
            for i in (0..seed.len()).step_by(1 + seed.len() / 40) {
                target(&seed[..i]);
                let mut flipped = seed.clone();
                flipped[i] ^= 0x91;
                target(&flipped);
            }
        }
    }
}

/// Writes the seeds: `cargo test -p alexnet-data --test fuzz_corpus -- --ignored`.
#[test]
#[ignore = "writes into fuzz/corpus"]
fn write_seeds() {
    let named = |name: &str, bytes: &[u8]| (name.to_owned(), bytes.to_vec());
    let seed = |target: &str, name: &str, bytes: &[u8]| {
        drop(put(&corpus(), &format!("{target}/{name}"), bytes))
    };
    let (_guard, dir) = small_dataset(4);
    let shard = fs::read(dir.join("train-00000.shard")).unwrap();
    seed("header", "shard", &shard[..4096]);
    seed("header", "short", &shard[..4095]);
    seed("header", "empty", b"");
    let manifest = fs::read(dir.join("manifest.json")).unwrap();
    let end = manifest.iter().position(|&b| b == b'\n').unwrap();
    seed("manifest", "whole", &manifest);
    seed("manifest", "rest", &manifest[end + 1..]);
    seed("manifest", "other-version", b"{\"version\": 7}\n");
    // Two records of 8 × 8: the number, the index, the bytes.
    let records = [picture(8, 8, 1), picture(8, 8, 2)];
    let mut bytes = vec![2];
    for (i, record) in records.iter().enumerate() {
        let words = [i as u32, crc32fast::hash(record), (4096 + i * 192) as u32, 0, 192, 0];
        bytes.extend(words.map(u32::to_le_bytes).concat());
    }
    bytes.extend(records.concat());
    seed("record", "two", &bytes);
    seed("record", "none", &[0]);
    bytes[1 + 4] ^= 1;
    seed("record", "wrong-checksum", &bytes);
    let small = jpeg(&picture(9, 12, 1), 9, 12);
    seed("image", "jpeg", &small);
    seed("image", "grey.png", &png(&[7; 100], 10, 10, L8));
    seed("image", "rgb.png", &png(&picture(9, 9, 3), 9, 9, Rgb8));
    seed("image", "large-jpeg", &jpeg(&picture(40, 50, 3), 40, 50));
    let ycck = common::bare_jpeg::jpeg(&[(2, 2), (1, 1), (1, 1), (2, 2)], 1, Some(2), |_, _| 99);
    seed("image", "ycck-jpeg", &ycck);
    let inner = tar_of(&[named("a.JPEG", b"one"), named(&("d/".repeat(45) + "b"), b"two")]);
    seed("tar", "nested", &tar_of(&[named("n00000001.tar", &inner), named("x", b"")]));
    seed("tar", "empty", &[0; 1024]);
    seed("tar", "short", &inner[..700]);
    let synsets = [(1, "n01440764", "tench, Tinca", 0), (2, "n00001740", "entity", 2)];
    seed("mat", "2012", &meta_mat("ILSVRC2012_ID", &synsets));
    seed("mat", "none", &meta_mat("ILSVRC2010_ID", &[]));
    let files = [stored("a/b.JPEG", b"stored"), deflated("c", &[5; 300]), encrypted("e")];
    seed("zip", "both", &zip_of(&files, false));
    seed("zip", "wide", &zip_of(&files[..2], true));
    seed("zip", "empty", &zip_of(&[], false));
    seed("pickle", "batch", &batch("labels", &[1, 7], false, &[9; 12]));
    seed("pickle", "meta", &meta("label_names", &["airplane".into(), "truck".into()]));
    let links: [(&str, u8, &[u8]); 3] =
        [("a", b'0', b"bytes"), ("b", b'1', b"a"), ("c", b'2', b"b")];
    seed("tar", "links", &tar_with_links(&links));
}
