//! Runs the fuzzers' seeds (`fuzz/corpus`) of this crate as an ordinary test; another test writes
//! them.

mod foreign;

use std::path::{Path, PathBuf};

use alexnet_train::fuzz;
use foreign::caffe::{Layer, model};
use foreign::torch::{Tensor, pickle};

/// A folder of the corpus, and its target.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 4] = [
    ("torch_file", fuzz::torch_file),
    ("torch_pickle", fuzz::torch_pickle),
    ("caffe_model", fuzz::caffe_model),
    ("onnx_model", fuzz::onnx_model),
];

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus")
}

/// No seed of any target, whole, cut short or with flipped bytes, causes a panic.
#[test]
fn seeds_run() {
    for (name, target) in TARGETS {
        let seeds = std::fs::read_dir(corpus().join(name)).unwrap();
        let seeds: Vec<_> = seeds.map(|e| std::fs::read(e.unwrap().path()).unwrap()).collect();
        assert!(seeds.len() >= 2, "{name}");
        for seed in seeds {
            target(&seed);
            for i in (0..seed.len()).step_by(1 + seed.len() / 100) {
                target(&seed[..i]);
                let mut flipped = seed.clone();
                flipped[i] ^= 0x91;
                target(&flipped);
            }
        }
    }
}

/// Writes the seeds: `cargo test -p alexnet-train --test fuzz_corpus -- --ignored`.
#[test]
#[ignore = "writes into fuzz/corpus"]
fn write_seeds() {
    let seed = |target: &str, name: &str, bytes: &[u8]| {
        let folder = corpus().join(target);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), bytes).unwrap();
    };
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/weights");
    for name in ["views", "dtypes", "protocol-5", "refused-code"] {
        seed("torch_file", name, &std::fs::read(weights.join(format!("{name}.pth"))).unwrap());
    }
    let tensor = |name: &str, shape: &[usize]| Tensor::f32(name, shape);
    let tensors = [tensor("conv1.weight", &[2, 3, 1, 1]), tensor("conv1.bias", &[2])];
    seed("torch_pickle", "two", &pickle(&tensors, false));
    seed("torch_pickle", "parameters", &pickle(&tensors, true));
    seed("torch_pickle", "code", b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R.");
    let layers = [
        Layer::new("conv1", "Convolution", &[(&[2, 3, 1, 1], &[0.5; 6]), (&[2], &[1.0, 2.0])]),
        Layer::new("norm1", "LRN", &[]),
        Layer::new("fc8", "InnerProduct", &[(&[2, 2], &[1.0; 4]), (&[2], &[0.0; 2])]),
    ];
    seed("caffe_model", "v1", &model(&layers, true));
    seed("caffe_model", "v2", &model(&layers, false));
    seed("caffe_model", "mean", &foreign::caffe::blob(&[1, 3, 2, 2], &[100.0; 12], true));
    let (float, raw) = (foreign::onnx::small(false), foreign::onnx::small(true));
    seed("onnx_model", "float-data", &float);
    seed("onnx_model", "raw-data", &raw);
    seed("onnx_model", "described", &foreign::onnx::described(&raw));
}
