//! Small files of each kind: what PyTorch itself wrote, what is refused, and every truncation.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::file::SourceFile;
use super::problem::Result;
use super::source::{Dtype, Source};
use super::torch::state_dict;
use super::{kind, values};

/// Shapes and numbers by name.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/weights")
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap()
}

/// All tensors whose numbers are floats.
fn read(bytes: Vec<u8>) -> Result<(Source, Tensors)> {
    let mut file = SourceFile::of_bytes(bytes);
    let source = kind::read(&mut file)?;
    let mut tensors = Tensors::new();
    for tensor in &source.tensors {
        let read = values::read(&mut file, tensor);
        match tensor.dtype {
            Dtype::Other(..) => assert!(read.is_err(), "{}", tensor.name),
            _ => _ = tensors.insert(tensor.name.clone(), (tensor.shape.clone(), read?)),
        }
    }
    Ok((source, tensors))
}

/// The one line that is said of a file.
fn refusal(bytes: Vec<u8>) -> String {
    let error = read(bytes).map(|_| ()).unwrap_err().at("weights".as_ref()).to_string();
    assert!(error.lines().count() == 1 && error.len() < 600, "{error}");
    error
}

/// What `make_torch.py` saved with PyTorch comes back to the bit.
#[test]
fn files_of_pytorch() {
    let mut compared = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let want: Tensors = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let (source, got) = read(std::fs::read(path.with_extension("pth")).unwrap()).unwrap();
        assert_eq!(source.tensors.len(), want.len(), "{}", path.display());
        for (name, tensor) in &got {
            assert_eq!(Some(tensor), want.get(name), "{}: {name}", path.display());
            compared += 1;
        }
    }
    assert_eq!(compared, 43);
}

#[test]
fn what_is_no_state_dict_is_refused() {
    for (name, said) in [
        ("refused-code.pth", "wants Python's `posix.system`"),
        ("refused-module.pth", "wants Python's `__main__.Net`"),
        ("refused-script.pth", "TorchScript archive"),
        ("refused-legacy.pth", "before version 1.6"),
        ("refused-pickle.pth", "a bare pickle"),
        ("refused-compressed.pth", "compressed or encrypted"),
    ] {
        let error = refusal(bytes(name));
        assert!(error.contains(said), "{name}: {error}");
    }
    assert!(!Path::new("executed").exists() && !folder().join("executed").exists());
}

/// Kinds of files that are not read say what they are.
#[test]
fn other_files_are_refused() {
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    for (bytes, said) in [
        (tar, "a tar"),
        (b"\x89HDF\r\n\x1a\n".to_vec(), "HDF5"),
        (b"hello, world".to_vec(), "starts with 68 65 6c 6c 6f 2c 20 77"),
        (Vec::new(), "it is empty"),
        (b"\x08\x01\x10\x03\x18\x01\x20\x01".to_vec(), "--mean"),
    ] {
        let error = refusal(bytes);
        assert!(error.contains(said), "{error}");
    }
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, bytes.len() as u8][..], bytes].concat()
}

/// A model of one layer of version 1, whose weight has (2, 3) numbers.
fn caffe_model() -> Vec<u8> {
    let numbers: Vec<u8> = (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let sizes = [8, 1, 16, 1, 24, 2, 32, 3];
    let blob = [&sizes[..], &field(5, &numbers)].concat();
    let layer = [field(4, b"fc"), vec![5 << 3, 14], field(6, &blob)].concat();
    [field(1, b"tiny"), field(2, &layer)].concat()
}

fn safetensors_file() -> Vec<u8> {
    let data: Vec<u8> = (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2, 3], &data);
    safetensors::serialize([("fc.weight", view.unwrap())], None).unwrap()
}

#[test]
fn small_files_of_other_kinds() {
    let want = BTreeMap::from([(
        "fc.weight".to_owned(),
        (vec![2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
    )]);
    let (source, tensors) = read(caffe_model()).unwrap();
    assert_eq!(
        (source.kind, source.layers, tensors),
        ("Caffe model", vec!["linear"], want.clone())
    );
    let (source, tensors) = read(safetensors_file()).unwrap();
    assert_eq!((source.kind, tensors), ("safetensors file", want));
}

/// Every file that ends early is refused by one line.
#[test]
fn every_truncation_is_one_line() {
    let whole = [bytes("protocol-5.pth"), bytes("views.pth"), caffe_model(), safetensors_file()];
    for whole in whole {
        let name_alone = 2 + b"tiny".len(); // of a Caffe model, which may lack layers
        for length in 0..whole.len() {
            let error = refusal(whole[..length].to_vec());
            let said = ["cut short", "known", "empty", "damaged", "record", "header"];
            let expected = said.iter().any(|said| error.contains(said));
            assert!(expected || length == name_alone, "{length}: {error}");
        }
    }
}

/// Flipped bits change numbers or are refused, and never panic.
#[test]
fn flipped_bits_do_no_harm() {
    for whole in [bytes("protocol-5.pth"), bytes("module.pth"), caffe_model(), safetensors_file()] {
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            if let Err(problem) = read(flipped) {
                assert_eq!(problem.at("weights".as_ref()).to_string().lines().count(), 1);
            }
        }
    }
}

/// What is said of a pickle alone.
fn pickle_refusal(bytes: &[u8]) -> String {
    let error = state_dict::tensors(bytes).unwrap_err().at("weights".as_ref()).to_string();
    assert!(error.lines().count() == 1 && error.len() < 600, "{error}");
    error
}

/// Code, nesting, circles and repetitions: nothing is executed, and nothing grows.
#[test]
fn hostile_pickles_are_refused() {
    let code = [
        &b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R."[..],
        b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
    ];
    for code in code {
        let error = pickle_refusal(code);
        assert!(error.contains("wants Python's `os.system`"), "{error}");
    }
    let nested = [&b"\x80\x02"[..], &b"]".repeat(300_000), &b"a".repeat(299_999), b"."].concat();
    assert!(pickle_refusal(&nested).contains("no dictionary"));
    assert!(pickle_refusal(&b"(".repeat(300_000)).contains("ends early"));
    // A dictionary that holds itself.
    assert!(pickle_refusal(b"\x80\x02}q\0X\x01\0\0\0ah\0s.").contains("no tensors by name"));
    // A long key that every storage would copy, and a tuple that every call would.
    let long = [b"X", &100_000_u32.to_le_bytes()[..], &b"k".repeat(100_000)].concat();
    let storage = |key: &[u8]| {
        [b"\x80\x02(X\x07\0\0\0storagectorch\nFloatStorage\n", key, b"X\0\0\0\0K\x01tQ."].concat()
    };
    assert!(pickle_refusal(&storage(&long)).contains("not described as PyTorch does"));
    let wide = [b"\x80\x02ccollections\nOrderedDict\n(", &b"N".repeat(1000)[..], b"tR."].concat();
    assert!(pickle_refusal(&wide).contains("cannot be called"));
    for operation in b".ausRQbteqhc\x85\x87\x93\x94\x8a\x8cXG(" {
        pickle_refusal(&[0x80, 2, *operation]);
    }
}

/// Records that share their bytes, and a record that is said to be longer than the file.
#[test]
fn hostile_zips_are_refused() {
    let whole = bytes("module.pth");
    let entries: Vec<usize> =
        (0..whole.len() - 46).filter(|at| whole[*at..].starts_with(b"PK\x01\x02")).collect();
    assert!(entries.len() > 10);
    let (mut shared, mut long) = (whole.clone(), whole.clone());
    shared.copy_within(entries[3] + 42..entries[3] + 46, entries[4] + 42);
    assert!(refusal(shared).contains("bytes are those of another record too"));
    for length in [entries[2] + 20, entries[2] + 24] {
        long[length..length + 4].copy_from_slice(&0x7fff_0000_u32.to_le_bytes());
    }
    assert!(refusal(long).contains("cut short or damaged"));
}

/// Lengths of messages that lie, layers without end, sizes that cannot be.
#[test]
fn hostile_messages_are_refused() {
    let lie = [b"\x0a\x04tiny\x12", &b"\xff".repeat(9)[..], b"\x01"].concat();
    assert!(refusal(lie).contains("cut short"));
    let layers = field(2, b"").repeat(100_000);
    assert!(refusal(layers).contains("at most 1024 layers"));
    let blob = [&[56 + 2, 11, 10, 9][..], &b"\xff".repeat(8), b"\x7f"].concat();
    let layer = [field(4, b"fc"), field(6, &blob)].concat();
    let error = refusal([field(1, b"tiny"), field(2, &layer)].concat());
    assert!(error.contains("sizes"), "{error}");
}
