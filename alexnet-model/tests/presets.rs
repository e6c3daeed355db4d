//! The presets against the published totals.

use alexnet_model::{FusedLayer, LayerKind, NetworkSpec};

fn layers(name: &str) -> Vec<FusedLayer> {
    NetworkSpec::preset(name).unwrap().fused_layers().unwrap()
}

#[test]
fn totals_are_the_published_ones() {
    let sum = |name, of: fn(&FusedLayer) -> u64| layers(name).iter().map(of).sum::<u64>();
    for (name, parameters) in [
        ("original", 60_965_224),
        ("paper", 60_965_224),
        ("one-tower", 59_798_312),
        ("no-overlap", 60_965_224),
        ("no-lrn", 60_965_224),
        ("sixth-conv", 61_555_304), // 256 x 256 x 3 x 3 weights and 256 biases more
        // With 4,096 x 2,048 weights and 2,048 x 21,843, and biases, in the place of fc8's.
        ("fall-2011", 61_555_304 - 4_097_000 + 8_390_656 + 44_756_307),
        ("caffe", 60_965_224),
        ("caffenet", 60_965_224),
        ("torchvision", 61_100_840),
        ("cifar-18pct", 89_578),
        ("cifar-13pct", 1_116_490),
        ("cifar-11pct", 2_112_970),
        ("figure-1-relu", 89_578),
        ("figure-1-tanh", 89_578),
    ] {
        assert_eq!(sum(name, FusedLayer::parameter_count), parameters, "{name}");
    }
    for name in ["original", "paper", "caffe", "caffenet"] {
        assert_eq!(sum(name, FusedLayer::multiply_adds), 724_406_816, "{name}");
    }
}

#[test]
fn original_layer_by_layer() {
    let layers = layers("original");
    for (name, output, parameters, multiply_adds) in [
        ("conv1", vec![96, 55, 55], 34_944, 105_415_200),
        ("lrn1+pool1+relu1", vec![96, 27, 27], 0, 0),
        ("conv2+relu2", vec![256, 27, 27], 307_456, 223_948_800),
        ("norm2", vec![256, 27, 27], 0, 0),
        ("conv3+relu3", vec![384, 13, 13], 885_120, 149_520_384),
        ("conv4+relu4", vec![384, 13, 13], 663_936, 112_140_288),
        ("conv5", vec![256, 13, 13], 442_624, 74_760_192),
        ("pool5+relu5", vec![256, 6, 6], 0, 0),
        ("fc6+relu6", vec![4096], 37_752_832, 37_748_736),
        ("fc7+relu7", vec![4096], 16_781_312, 16_777_216),
        ("fc8", vec![1000], 4_097_000, 4_096_000),
    ] {
        let l = layers.iter().find(|layer| layer.full_name() == name).unwrap();
        let got = (l.output.dims(), l.parameter_count(), l.multiply_adds());
        assert_eq!(got, (output, parameters, multiply_adds), "{name}");
    }
}

/// The maps of the authors' CIFAR-10 networks, and what a local layer counts.
#[test]
fn cifar_networks_layer_by_layer() {
    for (network, name, output, parameters, multiply_adds) in [
        ("cifar-18pct", "pool1+relu1", vec![32, 16, 16], 0, 0),
        ("cifar-18pct", "pool2", vec![32, 8, 8], 0, 0),
        ("cifar-18pct", "pool3", vec![64, 4, 4], 0, 0),
        ("cifar-18pct", "fc10", vec![10], 10_250, 10_240),
        ("cifar-13pct", "conv1+relu1", vec![64, 24, 24], 4_864, 2_764_800),
        ("cifar-13pct", "local3+relu3", vec![32, 6, 6], 664_704, 663_552),
        ("cifar-13pct", "local4+relu4", vec![32, 6, 6], 332_928, 331_776),
        ("cifar-11pct", "lrn1", vec![64, 12, 12], 0, 0),
        ("cifar-11pct", "lrn2+pool2", vec![64, 6, 6], 0, 0),
        ("cifar-11pct", "local3+relu3", vec![64, 6, 6], 1_329_408, 1_327_104),
    ] {
        let layers = layers(network);
        let l = layers.iter().find(|layer| layer.full_name() == name).unwrap();
        let got = (l.output.dims(), l.parameter_count(), l.multiply_adds());
        assert_eq!(got, (output, parameters, multiply_adds), "{network} {name}");
    }
}

/// The file's layers that have weights are those that have parameters when they run.
#[test]
fn layers_with_weights_have_parameters() {
    for name in NetworkSpec::presets() {
        let spec = NetworkSpec::preset(name).unwrap();
        let of_file = spec.layers.iter().filter(|layer| layer.kind.has_parameters());
        let running = layers(name);
        let running = running.iter().filter(|layer| layer.parameter_count() > 0);
        assert!(of_file.map(|l| &l.name).eq(running.map(|l| &l.name)), "{name}");
    }
}

/// The two networks of Figure 1 are one but for the activation.
#[test]
fn the_pair_of_figure_1_differs_in_the_activation() {
    let [relu, tanh] = ["figure-1-relu", "figure-1-tanh"].map(|name| {
        let layers = NetworkSpec::preset(name).unwrap().layers.into_iter().map(|layer| layer.kind);
        layers.collect::<Vec<_>>()
    });
    let with_relu = |kind| if kind == LayerKind::Tanh { LayerKind::Relu } else { kind };
    assert_ne!(relu, tanh);
    assert_eq!(relu, tanh.into_iter().map(with_relu).collect::<Vec<_>>());
}

/// Without overlap, other paddings give the same maps to conv3 and fc6.
#[test]
fn no_overlap_has_the_maps_of_original() {
    let (ours, original) = (layers("no-overlap"), layers("original"));
    let input = |layers: &[FusedLayer], name: &str| {
        let at = layers.iter().position(|layer| layer.full_name().starts_with(name)).unwrap();
        layers[at - 1].output.dims()
    };
    for name in ["conv3", "fc6"] {
        assert_eq!(input(&ours, name), input(&original, name), "{name}");
    }
    assert_eq!(input(&ours, "conv2"), [96, 28, 28]);
    assert_eq!(input(&ours, "pool5"), [256, 11, 11]);
}

/// In layer 1 the norm sees negative responses; in layer 2 it does not; `paper` has ReLU first in
/// both.
#[test]
fn original_and_paper_differ_in_the_order_of_layer_one() {
    let names = |preset| -> Vec<String> {
        NetworkSpec::preset(preset).unwrap().layers.into_iter().map(|l| l.name).collect()
    };
    assert_eq!(names("original")[..4], ["conv1", "lrn1", "pool1", "relu1"]);
    assert_eq!(names("original")[4..9], ["conv2", "relu2", "lrn2", "norm2", "pool2"]);
    assert_eq!(names("paper")[..4], ["conv1", "relu1", "lrn1", "pool1"]);
    assert!(!names("paper").contains(&"norm2".to_owned()));
}

#[test]
fn toml_goes_out_and_comes_back_the_same() {
    for name in NetworkSpec::presets() {
        let spec = NetworkSpec::preset(name).unwrap();
        assert_eq!(spec.name, name);
        let again = NetworkSpec::from_toml(name, &spec.to_toml().unwrap()).unwrap();
        assert_eq!(spec, again);
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(spec, serde_json::from_str(&json).unwrap());
    }
}

/// Each size of stored images gets a network whose crops fit, or an error with the sizes there are.
#[test]
fn a_size_has_its_preset() {
    for (side, name) in
        [(256, "original"), (300, "original"), (224, "original"), (223, "demo"), (72, "demo")]
    {
        assert_eq!(NetworkSpec::preset_for(side).unwrap(), name, "{side}");
    }
    for (side, name) in [(64, "small"), (60, "small"), (40, "cifar"), (32, "cifar"), (28, "cifar")]
    {
        assert_eq!(NetworkSpec::preset_for(side).unwrap(), name, "{side}");
    }
    let error = NetworkSpec::preset_for(27).unwrap_err().to_string();
    for part in ["27 px", "28 px", "32 px: cifar", "256 px: original, paper", "--size"] {
        assert!(error.contains(part), "no `{part}` in: {error}");
    }
    // The crops of every preset fit into what it is made for. Those that are trained only where
    // they are named do not say what that is.
    for name in NetworkSpec::presets() {
        let NetworkSpec { input: [_, h, w], stored, .. } = NetworkSpec::preset(name).unwrap();
        let named = name.starts_with("cifar-") || name.starts_with("figure-1-");
        assert_eq!(stored.is_none(), named, "{name}");
        assert!(stored.is_none_or(|stored| h <= stored && w <= stored), "{name}");
    }
}
