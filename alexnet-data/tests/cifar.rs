//! CIFAR as downloaded: both versions of both datasets, unpacked or as the tar.gz, give the same
//! records, in any size; a hostile pickle is an error.

mod common;

use alexnet_data::{Dataset, Error, PrepareOptions, Source};
use common::archives::{gzip, tar_of};
use common::pickles::{batch, meta};
use common::{contents, put, run};
use std::fs;
use std::path::Path;

const VALUES: usize = 3072;

type Files = Vec<(String, Vec<u8>)>;

/// Value `i` of image `r` of file `f`.
fn value(f: usize, r: usize, i: usize) -> u8 {
    (i / 8 + f * 7 + r * 3) as u8
}

fn names() -> Vec<String> {
    "airplane automobile bird cat deer dog frog horse ship truck"
        .split(' ')
        .map(Into::into)
        .collect()
}

/// The six files of CIFAR-10 with `n` images each, of the binary and of the Python version.
fn ten(n: usize, by_columns: bool) -> [Files; 2] {
    let (mut binary, mut python) = (Files::new(), Files::new());
    let files = (1..=5).map(|i| format!("data_batch_{i}")).chain(["test_batch".into()]);
    for (f, name) in files.enumerate() {
        let labels: Vec<u8> = (0..n).map(|r| ((f + r) % 10) as u8).collect();
        let image = |r: usize| (0..VALUES).map(move |i| value(f, r, i));
        let records = (0..n).flat_map(|r| [labels[r]].into_iter().chain(image(r))).collect();
        binary.push((format!("cifar-10-batches-bin/{name}.bin"), records));
        let data: Vec<u8> = match by_columns {
            true => (0..VALUES).flat_map(|i| (0..n).map(move |r| value(f, r, i))).collect(),
            false => (0..n).flat_map(image).collect(),
        };
        let pickle = batch("labels", &labels, by_columns, &data);
        python.push((format!("cifar-10-batches-py/{name}"), pickle));
    }
    binary.push(("cifar-10-batches-bin/batches.meta.txt".into(), names().join("\n").into()));
    python.push(("cifar-10-batches-py/batches.meta".into(), meta("label_names", &names())));
    [binary, python]
}

/// The files of CIFAR-100 with three images each.
fn hundred() -> [Files; 2] {
    let names: Vec<String> = (0..100).map(|n| format!("name{n}")).collect();
    let (mut binary, mut python) = (Files::new(), Files::new());
    for (f, name) in ["train", "test"].into_iter().enumerate() {
        let labels = [99 - f as u8, 5, 42];
        let image = |r: usize| (0..VALUES).map(move |i| value(f, r, i));
        let records = (0..3).flat_map(|r| [7, labels[r]].into_iter().chain(image(r))).collect();
        binary.push((format!("cifar-100-binary/{name}.bin"), records));
        let data: Vec<u8> = (0..3).flat_map(image).collect();
        let pickle = batch("fine_labels", &labels, false, &data);
        python.push((format!("cifar-100-python/{name}"), pickle));
    }
    binary.push(("cifar-100-binary/fine_label_names.txt".into(), names.join("\n").into()));
    python.push(("cifar-100-python/meta".into(), meta("fine_label_names", &names)));
    [binary, python]
}

fn put_all(root: &Path, files: &Files) {
    files.iter().for_each(|(name, bytes)| drop(put(root, name, bytes)));
}

fn prepared(source: Source, input: &Path, output: &Path) -> Result<Files, Error> {
    assert_eq!(Source::detect(input)?, source, "{}", input.display());
    run(&PrepareOptions { threads: 2, ..PrepareOptions::new(source, input, output) })?;
    Ok(contents(output).into_iter().filter(|(name, _)| name != "report.jsonl").collect())
}

/// Both versions, unpacked (the folder, or the one that holds it), as the tar.gz, or in the folder
/// that holds the tar.gz, are the same dataset.
#[test]
fn every_form_is_the_same_dataset() {
    let dir = tempfile::tempdir().unwrap();
    for (source, archive, [binary, python]) in [
        (Source::Cifar10, "cifar-10-", ten(3, false)),
        (Source::Cifar10, "cifar-10-", ten(3, true)),
        (Source::Cifar10, "cifar-10-", ten(1, false)),
        (Source::Cifar100, "cifar-100-", hundred()),
    ] {
        let case = tempfile::tempdir_in(dir.path()).unwrap();
        let at = |name: &str| case.path().join(name);
        put_all(&at("binary"), &binary);
        let want = prepared(source, &at("binary"), &at("want")).unwrap();
        let dataset = Dataset::open(&at("want")).unwrap();
        let val = dataset.split("val").unwrap();
        let record = val.record(0).unwrap();
        let file = if source == Source::Cifar10 { 5 } else { 1 };
        let pixel = [0, 1, 2].map(|c| value(file, 0, c * 1024 + 40));
        assert_eq!(record.pixels[40 * 3..][..3], pixel);
        put_all(&at("python"), &python);
        let binary_gz = format!("gz/{archive}binary.tar.gz");
        let python_gz = format!("py-gz/{archive}python.tar.gz");
        put(case.path(), &binary_gz, &gzip(&tar_of(&binary)));
        put(case.path(), &python_gz, &gzip(&tar_of(&python)));
        let inner =
            |name: &str, files: &Files| at(name).join(files[0].0.split('/').next().unwrap());
        for input in [
            inner("binary", &binary),
            at("python"),
            inner("python", &python),
            at(&binary_gz),
            at("gz"),
            at(&python_gz),
            at("py-gz"),
        ] {
            let output = tempfile::tempdir_in(case.path()).unwrap();
            let got = prepared(source, &input, output.path()).unwrap();
            assert!(got == want, "{}", input.display());
        }
    }
}

/// Any size can be asked for; an image of one colour keeps it.
#[test]
fn any_size() {
    let dir = tempfile::tempdir().unwrap();
    let [binary, _] = ten(2, false);
    let flat: Files = binary
        .into_iter()
        .map(|(name, bytes)| {
            (
                name.clone(),
                if name.ends_with("bin") {
                    bytes
                        .chunks(3073)
                        .flat_map(|r| [vec![r[0]], vec![r[0] * 20; VALUES]].concat())
                        .collect()
                } else {
                    bytes
                },
            )
        })
        .collect();
    put_all(dir.path(), &flat);
    for size in [1, 24, 48, 227] {
        let output = dir.path().join(format!("out{size}"));
        let options = PrepareOptions::new(Source::Cifar10, dir.path(), &output);
        run(&PrepareOptions { size, threads: 2, ..options }).unwrap();
        let dataset = Dataset::open(&output).unwrap();
        let record = dataset.split("val").unwrap().record(1).unwrap();
        assert_eq!(record.pixels.len(), size * size * 3);
        assert!(record.pixels.iter().all(|&v| v == record.label as u8 * 20), "{size}");
    }
}

/// A pickle that calls something else, lacks its data, or is cut or changed anywhere is an error or
/// other data; nothing is run, and there is no panic.
#[test]
fn hostile_pickles() {
    let dir = tempfile::tempdir().unwrap();
    let [_, python] = ten(1, false);
    put_all(dir.path(), &python);
    let name = "cifar-10-batches-py/data_batch_2";
    let good = fs::read(dir.path().join(name)).unwrap();
    let attempt = |bytes: &[u8]| {
        put(dir.path(), name, bytes);
        let output = dir.path().join("out");
        let _ = fs::remove_dir_all(&output);
        run(&PrepareOptions::new(Source::Cifar10, dir.path(), &output)).map_err(|e| e.to_string())
    };
    let fails = |bytes: &[u8], part: &str| {
        let text = attempt(bytes).unwrap_err();
        assert!(text.contains("data_batch_2") && text.contains(part), "{text}");
        assert!(!text.contains('\n'), "{text}");
    };
    fails(b"\x80\x02cos\nsystem\nq\x01U\x04echoq\x02\x85q\x03Rq\x04.", "expected the operation");
    fails(b"\x80\x02}q\x01(U\x04dataq\x02cos\nsystem\nU\x04echo\x85Ru.", "nothing is called");
    fails(b"\x80\x02}q\x01.", "has no data");
    fails(b"\x80\x04\x95", "protocol 2");
    fails(b"", "protocol 2");
    fails(b"\x80\x02}(U\x04dataT\xff\xff\xff\xff", "ends early");
    let mut nested = b"\x80\x02}(U\x04data".to_vec();
    nested.extend([b']'; 1 << 20]);
    fails(&nested, "expected");
    fails(&batch("labels", &[1, 2], false, &[0; VALUES]), "2 labels");
    fails(&batch("fine_labels", &[1], false, &[0; VALUES]), "no list");
    for cut in (0..good.len()).step_by(29) {
        assert!(attempt(&good[..cut]).is_err(), "{cut}");
    }
    for i in (0..300).chain(good.len() - 120..good.len()) {
        let mut bytes = good.clone();
        bytes[i] ^= 0x81;
        if let Err(text) = attempt(&bytes) {
            assert!(!text.contains('\n'), "{i}: {text}");
        }
    }
    assert!(attempt(&good).is_ok());
}
