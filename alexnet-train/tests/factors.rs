//! The factors of ablations: what each makes of the presets, and what they refuse.

use alexnet_model::{LayerKind, NetworkSpec};
use alexnet_train::{Arm, Factor, Moment, Recipe};

fn base(name: &str) -> Arm {
    let recipe = Recipe::preset(name, &[]).unwrap();
    Arm::base(NetworkSpec::preset(&recipe.network).unwrap(), recipe)
}

fn arms(factor: &str, base: &Arm) -> Vec<Arm> {
    Factor::preset(factor).unwrap().arms_of(base).unwrap()
}

#[test]
fn arms_of_original_are_the_runs_of_the_authors() {
    let original = base("original");
    for (factor, preset) in [("lrn", "no-lrn"), ("overlap", "no-overlap"), ("towers", "one-tower")]
    {
        let [arm] = &arms(factor, &original)[..] else { panic!("{factor} has one arm") };
        let run = NetworkSpec::preset(preset).unwrap();
        assert_eq!((&arm.network.layers, arm.network.towers), (&run.layers, run.towers));
        assert_eq!(arm.recipe, original.recipe, "{factor} changes the network alone");
    }
}

#[test]
fn every_factor_can_be_varied_in_original_and_in_its_small_versions() {
    for name in ["original", "small", "demo"] {
        let base = base(name);
        let mut names = vec![base.name.clone()];
        for factor in Factor::presets() {
            for arm in arms(factor, &base) {
                assert!(arm.network != base.network || arm.recipe != base.recipe, "{}", arm.name);
                arm.network.fused_layers().unwrap();
                arm.recipe.check_layers(&arm.network).unwrap();
                names.push(arm.name);
            }
        }
        let expected = [
            "base",
            "centre-crops",
            "no-color",
            "no-conv2",
            "no-conv3",
            "no-conv4",
            "no-conv5",
            "no-decay",
            "no-dropout",
            "no-fc6",
            "no-fc7",
            "no-flips",
            "no-lrn",
            "no-norm2",
            "no-overlap",
            "one-tower",
            "tanh",
            "tanh-slow",
        ];
        names.retain(|name| !name.starts_with("biases"));
        names.sort();
        assert_eq!(names, expected, "{name}");
    }
}

#[test]
fn depth_takes_out_one_layer_with_what_belongs_to_it() {
    let original = base("original");
    let arms = arms("depth", &original);
    let without = |name: &str| arms.iter().find(|arm| arm.name == name).unwrap();
    let gone = |name: &str| -> Vec<&str> {
        let kept = &without(name).network.layers;
        let all = original.network.layers.iter();
        all.filter(|layer| !kept.contains(layer)).map(|layer| layer.name.as_str()).collect()
    };
    assert_eq!(gone("no-conv4"), ["conv4", "relu4"]);
    assert_eq!(gone("no-fc7"), ["fc7", "relu7", "drop7"]);
    assert_eq!(without("no-conv4").about, "without conv4");
}

#[test]
fn a_bias_that_is_there_already_makes_no_arm() {
    let names = |name| -> Vec<String> {
        arms("bias", &base(name)).into_iter().map(|arm| arm.name).collect()
    };
    assert_eq!(names("original"), ["biases-0"]);
    assert_eq!(names("small"), ["biases-1"]);
    let all_zero = &arms("bias", &base("original"))[0].network;
    let zero = |kind: LayerKind| match kind {
        LayerKind::Conv { init, .. } | LayerKind::Linear { init, .. } => {
            matches!(init, alexnet_model::Init::Normal { bias: 0.0, .. })
        }
        _ => true,
    };
    assert!(all_zero.layers.iter().all(|layer| zero(layer.kind)));
}

#[test]
fn recipes_are_changed_where_they_have_what_changes() {
    let small = base("small");
    let decay = &arms("decay", &small)[0].recipe;
    assert_eq!(decay.weights.decay, 0.0);
    assert_eq!(decay.weights.rate, small.recipe.weights.rate);
    let at = |recipe: &Recipe, epoch, layer| {
        recipe.rates(Moment { epoch, step: 0 }, layer, alexnet_model::Role::Weight)
    };
    assert_eq!(at(decay, 0, "conv1").decay, 0.0);
    let slow = &arms("relu", &small)[1].recipe;
    for (epoch, layer) in [(0, "conv1"), (0, "conv2"), (40, "conv2"), (45, "fc8")] {
        let (rate, base) = (at(slow, epoch, layer).rate, at(&small.recipe, epoch, layer).rate);
        assert!((10.0 * rate / base - 1.0).abs() < 1e-6, "{layer} in epoch {epoch}: {rate}");
    }
    assert_eq!(arms("color", &small)[0].recipe.augmentation.color, None);
    assert!(!arms("crops", &small)[0].recipe.augmentation.flip);
    // The recipe of `one-tower` names conv1; without the layer that it names it is still one.
    let of_layer = base("one-tower").changed(
        "no-conv1",
        "",
        &[alexnet_model::NetworkPatch {
            layers: vec!["conv1".into(), "lrn1".into()],
            remove: Some(alexnet_model::Removal::Layer),
            ..Default::default()
        }],
        &Default::default(),
    );
    let of_layer = of_layer.unwrap();
    of_layer.recipe.check_layers(&of_layer.network).unwrap();
}

#[test]
fn what_cannot_be_varied_is_said() {
    let message = |factor: &str, name: &str| match Factor::preset(factor) {
        Ok(factor) => factor.arms_of(&base(name)).unwrap_err().to_string(),
        Err(error) => error.to_string(),
    };
    assert_eq!(
        message("lrn", "torchvision"),
        "`lrn` cannot be varied: network `torchvision`: removing lrn, map-norm changes nothing of \
         it"
    );
    assert!(message("towers", "one-tower").starts_with("`towers` cannot be varied"));
    let unknown = message("overlapp", "original");
    assert!(unknown.contains("did you mean `overlap`?"), "{unknown}");
}
