//! Changes to networks: the authors' ablations as patches of `original`, and what is refused.

use alexnet_model::{LayerKind, NetworkPatch, NetworkSpec};
use serde::Deserialize;

/// The patches of a line of TOML.
fn patches(text: &str) -> Vec<NetworkPatch> {
    #[derive(Deserialize)]
    struct Patches {
        patches: Vec<NetworkPatch>,
    }
    toml::from_str::<Patches>(&format!("patches = [{text}]")).unwrap().patches
}

fn preset(name: &str) -> NetworkSpec {
    NetworkSpec::preset(name).unwrap()
}

fn refusal(name: &str, text: &str) -> String {
    preset(name).patched(&patches(text)).unwrap_err().to_string()
}

#[test]
fn the_runs_of_the_authors_are_patches_of_original() {
    let runs = [
        ("no-lrn", r#"{ kinds = ["lrn", "map-norm"], remove = "layer" }"#),
        (
            "no-overlap",
            r#"{ kinds = ["max-pool"], set = { kernel = 2 } },
               { layers = ["conv2"], set = { pad = [1, 1, 1, 1] } },
               { layers = ["conv5"], set = { pad = [0, 0, 0, 0] } }"#,
        ),
        (
            "one-tower",
            r#"{ set = { towers = 1 } },
               { kinds = ["lrn"], set = { towers = 1 } },
               { kinds = ["conv"], set = { groups = 1 } },
               { layers = ["conv1", "conv2", "conv3", "conv4"], multiply = { filters = 0.5 } }"#,
        ),
    ];
    for (name, text) in runs {
        let patched = preset("original").patched(&patches(text)).unwrap();
        let run = preset(name);
        assert_eq!((patched.layers, patched.towers), (run.layers, run.towers), "{name}");
    }
}

#[test]
fn a_layer_goes_alone_or_with_its_activation() {
    let names = |text: &str| -> Vec<String> {
        let spec = preset("original").patched(&patches(text)).unwrap();
        spec.layers.into_iter().map(|layer| layer.name).collect()
    };
    let all = names(r#"{ set = { name = "mine" } }"#);
    let without = |gone: &[&str]| -> Vec<String> {
        all.iter().filter(|name| !gone.contains(&name.as_str())).cloned().collect()
    };
    let with = r#"{ layers = ["fc6"], remove = "layer-and-activation" }"#;
    assert_eq!(names(with), without(&["fc6", "relu6", "drop6"]));
    let with = r#"{ layers = ["conv5"], remove = "layer-and-activation" }"#;
    assert_eq!(names(with), without(&["conv5"])); // a pool is between it and relu5
    let alone = r#"{ layers = ["fc6"], remove = "layer" }"#;
    assert_eq!(names(alone), without(&["fc6"]));
}

#[test]
fn every_constant_can_be_set() {
    let tanh = preset("demo").patched(&patches(r#"{ kinds = ["relu"], set = { kind = "tanh" } }"#));
    let tanh = tanh.unwrap();
    assert!(tanh.layers.iter().all(|layer| layer.kind != LayerKind::Relu));
    let count = |spec: &NetworkSpec| {
        spec.layers.iter().filter(|layer| layer.kind.activation().is_some()).count()
    };
    assert_eq!(count(&tanh), count(&preset("demo")));
    let biases = r#"{ kinds = ["conv", "linear"], set = { "init.bias" = 0.5 } }"#;
    let spec = preset("original").patched(&patches(biases)).unwrap();
    assert_eq!(spec.to_toml().unwrap().matches("bias = 0.5").count(), 8);
}

#[test]
fn a_patch_that_does_not_fit_is_refused_and_says_why() {
    let nothing = refusal("torchvision", r#"{ kinds = ["lrn"], remove = "layer" }"#);
    assert_eq!(nothing, "network `torchvision`: removing lrn changes nothing of it");
    let same = refusal("one-tower", r#"{ set = { towers = 1 } }"#);
    assert_eq!(same, "network `one-tower`: changing towers of the network changes nothing of it");
    let unknown = refusal("demo", r#"{ layers = ["conv9"], remove = "layer" }"#);
    assert_eq!(unknown, "network `demo`: it has no layer `conv9`");
    let half = refusal("demo", r#"{ layers = ["conv1"], multiply = { filters = 0.3 } }"#);
    assert!(half.contains("0.3 times its `filters` of"), "{half}");
    let rule = refusal("torchvision", r#"{ kinds = ["conv"], set = { "init.bias" = 0.0 } }"#);
    assert_eq!(rule, "network `torchvision`: `init` of `init.bias` has no parts");
    let typo = refusal("demo", r#"{ kinds = ["max-pool"], set = { kernal = 2 } }"#);
    assert!(typo.contains("did you mean `kernel`"), "{typo}");
    let large = refusal("demo", r#"{ kinds = ["max-pool"], set = { kernel = 900 } }"#);
    assert!(large.starts_with("network `demo`, layer `pool1`"), "{large}");
}
