//! Recipes: what is there goes out and comes back, what is wrong is named.

use alexnet_model::NetworkSpec;
use alexnet_train::Recipe;

#[test]
fn every_preset_has_its_network_and_comes_back_the_same() {
    for name in NetworkSpec::presets() {
        let recipe = Recipe::preset(name, &[]).unwrap();
        assert_eq!((recipe.name.as_str(), recipe.network.as_str()), (name, name));
        let toml = toml::to_string(&recipe).unwrap();
        assert_eq!(Recipe::from_toml(name, &toml, &[]).unwrap(), recipe);
        let json = serde_json::to_string(&recipe).unwrap();
        assert_eq!(serde_json::from_str::<Recipe>(&json).unwrap(), recipe);
        NetworkSpec::preset(name).unwrap().fused_layers().unwrap();
    }
    let recipes = concat!(env!("CARGO_MANIFEST_DIR"), "/recipes");
    assert_eq!(std::fs::read_dir(recipes).unwrap().count(), NetworkSpec::presets().count());
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
            .rates(19, "fc8", alexnet_model::Role::Weight)
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
        ("schedule", r#"{ kind = "plateau", factor = 1.0, patience = 3, drops = 1 }"#),
        ("schedule", r#"{ kind = "plateau", factor = 0.0, patience = 3, drops = 1 }"#),
        ("schedule", r#"{ kind = "plateau", factor = 0.5, patience = 0, drops = 1 }"#),
        ("", "3"),
    ] {
        let error = change(key, value).unwrap_err();
        assert!(!error.contains('\n'), "{key}={value}: {error}");
    }
}
