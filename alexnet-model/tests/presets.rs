//! The presets against the published totals, and what is refused.

use alexnet_model::{NetworkSpec, SpecError, Table};

fn table(name: &str) -> Table {
    Table::new(&NetworkSpec::preset(name).unwrap().fused_layers().unwrap())
}

#[test]
fn totals_are_the_published_ones() {
    for (name, parameters) in [
        ("original", 60_965_224),
        ("paper", 60_965_224),
        ("one-tower", 59_798_312),
        ("caffe", 60_965_224),
        ("torchvision", 61_100_840),
    ] {
        assert_eq!(table(name).parameters, parameters, "{name}");
    }
    for name in ["original", "paper", "caffe"] {
        assert_eq!(table(name).macs, 724_406_816, "{name}");
    }
}

#[test]
fn original_layer_by_layer() {
    let table = table("original");
    let row = |name: &str| table.layers.iter().find(|r| r.name == name).unwrap();
    for (name, output, parameters, macs) in [
        ("conv1", vec![96, 55, 55], 34_944, 105_415_200),
        ("pool1", vec![96, 27, 27], 0, 0),
        ("conv2", vec![256, 27, 27], 307_456, 223_948_800),
        ("norm2", vec![256, 27, 27], 0, 0),
        ("conv3", vec![384, 13, 13], 885_120, 149_520_384),
        ("conv4", vec![384, 13, 13], 663_936, 112_140_288),
        ("conv5", vec![256, 13, 13], 442_624, 74_760_192),
        ("pool5", vec![256, 6, 6], 0, 0),
        ("fc6", vec![4096], 37_752_832, 37_748_736),
        ("fc7", vec![4096], 16_781_312, 16_777_216),
        ("fc8", vec![1000], 4_097_000, 4_096_000),
    ] {
        let r = row(name);
        assert_eq!((&r.output, r.parameters, r.macs), (&output, parameters, macs), "{name}");
    }
}

/// In layer 1 the norm sees negative responses; in layer 2 it does not; `paper` has ReLU first in both.
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

#[test]
fn unknown_names_and_keys_get_the_nearest_right_one() {
    let error = NetworkSpec::preset("orignal").unwrap_err();
    assert!(
        matches!(&error, SpecError::UnknownPreset { nearest: Some("original"), .. }),
        "{error}"
    );
    for (wrong, right) in [("fliters", "filters"), ("strides", "stride"), ("grups", "groups")] {
        let layer = format!(
            r#"name = "n"
            input = [3, 8, 8]
            layers = [{{ name = "conv1", kind = "conv", filters = 2, kernel = 3, {wrong} = 1, init = "fan-in" }}]"#
        );
        let line = NetworkSpec::from_toml("n.toml", &layer).unwrap_err().to_string();
        assert!(
            line.contains(&format!("did you mean `{right}`")) && !line.contains('\n'),
            "{line}"
        );
    }
}

/// Each names the network and the layer, and none panics.
#[test]
fn layers_that_cannot_be_are_refused() {
    let conv = |more: &str| {
        format!(r#"{{ name = "conv1", kind = "conv", kernel = 3, init = "fan-in", {more} }}"#)
    };
    let fc = r#"{ name = "fc1", kind = "linear", outputs = 2, init = "fan-in" }"#;
    for layers in [
        conv("filters = 3, groups = 2"),
        conv("filters = 0"),
        conv("filters = 2, stride = 0"),
        conv("filters = 2, groups = 0"),
        conv("filters = 2, pad = [9, 0, 0, 0]"),
        conv("filters = 99999999"),
        conv("filters = 2"), // not followed by a dense layer
        format!("{fc}, {fc}"),
        format!("{fc}, {}", conv("filters = 2")),
        format!(r#"{{ name = "p", kind = "max-pool", kernel = 0, stride = 1 }}, {fc}"#),
        format!(r#"{{ name = "p", kind = "max-pool", kernel = 9, stride = 1 }}, {fc}"#),
        format!(r#"{{ name = "l", kind = "lrn", n = 4, alpha = 1.0, beta = 1.0, k = 1.0 }}, {fc}"#),
        format!(
            r#"{{ name = "l", kind = "lrn", n = 5, alpha = 1.0, beta = 1.0, k = 1.0, towers = 2 }}, {fc}"#
        ),
        format!(r#"{{ name = "d", kind = "dropout", keep = 0.0, scale = "at-test" }}, {fc}"#),
        String::new(),
    ] {
        let toml = format!("name = \"n\"\ninput = [3, 8, 8]\nlayers = [{layers}]");
        let error = NetworkSpec::from_toml("n.toml", &toml).unwrap_err();
        assert!(
            matches!(&error, SpecError::Layer { network, .. } if network == "n"),
            "{layers}: {error}"
        );
    }
}
