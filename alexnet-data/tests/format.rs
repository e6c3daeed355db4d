//! The format: records are read as they were written, and damage to any byte is found.

mod common;

use alexnet_data::{Crop, Dataset, Encoding, Error, Exif, PrepareOptions, Preprocessing, Resample};
use common::{contents, options, png, put, run, small_dataset};
use image::ExtendedColorType::Rgb8;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Opens a dataset and reads everything in it.
fn read_all(dir: &Path) -> Result<usize, Error> {
    let dataset = Dataset::open(dir)?;
    let mut records = 0;
    for split in dataset.splits() {
        for i in 0..split.len() {
            split.record(i)?;
            records += 1;
        }
    }
    Ok(records)
}

/// Images of the stored size are stored unchanged, with their labels; val is in sorted order.
#[test]
fn round_trip() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    let mut want = Vec::new();
    for split in ["train", "val"] {
        for (label, class) in ["x", "y"].into_iter().enumerate() {
            for i in 0..5 {
                let pixels = common::picture(12, 12, i * 7 + label + split.len());
                put(&input, &format!("{split}/{class}/{i}.png"), &png(&pixels, 12, 12, Rgb8));
                want.push((split, label as u32, pixels));
            }
        }
    }
    let summary = run(&options(&input, &output, 12)).unwrap();
    assert_eq!(summary.splits, [("train".to_owned(), 10), ("val".to_owned(), 10)]);
    let dataset = Dataset::open(&output).unwrap();
    assert_eq!(dataset.dir(), output);
    for name in ["train", "val"] {
        let split = dataset.split(name).unwrap();
        let mut got: Vec<_> = (0..split.len())
            .map(|i| {
                let record = split.record(i).unwrap();
                assert_eq!(split.label(i).unwrap(), record.label);
                (name, record.label, record.pixels.to_vec())
            })
            .collect();
        let mut want: Vec<_> = want.iter().filter(|w| w.0 == name).cloned().collect();
        if name == "train" {
            assert_ne!(got, want, "train is stored in a shuffled order");
            got.sort();
            want.sort();
        }
        assert_eq!(got, want);
        assert_eq!(split.images_per_class(), [5, 5]);
        assert!(matches!(split.record(10), Err(Error::NoSuchRecord { record: 10, .. })));
        assert!(split.label(usize::MAX).is_err());
    }
    let text = dataset.split("test").unwrap_err().to_string();
    assert!(text.contains("`test`") && text.contains("train, val"), "{text}");
}

/// A dataset of three shards with two records of 4 × 4 pixels each, which has few enough bytes to
/// try every one.
fn tiny_dataset() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    common::tree(&input, "train", &["a", "b"], 2, 5);
    common::tree(&input, "val", &["a", "b"], 1, 5);
    put(&input, "train/a/x.png", b"no image"); // a report that is not empty
    run(&PrepareOptions { shard_records: Some(3), ..options(&input, &output, 4) }).unwrap();
    assert_eq!(read_all(&output).unwrap(), 6);
    (dir, output)
}

/// Opening the dataset or reading a record finds any flipped byte of any file, and names the file.
#[test]
fn every_flipped_byte_is_found() {
    let (_guard, dir) = tiny_dataset();
    let mut tried = 0;
    for (name, bytes) in contents(&dir) {
        let path = dir.join(&name);
        for i in 0..bytes.len() {
            let mask = if i % 2 == 0 { 1 << (i / 2 % 8) } else { 0xff };
            let mut damaged = bytes.clone();
            damaged[i] ^= mask;
            fs::write(&path, &damaged).unwrap();
            let error = read_all(&dir).expect_err(&format!("{name}: byte {i} ^ {mask:02x}"));
            let text = error.to_string();
            assert!(text.contains(&name) && !text.contains('\n'), "{text}");
            tried += 1;
        }
        fs::write(&path, &bytes).unwrap();
    }
    assert!(tried > 3 * 4096);
    assert_eq!(read_all(&dir).unwrap(), 6);
}

/// A file that is cut to any length, made longer, or missing is found and named.
#[test]
fn every_truncation_is_found() {
    let (_guard, dir) = tiny_dataset();
    for (name, bytes) in contents(&dir) {
        let path = dir.join(&name);
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            let text = read_all(&dir).expect_err(&format!("{name}: {length} bytes")).to_string();
            assert!(text.contains(&name), "{text}");
        }
        fs::write(&path, [&bytes[..], &[0]].concat()).unwrap();
        assert!(read_all(&dir).is_err(), "{name}: a byte more");
        fs::remove_file(&path).unwrap();
        let text = read_all(&dir).unwrap_err().to_string();
        assert!(text.contains(&name), "{text}");
        fs::write(&path, &bytes).unwrap();
    }
}

/// A whole shard in the place of another one is found.
#[test]
fn swapped_shards_are_found() {
    let (_guard, dir) = small_dataset(4);
    let (a, b) = (dir.join("train-00000.shard"), dir.join("train-00001.shard"));
    let (bytes_a, bytes_b) = (fs::read(&a).unwrap(), fs::read(&b).unwrap());
    fs::write(&a, &bytes_b).unwrap();
    fs::write(&b, &bytes_a).unwrap();
    assert!(matches!(read_all(&dir), Err(Error::Damaged { .. })));
    fs::write(&a, &bytes_a).unwrap();
    assert!(matches!(read_all(&dir), Err(Error::Damaged { .. })));
}

/// A header that contradicts itself, the manifest or its file is refused, though every checksum is
/// right.
#[test]
fn contradictory_headers_are_refused() {
    let (_guard, dir) = tiny_dataset();
    let good = fs::read(dir.join("train-00000.shard")).unwrap();
    for i in (0..128).chain((128..4092).step_by(31)) {
        for mask in [1 << (i % 8), 0xff] {
            let mut bytes = good.clone();
            bytes[i] ^= mask;
            common::put_shard(&dir, "train-00000.shard", bytes);
            let error = Dataset::open(&dir).expect_err(&format!("byte {i} ^ {mask:02x}"));
            assert!(error.to_string().contains("train-00000.shard"), "{error}");
        }
    }
    common::put_shard(&dir, "train-00000.shard", good);
    assert_eq!(read_all(&dir).unwrap(), 6);
}

/// Another version is named before any checksum is compared.
#[test]
fn other_versions_are_named() {
    let (_guard, dir) = small_dataset(4);
    let path = dir.join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"version\": 1", "\"version\": 7")).unwrap();
    let got = Dataset::open(&dir).unwrap_err();
    assert!(matches!(got, Error::Version { expected: 1, got: 7, .. }), "{got}");
    fs::write(&path, &text).unwrap();

    let path = dir.join("val-00000.shard");
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 2;
    fs::write(&path, &bytes).unwrap();
    let got = Dataset::open(&dir).unwrap_err();
    assert!(matches!(got, Error::Version { expected: 1, got: 2, .. }), "{got}");
}

/// A manifest with a right checksum and false content is an error, and no file outside is opened.
#[test]
fn hostile_manifests_are_refused() {
    let (_guard, dir) = small_dataset(4);
    let path = dir.join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    let rest = text.split_once('\n').unwrap().1;
    let lies = [
        ("\"height\": 4", "\"height\": 18446744073709551615"),
        ("\"height\": 4", "\"height\": 0"),
        ("\"width\": 4", "\"width\": 5"),
        ("\"records\": 8", "\"records\": 18446744073709551615"),
        ("\"records\": 15", "\"records\": 14"),
        ("\"name\": \"b\"", "\"name\": \"a\""),
        ("\"name\": \"val\"", "\"name\": \"train\""),
        ("\"file\": \"train-00001.shard\"", "\"file\": \"train-00000.shard\""),
        ("\"file\": \"train-00001.shard\"", "\"file\": \"../train-00001.shard\""),
        ("\"file\": \"report.jsonl\"", "\"file\": \"/etc/passwd\""),
        ("\"ignored\": 0", "\"ignored\": 0, \"unheard_of\": 1"),
        ("\"eigenvalues\": [", "\"eigenvalues\": [1e999,"),
        ("\"mean_image\": \"", "\"mean_image\": \"AAAA"),
        ("\"raw_per_million\": 1000000", "\"raw_per_million\": 1000001"),
        ("\"raw_per_million\": 1000000", "\"raw_per_million\": 0"),
        ("\"raw_per_million\": 1000000", "\"raw_per_million\": 0, \"quality\": 0"),
        ("\"raw_per_million\": 1000000", "\"raw_per_million\": 1000001, \"quality\": 9"),
        ("\"order\": \"sorted\"", "\"order\": \"random\""),
        ("crc32:", "crc32:+"),
    ];
    for (truth, lie) in lies {
        assert!(rest.contains(truth), "{truth}");
        common::put_manifest(&dir, &rest.replacen(truth, lie, 1));
        let error = read_all(&dir).expect_err(lie);
        assert!(matches!(error, Error::Damaged { .. }), "{lie}: {error}");
    }
    for junk in [&b""[..], b"\n", b"{}", b"[[[[", b"\xff\xfe", b"{\"version\":-1}"] {
        fs::write(&path, junk).unwrap();
        assert!(matches!(read_all(&dir), Err(Error::Damaged { .. })));
    }
}

/// All that decides pixels stands in the manifest; one from before it did is still read.
#[test]
fn a_manifest_says_how_pixels_were_made() {
    let (_guard, dir) = small_dataset(4);
    let made = Preprocessing {
        height: 4,
        width: 4,
        resample: Resample::Area,
        crop: Crop::Centre,
        exif: Exif::Ignore,
    };
    assert_eq!(Dataset::open(&dir).unwrap().manifest().preprocessing(), made);
    let text = fs::read_to_string(dir.join("manifest.json")).unwrap();
    let mut rest = text.split_once('\n').unwrap().1.to_owned();
    for field in ["\"resample\": \"area\",", "\"crop\": \"centre\",", "\"exif\": \"ignore\","] {
        assert!(rest.contains(field), "no {field} in {rest}");
        rest = rest.replacen(field, "", 1);
    }
    common::put_manifest(&dir, &rest);
    let first = Preprocessing { resample: Resample::Box, ..made };
    assert_eq!(Dataset::open(&dir).unwrap().manifest().preprocessing(), first);
    common::put_manifest(&dir, &rest.replacen("\"height\"", "\"resample\": \"x\", \"height\"", 1));
    assert!(matches!(Dataset::open(&dir), Err(Error::Damaged { .. })));
}

/// A folder that is no dataset is named.
#[test]
fn other_folders_are_named() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Dataset::open(dir.path()), Err(Error::NotADataset { .. })));
    let missing = dir.path().join("missing");
    let text = Dataset::open(&missing).unwrap_err().to_string();
    assert!(text.contains("missing"), "{text}");
}

/// The manifest's checksum follows FORMAT.md in a few lines that every language has.
#[test]
fn the_first_line_is_the_checksum_of_the_rest() {
    let (_guard, dir) = small_dataset(4);
    let bytes = fs::read(dir.join("manifest.json")).unwrap();
    let end = bytes.iter().position(|&b| b == b'\n').unwrap();
    let want = format!("{{\"checksum\":\"crc32:{:08x}\",", crc32fast::hash(&bytes[end + 1..]));
    assert_eq!(bytes[..end], *want.as_bytes());
    serde_json::from_slice::<serde_json::Value>(&bytes).unwrap();
}

/// A seed and an input mean the same bytes in later versions: the shards of a small tree, raw, as
/// JPEG and as both, in their shuffled and their sorted order.
#[test]
fn the_bytes_of_shards_do_not_change() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    for (split, class, n) in [("train", "a", 7), ("train", "b", 6), ("val", "b", 3)] {
        for i in 0..n {
            let value = |v: usize| (v / 3 * (v % 3 + 1) + v / 120 * 5 + i * 31) as u8;
            let pixels: Vec<u8> = (0..40 * 40 * 3).map(value).collect();
            put(&input, &format!("{split}/{class}/{i}.png"), &png(&pixels, 40, 40, Rgb8));
        }
    }
    let golden = [
        (Encoding::Raw, [0x2d4f7025, 0xb1dbbd67, 0x3cf32c3d]),
        (Encoding::Jpeg { quality: 90 }, [0xae602685, 0xee6a0aca, 0x55047647]),
        (Encoding::Budget { bytes: 110_000, quality: 90 }, [0xafeaad9a, 0x1b26261d, 0x856c5483]),
    ];
    for (encoding, want) in golden {
        let output = dir.path().join(format!("{encoding:?}"));
        let options = options(&input, &output, 40);
        run(&PrepareOptions { encoding, shard_records: Some(8), ..options }).unwrap();
        let files = contents(&output).into_iter().filter(|(name, _)| name.ends_with(".shard"));
        let got: Vec<_> = files.map(|(_, bytes)| crc32fast::hash(&bytes)).collect();
        assert_eq!(got, want, "{encoding:?}");
    }
}
