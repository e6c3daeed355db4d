//! The rates of `original` are those that the authors set by hand; a plateau lowers them.

use alexnet_kernels::Sgd;
use alexnet_model::{Network, NetworkSpec, Role};
use alexnet_train::{Moment, Plateau, Recipe, Schedule, Verdict, step_rates};
use candle_core::Device;

/// The start of an epoch of ImageNet in batches of 256.
fn start(epoch: usize) -> Moment {
    Moment { epoch, step: epoch * 5005 }
}

#[test]
fn conv1_stays_frozen_when_all_others_change() {
    let recipe = Recipe::preset("original", &[]).unwrap();
    let rate = |epoch, layer| recipe.rates(start(epoch), layer, Role::Weight).rate;
    assert_eq!([rate(0, "conv1"), rate(24, "fc8"), rate(25, "fc8")], [0.01, 0.01, 1e-3]);
    assert_eq!([rate(67, "conv1"), rate(67, "conv2")], [1e-5, 1e-4]);
    assert_eq!([rate(72, "conv1"), rate(79, "conv1"), rate(79, "conv2")], [0.0, 0.0, 1e-5]);
    let biases = |epoch, layer| recipe.rates(start(epoch), layer, Role::Bias).rate;
    assert_eq!([biases(89, "conv2"), biases(71, "conv1"), biases(72, "conv1")], [0.02, 0.02, 0.0]);
    let has_noise = |epoch| recipe.schedule.has_color_noise(start(epoch));
    assert!(has_noise(66) && !has_noise(67));
}

#[test]
fn a_stall_lowers_the_rates_and_the_last_one_ends_the_run() {
    let schedule = plateau(1, 0.0, 0.0);
    let mut plateau = Plateau::START;
    let errors = [50.0, 40.0, 40.0, 41.0, 39.0, 39.5, 39.0];
    let verdicts = errors.map(|error| plateau.observe(&schedule, error));
    use Verdict::{Continue, LowerRates, Stop};
    assert_eq!(verdicts, [Continue, Continue, Continue, LowerRates, Continue, Continue, Stop]);
    assert_eq!(plateau.factor, 0.1);
    let recipe = Recipe::preset("demo", &[]).unwrap();
    let network = Network::new(&NetworkSpec::preset("demo").unwrap(), 1, &Device::Cpu).unwrap();
    let rules = |plateau: &Plateau| step_rates(&recipe, plateau.factor, start(0), 10, &network);
    for (lowered, full) in rules(&plateau).into_iter().zip(rules(&Plateau::START)) {
        assert_eq!(lowered, Sgd { rate: full.rate * 0.1, ..full });
        assert!(full.rate > 0.0 && full.momentum == recipe.momentum);
    }
}

/// The rates at the end of the authors' other runs, and the epochs in which they ended.
#[test]
fn the_authors_other_runs() {
    for (name, epochs, conv1, others, conv1_biases, other_biases) in [
        ("original-2010", 93, 0.0, 1e-5, 2e-3, 2e-3),
        ("one-tower", 96, 0.0, 1e-5, 2e-3, 0.02),
        ("no-overlap", 90, 0.0, 1e-5, 0.0, 0.02),
        ("no-lrn", 97, 0.0, 1e-5, 0.0, 0.02),
        ("sixth-conv", 60, 1e-4, 1e-4, 0.02, 0.02),
        ("fine-tune-2012", 54, 0.0, 1e-5, 0.0, 0.02),
        ("fall-2009", 7, 1e-3, 1e-3, 0.02, 0.02),
        ("fall-2011", 9, 1e-3, 1e-3, 0.02, 0.02),
    ] {
        let recipe = Recipe::preset(name, &[]).unwrap();
        assert_eq!(recipe.epochs, epochs, "{name}");
        let last = |layer, role| recipe.rates(start(epochs - 1), layer, role).rate;
        let got = ["conv1", "conv4", "fc8"].map(|layer| last(layer, Role::Weight));
        assert_eq!(got, [conv1, others, others], "{name}");
        let got = ["conv1", "conv4", "fc8"].map(|layer| last(layer, Role::Bias));
        assert_eq!(got, [conv1_biases, other_biases, other_biases], "{name}");
    }
}

/// A layer with a decay of its own follows the changes for all layers; one with a rate does not.
#[test]
fn a_decay_of_its_own_leaves_a_layer_in_the_schedule() {
    let last = |name: &str, changes: &[(&str, &str)], layer: &str| {
        let recipe = Recipe::preset(name, changes).unwrap();
        let rates = recipe.rates(start(recipe.epochs - 1), layer, Role::Weight);
        (rates.rate, rates.decay)
    };
    for (name, epochs, decays) in [
        ("cifar-18pct", 140, [0.004, 0.004, 1.0]),
        ("cifar-13pct", 160, [0.0, 0.0, 0.004]),
        ("cifar-11pct", 520, [0.0, 0.0, 0.01]),
    ] {
        let recipe = Recipe::preset(name, &[]).unwrap();
        assert_eq!((recipe.epochs, recipe.batch, recipe.weights.rate), (epochs, 128, 1e-3));
        for (layer, decay) in ["conv1", "conv2", "fc10"].iter().zip(decays) {
            assert_eq!(last(name, &[], layer), (1e-5, decay), "{name}, {layer}");
        }
    }
    assert_eq!(last("cifar-11pct", &[], "local3"), (1e-5, 0.004));
    let own = [("layers.fc10.weights.rate", "0.5")];
    assert_eq!(last("cifar-18pct", &own, "fc10"), (0.5, 1.0));
    let only_rate = [("layers.conv3.weights.rate", "0.5")];
    assert_eq!(last("cifar-18pct", &only_rate, "conv3"), (0.5, 0.004));
    let biases = |name: &str| {
        let recipe = Recipe::preset(name, &[]).unwrap();
        recipe.rates(start(recipe.epochs - 1), "fc10", Role::Bias)
    };
    assert_eq!((biases("cifar-18pct").rate, biases("cifar-13pct").rate), (2e-5, 2e-3));
}

/// Caffe's rates change after 100,000 steps, which is within an epoch.
#[test]
fn steps_change_rates() {
    let recipe = Recipe::preset("caffe", &[]).unwrap();
    let rate = |step| recipe.rates(Moment { epoch: step / 5005, step }, "fc8", Role::Weight).rate;
    assert_eq!([rate(99_999), rate(100_000), rate(449_999)], [1e-2, 1e-3, 1e-6]);
    let recipe = Recipe::preset("fine-tune-2012", &[]).unwrap();
    let rate = |step| recipe.rates(Moment { epoch: 0, step }, "fc8", Role::Weight).rate;
    assert_eq!([rate(2_399), rate(2_400)], [1e-3, 1e-2]);
}

/// In the pre-training what was trained before has a tenth of the rate of what is new, and in the
/// last stage conv1 is frozen from epoch 7 on.
#[test]
fn the_pre_training_trains_what_is_new_faster() {
    let rate = |name: &str, epoch, layer: &str, role| {
        Recipe::preset(name, &[]).unwrap().rates(start(epoch), layer, role).rate
    };
    let weights = |name: &str, epoch| {
        ["conv1", "conv5", "conv6", "fc6", "fc8"]
            .map(|layer| rate(name, epoch, layer, Role::Weight))
    };
    assert_eq!(weights("fall-2009", 0), [1e-3, 1e-3, 1e-2, 1e-2, 1e-2]);
    assert_eq!(weights("fall-2009", 2), [1e-3; 5]);
    assert_eq!(weights("fall-2011", 5), [1e-3, 1e-3, 1e-3, 1e-2, 1e-2]);
    assert_eq!(weights("fall-2011", 6), [1e-3; 5]);
    assert_eq!(weights("fine-tune-2012", 0), [1e-4, 1e-3, 1e-3, 1e-3, 1e-3]);
    assert_eq!(weights("fine-tune-2012", 7), [0.0, 1e-3, 1e-3, 1e-3, 1e-2]);
    assert_eq!(rate("fine-tune-2012", 7, "conv1", Role::Bias), 0.0);
    for name in ["fall-2009", "fall-2011"] {
        let biases = ["conv5", "conv6", "fc8"].map(|layer| rate(name, 0, layer, Role::Bias));
        assert_eq!(biases, [0.02, 2e-3, 0.02], "{name}");
    }
}

/// As in the paper, by ten after two epochs, once; with a window, a threshold and a floor.
fn plateau(window: usize, threshold: f64, floor: f32) -> Schedule {
    Schedule::Plateau { factor: 0.1, patience: 2, drops: 1, window, threshold, floor }
}

/// What a schedule makes of these errors.
fn verdicts<const N: usize>(schedule: &Schedule, errors: [f64; N]) -> [Verdict; N] {
    let mut plateau = Plateau::START;
    errors.map(|error| plateau.observe(schedule, error))
}

#[test]
fn a_window_a_threshold_and_a_floor() {
    use Verdict::{Continue, LowerRates, Stop};
    // Means of two: 45, 40, 39, 39.5, 39.5: the last two are no better than 39.
    let errors = [50.0, 40.0, 40.0, 38.0, 41.0, 38.0];
    let want = [Continue, Continue, Continue, Continue, Continue, LowerRates];
    assert_eq!(verdicts(&plateau(2, 0.0, 0.0), errors), want);
    // Less than a point better is not better.
    let want = [Continue, Continue, LowerRates];
    assert_eq!(verdicts(&plateau(1, 1.0, 0.0), [50.0, 49.5, 49.2]), want);
    assert_eq!(verdicts(&plateau(1, 0.0, 0.0), [50.0, 49.5, 49.2]), [Continue; 3]);
    assert_eq!(verdicts(&plateau(1, 0.0, 0.5), [50.0, 50.0, 50.0]), [Continue, Continue, Stop]);
}

/// What is left out of a recipe is as in the paper, and is not written either.
#[test]
fn schedules_are_recipe_data() {
    let of = |schedule: &str| Recipe::preset("demo", &[("schedule", schedule)]);
    let text = "{ kind = \"plateau\", factor = 0.1, patience = 2, drops = 1 }";
    let recipe = of(text).unwrap();
    assert_eq!(recipe.schedule, plateau(1, 0.0, 0.0));
    assert!(!recipe.to_toml().unwrap().contains("window ="));
    for schedule in [
        "{ kind = \"cosine\", lowest = 0.01 }",
        "{ kind = \"exponential\", weights = { divisor = 250, parts = 4 }, \
         biases = { divisor = 10 } }",
        "{ kind = \"plateau\", factor = 0.1, patience = 2, drops = 1, window = 3, \
         threshold = 0.1, floor = 0.001 }",
    ] {
        let recipe = of(schedule).unwrap();
        let text = recipe.to_toml().unwrap();
        assert_eq!(Recipe::from_toml("again", &text, &[]).unwrap(), recipe, "{text}");
    }
    for (wrong, word) in [
        ("{ kind = \"cosine\", lowest = 2.0 }", "schedule.lowest = 2: expected 0 to 1"),
        (
            "{ kind = \"exponential\", weights = { divisor = 0.5 }, biases = { divisor = 2 } }",
            "schedule.weights.divisor = 0.5: expected a finite number, at least 1",
        ),
    ] {
        let error = of(wrong).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let error = Recipe::preset("demo", &[("warm_up", "{ steps = 0, from = 0.1 }")]).unwrap_err();
    assert!(error.to_string().contains("warm_up.steps = 0: expected 1"), "{error}");
}
