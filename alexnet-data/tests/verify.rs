//! Verify finds and names every fault, repair makes those shards again to the byte; and images to
//! look at.

mod common;

use alexnet_data::{
    Dataset, Error, contact_sheet, decode, mean_picture, repair, verify, write_png,
};
use common::{contents, put, small_dataset};
use std::fs;

#[test]
fn faults_are_named_and_repaired() {
    let (guard, dir) = small_dataset(4);
    let input = guard.path().join("in");
    let want = contents(&dir);
    let check = || verify(&dir, &|done, total| assert!(done <= total && total == 21)).unwrap();
    assert_eq!(check(), []);
    assert!(repair(&dir, &input, None, &|_| ()).unwrap().is_empty());
    // Two records of one shard, the index of another, a third one gone.
    let (a, b) = (dir.join("train-00000.shard"), dir.join("train-00001.shard"));
    let mut bytes = fs::read(&a).unwrap();
    bytes[4096 + 48 * 2] ^= 1;
    bytes[4096 + 48 * 5 + 7] ^= 0x80;
    fs::write(&a, bytes).unwrap();
    let bytes = fs::read(&b).unwrap();
    fs::write(&b, &bytes[..bytes.len() - 1]).unwrap();
    fs::remove_file(dir.join("val-00000.shard")).unwrap();
    let faults = check();
    let records: Vec<_> =
        faults.iter().map(|f| (f.file.as_str(), f.record.as_ref().map(|r| (r.0, r.1)))).collect();
    assert_eq!(
        records,
        [
            ("train-00000.shard", Some((2, 2))),
            ("train-00000.shard", Some((5, 5))),
            ("train-00001.shard", None),
            ("val-00000.shard", None),
        ]
    );
    let text = faults[0].to_string();
    assert!(
        text.contains("record 2 ") && text.contains("class ") && !text.contains('\n'),
        "{text}"
    );

    // Another input is refused, and nothing is changed by it.
    let before = contents(&dir);
    put(&input, "train/a/more.png", b"x");
    put(&input, "train/d/more.png", b"x");
    assert!(matches!(repair(&dir, &input, None, &|_| ()), Err(Error::Source { .. })));
    fs::remove_dir_all(input.join("train/d")).unwrap();
    let text = repair(&dir, &input, None, &|_| ()).unwrap_err().to_string();
    assert!(text.contains("changed"), "{text}");
    assert_eq!(contents(&dir), before);
    fs::remove_file(input.join("train/a/more.png")).unwrap();

    let mut done = repair(&dir, &input, None, &|_| ()).unwrap();
    done.sort();
    assert_eq!(done, ["train-00000.shard", "train-00001.shard", "val-00000.shard"]);
    assert_eq!(contents(&dir), want);
    assert_eq!(check(), []);
    // The report is checked too, and is not repaired.
    fs::write(dir.join("report.jsonl"), b"x").unwrap();
    assert_eq!(check()[0].file, "report.jsonl");
}

#[test]
fn pictures() {
    let (_guard, dir) = small_dataset(6);
    let dataset = Dataset::open(&dir).unwrap();
    let train = dataset.split("train").unwrap();
    let sheet = contact_sheet(train, 5).unwrap();
    assert_eq!((sheet.height, sheet.width), (12, 18));
    let record = train.record(3).unwrap();
    assert_eq!(sheet.data[18..36], record.pixels[..18]); // the second of the first row: 1 · 15 / 5
    assert_eq!(contact_sheet(train, 1000).unwrap().width, 24); // all 15
    assert!(contact_sheet(train, 0).is_err());
    let mean = mean_picture(dataset.manifest());
    let path = dir.join("mean.png");
    write_png(&path, &mean).unwrap();
    assert_eq!(decode(&fs::read(&path).unwrap(), 6).unwrap().data, mean.data);
}
