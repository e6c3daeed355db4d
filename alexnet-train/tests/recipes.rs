//! Recipes: what is there goes out and comes back, what is wrong is named.

use alexnet_model::NetworkSpec;
use alexnet_train::{Moment, Recipe};

/// Every network has a recipe of its name; others are for one of these networks.
#[test]
fn every_preset_has_its_network_and_comes_back_the_same() {
    for name in Recipe::presets() {
        let recipe = Recipe::preset(name, &[]).unwrap();
        assert_eq!(recipe.name, name);
        if NetworkSpec::presets().any(|network| network == name) {
            assert_eq!(recipe.network, name);
        }
        recipe.check_layers(&NetworkSpec::preset(&recipe.network).unwrap()).unwrap();
        let toml = toml::to_string(&recipe).unwrap();
        assert_eq!(Recipe::from_toml(name, &toml, &[]).unwrap(), recipe);
        let json = serde_json::to_string(&recipe).unwrap();
        assert_eq!(serde_json::from_str::<Recipe>(&json).unwrap(), recipe);
    }
    let recipes = concat!(env!("CARGO_MANIFEST_DIR"), "/recipes");
    assert_eq!(std::fs::read_dir(recipes).unwrap().count(), Recipe::presets().count());
}

#[test]
fn original_has_the_papers_constants() {
    let r = Recipe::preset("original", &[]).unwrap();
    assert_eq!((r.batch, r.momentum, r.weights.rate, r.weights.decay), (128, 0.9, 0.01, 5e-4));
    assert_eq!((r.biases.rate, r.biases.decay), (0.02, 0.0));
}

fn change(key: &str, value: &str) -> Result<Recipe, String> {
    Recipe::preset("demo", &[(key, value)]).map_err(|e| e.to_string())
}

#[test]
fn changes_reach_their_keys() {
    assert_eq!(change("weights.rate", "0.5").unwrap().weights.rate, 0.5);
    assert_eq!(change("order", "stored").unwrap().order, alexnet_data::Order::Stored);
    assert_eq!(
        change("schedule.changes", "[]")
            .unwrap()
            .rates(Moment { epoch: 19, step: 0 }, "fc8", alexnet_model::Role::Weight)
            .rate,
        0.01
    );
}

#[test]
fn unknown_keys_get_the_nearest_right_one() {
    for (wrong, right) in
        [("momentun", "momentum"), ("weights.rat", "rate"), ("augmentation.flips", "flip")]
    {
        let error = change(wrong, "1").unwrap_err();
        assert!(
            error.contains(&format!("did you mean `{right}`")) && !error.contains('\n'),
            "{error}"
        );
    }
    let error = Recipe::preset("papr", &[]).unwrap_err().to_string();
    assert!(error.contains("did you mean `paper`"), "{error}");
}

#[test]
fn nonsense_is_refused() {
    for (key, value) in [
        ("batch", "0"),
        ("epochs", "0"),
        ("batch", "-3"),
        ("batch", "many"),
        ("weights", "3"),
        ("augmentation.shared_by", "0"),
        ("augmentation.color.divisor", "0.0"),
        ("batch.size", "3"),
        ("schedule.changes", "[{ weights = 0.1 }]"),
        ("schedule.changes", "[{ epoch = 1, step = 1, weights = 0.1 }]"),
        ("schedule", r#"{ kind = "plateau", factor = 1.0, patience = 3, drops = 1 }"#),
        ("schedule", r#"{ kind = "plateau", factor = 0.0, patience = 3, drops = 1 }"#),
        ("schedule", r#"{ kind = "plateau", factor = 0.5, patience = 0, drops = 1 }"#),
        ("", "3"),
    ] {
        let error = change(key, value).unwrap_err();
        assert!(!error.contains('\n'), "{key}={value}: {error}");
    }
}

/// What a number may be is said with its key; the ends of a range that belong to it are taken.
#[test]
fn numbers_have_ranges() {
    let changed = |weights: &str| format!("[{{ epoch = 1, weights = {weights} }}]");
    let layer = |rate: &str| format!("{{ rate = {rate}, decay = 0.0 }}");
    let not_negative = "a finite number, at least 0";
    let of_parts = "ranges above 0, of areas up to 1";
    let resized = |least, most| format!("{{ area = [{least}, {most}], ratio = [0.5, 2.0] }}");
    for (key, value, named, expected) in [
        ("batch", "1000001", "batch = 1000001", "1 to 1000000"),
        ("epochs", "9223372036854775807", "epochs = 9223372036854775807", "1 to 1000000"),
        ("momentum", "7.0", "momentum = 7", "0 to below 1"),
        ("momentum", "1.0", "momentum = 1", "0 to below 1"),
        ("momentum", "-0.1", "momentum = -0.1", "0 to below 1"),
        ("momentum", "nan", "momentum = NaN", "0 to below 1"),
        ("weights.rate", "nan", "weights.rate = NaN", not_negative),
        ("weights.rate", "-1.0", "weights.rate = -1", not_negative),
        ("weights.rate", "1e300", "weights.rate = inf", not_negative), // beyond f32
        ("weights.decay", "-1e-3", "weights.decay = -0.001", not_negative),
        ("biases.rate", "inf", "biases.rate = inf", not_negative),
        ("biases.decay", "nan", "biases.decay = NaN", not_negative),
        ("layers.conv1.weights", &layer("-2.0"), "layers.conv1.weights.rate = -2", not_negative),
        ("layers.fc.biases", &layer("nan"), "layers.fc.biases.rate = NaN", not_negative),
        ("schedule.changes", &changed("nan"), "schedule.changes[0].weights = NaN", not_negative),
        ("schedule.changes", &changed("-1.0"), "schedule.changes[0].weights = -1", not_negative),
        ("input.scale", "[0, 0, 0]", "input.scale[0] = 0", "a finite number above 0"),
        ("input.scale", "[1, nan, 1]", "input.scale[1] = NaN", "a finite number above 0"),
        ("input.scale", "[1, 1, -1]", "input.scale[2] = -1", "a finite number above 0"),
        ("augmentation.shared_by", "0", "augmentation.shared_by = 0", "1 to 1000000"),
        ("augmentation.resized", &resized("0.0", "1.0"), "resized = area [0.0, 1.0]", of_parts),
        ("augmentation.resized", &resized("0.5", "1.5"), "resized = area [0.5, 1.5]", of_parts),
        ("augmentation.resized", &resized("0.5", "nan"), "resized = area [0.5, NaN]", of_parts),
        ("augmentation.color.sigma", "-0.1", "augmentation.color.sigma = -0.1", not_negative),
        ("augmentation.color.sigma", "inf", "augmentation.color.sigma = inf", not_negative),
        ("augmentation.color.divisor", "nan", "color.divisor = NaN", "a finite number above 0"),
    ] {
        let error = change(key, value).unwrap_err();
        let named = error.contains(named) && error.contains(&format!(": expected {expected}"));
        assert!(named && !error.contains('\n'), "{key}={value}: {error}");
    }
    for (key, value) in [
        ("momentum", "0.0"),
        ("weights.rate", "0.0"),
        ("weights.rate", "1e30"), // hopeless, but it means something
        ("biases.decay", "0.0"),
        ("schedule.changes", &changed("0.0")),
        ("augmentation.color.sigma", "0.0"),
    ] {
        change(key, value).unwrap();
    }
}

/// Every recipe is written as it is read, with numbers of as few digits as in its file.
#[test]
fn recipes_are_written_as_they_are_read() {
    for name in Recipe::presets() {
        let recipe = Recipe::preset(name, &[]).unwrap();
        let text = recipe.to_toml().unwrap();
        assert_eq!(Recipe::from_toml(name, &text, &[]).unwrap(), recipe, "{name}");
        let longest = text.split([' ', ',', '\n']).filter(|w| w.parse::<f64>().is_ok());
        let longest = longest.map(str::len).max().unwrap();
        assert!(longest < 14, "{name}: {text}");
    }
}
