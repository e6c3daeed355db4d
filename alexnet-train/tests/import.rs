//! Weights of others, in files as large as the real ones, whose numbers come from a seed.

mod foreign;

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use alexnet_data::{Crop, Resample};
use alexnet_model::{LayerKind, NetworkSpec};
use alexnet_train::{Checkpoint, ComputeDevice, ImportOptions, Imported, Mean, import};
use candle_core::IndexOp;
use foreign::caffe::{Layer, blob, model};
use foreign::numbers;
use foreign::torch::{Tensor, save};

/// The shapes of a preset's weights, by layer.
fn shapes(preset: &str, classes: usize) -> Vec<(String, Vec<usize>)> {
    let network = NetworkSpec::preset(preset).unwrap().with_classes(classes);
    let layers = network.fused_layers().unwrap().into_iter();
    layers.filter_map(|layer| Some((layer.name, layer.weight?))).collect()
}

fn read(path: &Path) -> Imported {
    import(path, &ImportOptions::default()).unwrap()
}

/// The one line of a file that is not taken.
fn refusal(path: &Path, options: &ImportOptions) -> String {
    let error = import(path, options).unwrap_err().to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

/// torchvision's file: its names, its parameters, its order.
#[test]
fn torchvision_becomes_a_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["features.0", "features.3", "features.6", "features.8", "features.10"];
    let names = names.into_iter().chain(["classifier.1", "classifier.4", "classifier.6"]);
    let mut tensors = Vec::new();
    for (name, (_, shape)) in names.zip(shapes("torchvision", 1000)) {
        tensors.push(Tensor::f32(&format!("{name}.weight"), &shape));
        tensors.push(Tensor::f32(&format!("{name}.bias"), &shape[..1]));
    }
    let path = dir.path().join("alexnet-owt.pth");
    save(BufWriter::new(File::create(&path).unwrap()), &tensors);

    let imported = read(&path);
    assert_eq!((imported.kind, imported.family.as_deref()), ("PyTorch file", Some("torchvision")));
    assert_eq!((imported.parameter_count(), &imported.notes[..]), (61_100_840, &[][..]));
    let output = dir.path().join("w.safetensors");
    imported.write(&output).unwrap();
    drop(imported);
    let checkpoint = Checkpoint::load(&output).unwrap();
    assert_eq!(checkpoint.network, NetworkSpec::preset("torchvision").unwrap());
    assert_eq!((checkpoint.classes.len(), &checkpoint.classes[207][..]), (1000, "n02099601"));
    let preprocessing = checkpoint.preprocessing;
    assert_eq!((preprocessing.height, preprocessing.width), (256, 256));
    assert_eq!(
        (preprocessing.resample, preprocessing.crop),
        (Resample::Bilinear, Crop::Torchvision)
    );
    assert_eq!(checkpoint.recipe.input.mean, Mean::Channel);
    let tensors = checkpoint.network().unwrap().tensors().unwrap();
    for (ours, theirs) in [("conv1.weight", "features.0.weight"), ("fc8.bias", "classifier.6.bias")]
    {
        let got: Vec<f32> = tensors[ours].flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(got, numbers(theirs, got.len()), "{ours}");
    }
    let got: Vec<f32> = tensors["fc6.weight"].i(4095).unwrap().to_vec1().unwrap();
    let want = numbers("classifier.1.weight", 4096 * 9216);
    assert_eq!(got, want[4095 * 9216..]);

    // A byte of a record that is another one is found by its checksum.
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = refusal(&path, &ImportOptions::default());
    assert!(error.contains("`classifier.1.weight`: it is damaged"), "{error}");
}

/// A model of Caffe with 7 classes, in either version, whose norms and pools are in either order.
fn caffe_layers(preset: &str) -> Vec<Layer> {
    let network = NetworkSpec::preset(preset).unwrap();
    let shapes = shapes(preset, 7);
    let layers = network.layers.iter().filter_map(|layer| {
        let kind = match layer.kind.word() {
            "conv" => "Convolution",
            "linear" => "InnerProduct",
            "lrn" => "LRN",
            "max-pool" => "Pooling",
            "relu" => "ReLU",
            _ => return None,
        };
        let found = shapes.iter().find(|(name, _)| *name == layer.name);
        let Some((name, shape)) = found else {
            return Some(Layer::new(&layer.name, kind, &[]).computing(&layer.kind));
        };
        let weight = numbers(&format!("{name}.weight"), shape.iter().product());
        let bias = numbers(&format!("{name}.bias"), shape[0]);
        let blobs = [(&shape[..], &weight[..]), (&shape[..1], &bias[..])];
        Some(Layer::new(name, kind, &blobs).computing(&layer.kind))
    });
    [Layer::new("data", "Data", &[])].into_iter().chain(layers).collect()
}

/// Weights of the same shapes, of a network that computes something else with them.
#[test]
fn models_of_caffe_that_compute_something_else_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.caffemodel");
    let preset = NetworkSpec::preset("caffe").unwrap();
    for (layer, set) in [
        ("conv1", "stride = 2"),
        ("conv2", "pad = [1, 1, 1, 1]"),
        ("lrn1", "alpha = 1e-3"),
        ("pool2", "kernel = 2"),
    ] {
        let kind = preset.layers.iter().find(|it| it.name == layer).unwrap().kind;
        let mut table = toml::Table::try_from(kind).unwrap();
        table.extend(set.parse::<toml::Table>().unwrap());
        let patched: LayerKind = table.try_into().unwrap();
        let layers = caffe_layers("caffe").into_iter();
        let layers: Vec<_> =
            layers.map(|it| if it.name() == layer { it.computing(&patched) } else { it }).collect();
        for first in [true, false] {
            std::fs::write(&path, model(&layers, first)).unwrap();
            let error = refusal(&path, &ImportOptions::default());
            let what = format!("its layer `{layer}` is another");
            assert!(error.contains(&what), "{set}: {error}");
        }
    }
}

/// The same weights, but one activation is another.
#[test]
fn a_model_of_caffe_with_another_kind_of_layer_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tanh.caffemodel");
    for (first, kind) in [(true, "23"), (false, "TanH")] {
        let mut layers = caffe_layers("caffe");
        let relu = layers.iter().position(|layer| layer.name() == "relu3").unwrap();
        layers[relu] = Layer::new("relu3", "TanH", &[]);
        std::fs::write(&path, model(&layers, first)).unwrap();
        let error = refusal(&path, &ImportOptions::default());
        assert!(error.contains(&format!("its layer `relu3` is of type `{kind}`")), "{error}");
    }
}

/// Both models of Caffe's zoo are told apart, and become networks that take red first.
#[test]
fn models_of_caffe_become_checkpoints() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bvlc.caffemodel");
    let mean: Vec<f32> = (0..3 * 256 * 256).map(|i| (i % 997) as f32 / 4.0).collect();
    for (preset, first) in [("caffe", true), ("caffenet", false)] {
        std::fs::write(&path, model(&caffe_layers(preset), first)).unwrap();
        let imported = read(&path);
        assert_eq!((imported.kind, imported.family.as_deref()), ("Caffe model", Some(preset)));
        assert_eq!(
            imported.description.network,
            NetworkSpec::preset(preset).unwrap().with_classes(7)
        );
        assert_eq!(imported.description.classes, ["0", "1", "2", "3", "4", "5", "6"]);
        assert!(
            imported.notes[0].contains("104.00699, 116.66877, 122.67891] (BGR)"),
            "{:?}",
            imported.notes
        );
        assert_eq!(imported.description.recipe.input.mean, Mean::Channel);
        let conv1 = numbers("conv1.weight", 96 * 3 * 121);
        let got: Vec<f32> =
            imported.tensors()["conv1.weight"].flatten_all().unwrap().to_vec1().unwrap();
        let blue = |filter: usize, channel| &conv1[(3 * filter + channel) * 121..][..121];
        for filter in [0, 95] {
            for channel in 0..3 {
                let got = &got[(3 * filter + channel) * 121..][..121];
                assert_eq!(got, blue(filter, 2 - channel), "{filter} {channel}");
            }
        }
        let got: Vec<f32> =
            imported.tensors()["conv2.weight"].flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(got, numbers("conv2.weight", got.len()));
    }
    // With a mean image beside it, and names of classes.
    std::fs::write(dir.path().join("imagenet_mean.binaryproto"), blob(&[3, 256, 256], &mean, true))
        .unwrap();
    let classes = dir.path().join("classes.txt");
    std::fs::write(&classes, "a\nb\nc\nd\ne\nf\ng\n").unwrap();
    let options = ImportOptions { classes: Some(classes.clone()), ..ImportOptions::default() };
    let imported = import(&path, &options).unwrap();
    assert_eq!(imported.description.classes.concat(), "abcdefg");
    assert_eq!(imported.description.recipe.input.mean, Mean::Aligned);
    let output = dir.path().join("w.safetensors");
    imported.write(&output).unwrap();
    let checkpoint = Checkpoint::load(&output).unwrap();
    let stored = safetensors_mean(&output);
    let plane = 256 * 256;
    for pixel in [0, 257, plane - 1] {
        let want = [2, 1, 0].map(|channel| mean[channel * plane + pixel]);
        assert_eq!(stored[3 * pixel..][..3], want, "{pixel}");
    }
    checkpoint.input(&output, &ComputeDevice::cpu()).unwrap();
    // Wrong classes and wrong means.
    std::fs::write(&classes, "a\nb\n").unwrap();
    assert!(refusal(&path, &options).contains("expected 7 names of classes, got 2"));
    let small = dir.path().join("small.binaryproto");
    std::fs::write(&small, blob(&[3, 8, 8], &mean[..192], true)).unwrap();
    let options = ImportOptions { mean: Some(small), ..ImportOptions::default() };
    assert!(refusal(&path, &options).contains("expected [3, 256, 256], got [3, 8, 8]"));
}

fn safetensors_mean(path: &Path) -> Vec<f32> {
    let tensors = candle_core::safetensors::load(path, &candle_core::Device::Cpu).unwrap();
    tensors["input.mean_image"].flatten_all().unwrap().to_vec1().unwrap()
}

/// A safetensors file of zeros that take no space on the disk.
fn zeros(path: &Path, tensors: &[(String, Vec<usize>)]) {
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for (name, shape) in tensors {
        let start = end;
        end += 2 * shape.iter().product::<usize>();
        let entry =
            serde_json::json!({"dtype": "F16", "shape": shape, "data_offsets": [start, end]});
        header.insert(name.clone(), entry);
    }
    let header = serde_json::to_vec(&header).unwrap();
    let bytes = [&(header.len() as u64).to_le_bytes()[..], &header].concat();
    std::fs::write(path, &bytes).unwrap();
    File::options().write(true).open(path).unwrap().set_len((bytes.len() + end) as u64).unwrap();
}

fn named(preset: &str, classes: usize) -> Vec<(String, Vec<usize>)> {
    let shapes = shapes(preset, classes).into_iter();
    let both = |(name, shape): (String, Vec<usize>)| {
        let bias = (format!("{name}.bias"), shape[..1].to_vec());
        [(format!("{name}.weight"), shape), bias]
    };
    shapes.flat_map(both).collect()
}

/// Our names without a word about the order of the layers fit two families of Caffe.
#[test]
fn safetensors_with_our_names() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    zeros(&path, &named("caffe", 20));
    let error = refusal(&path, &ImportOptions::default());
    assert!(error.contains("fit the families caffe and caffenet; say which by --as"), "{error}");
    let options = ImportOptions { family: Some("caffenet".to_owned()), ..ImportOptions::default() };
    let imported = import(&path, &options).unwrap();
    assert_eq!(imported.description.network.name, "caffenet");
    let options = ImportOptions { family: Some("cafenet".to_owned()), ..ImportOptions::default() };
    assert!(refusal(&path, &options).contains("did you mean `caffenet`?"));
    zeros(&path, &named("torchvision", 20));
    assert_eq!(read(&path).family.as_deref(), Some("torchvision"));
    let options = ImportOptions { mean: Some(path.clone()), ..ImportOptions::default() };
    assert!(refusal(&path, &options).contains("have no mean image"));
}

/// Each tensor that is missing, unknown or misshapen is named, with what was expected.
#[test]
fn what_does_not_fit_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    let mut tensors = named("torchvision", 10);
    tensors.remove(1);
    tensors[1].1 = vec![192, 64, 3, 3];
    tensors.push(("conv6.weight".to_owned(), vec![8, 8]));
    zeros(&path, &tensors);
    let error = refusal(&path, &ImportOptions::default());
    for said in [
        "family `torchvision`",
        "missing: `conv1.bias` [64]",
        "unknown: `conv6.weight` [8, 8]",
        "misshapen: `conv2.weight` [192, 64, 3, 3] for [192, 64, 5, 5]",
        "the families are caffe, caffenet, torchvision",
    ] {
        assert!(error.contains(said), "no `{said}` in {error}");
    }
    // Of many, the first.
    zeros(&path, &[("x".to_owned(), vec![2])]);
    let error = refusal(&path, &ImportOptions::default());
    assert!(error.contains("and 12 more; unknown: `x` [2]"), "{error}");
}

/// A number that is none is not written.
#[test]
fn weights_have_to_be_finite() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    zeros(&path, &named("torchvision", 2));
    let length = std::fs::metadata(&path).unwrap().len();
    let file = File::options().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_at(&file, &0x7c00_u16.to_le_bytes(), length - 4).unwrap();
    let output = dir.path().join("out.safetensors");
    let error = read(&path).write(&output).unwrap_err().to_string();
    assert!(
        error.contains("a value of `fc8.bias` is not finite: expected a number, got inf"),
        "{error}"
    );
    assert!(!output.exists());
}
