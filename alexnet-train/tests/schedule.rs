//! The rates of `original` are those that the authors set by hand; a plateau lowers them.

use alexnet_kernels::Sgd;
use alexnet_model::{Network, NetworkSpec, Role};
use alexnet_train::{Plateau, Recipe, Schedule, Verdict, step_rates};
use candle_core::Device;

#[test]
fn conv1_stays_frozen_when_all_others_change() {
    let recipe = Recipe::preset("original", &[]).unwrap();
    let rate = |epoch, layer| recipe.rates(epoch, layer, Role::Weight).rate;
    assert_eq!([rate(0, "conv1"), rate(24, "fc8"), rate(25, "fc8")], [0.01, 0.01, 1e-3]);
    assert_eq!([rate(67, "conv1"), rate(67, "conv2")], [1e-5, 1e-4]);
    assert_eq!([rate(72, "conv1"), rate(79, "conv1"), rate(79, "conv2")], [0.0, 0.0, 1e-5]);
    assert_eq!(recipe.rates(60, "conv2", Role::Bias).rate, 2e-3);
    assert!(recipe.schedule.has_color_noise(66) && !recipe.schedule.has_color_noise(67));
}

#[test]
fn a_stall_lowers_the_rates_and_the_last_one_ends_the_run() {
    let schedule = Schedule::Plateau { factor: 0.1, patience: 2, drops: 1 };
    let mut plateau = Plateau::START;
    let errors = [50.0, 40.0, 40.0, 41.0, 39.0, 39.5, 39.0];
    let verdicts = errors.map(|error| plateau.observe(&schedule, error));
    use Verdict::{Continue, LowerRates, Stop};
    assert_eq!(verdicts, [Continue, Continue, Continue, LowerRates, Continue, Continue, Stop]);
    assert_eq!(plateau.factor, 0.1);
    let recipe = Recipe::preset("demo", &[]).unwrap();
    let network = Network::new(&NetworkSpec::preset("demo").unwrap(), 1, &Device::Cpu).unwrap();
    let rules = |plateau| step_rates(&recipe, plateau, 0, &network);
    for (lowered, full) in rules(&plateau).into_iter().zip(rules(&Plateau::START)) {
        assert_eq!(lowered, Sgd { rate: full.rate * 0.1, ..full });
        assert!(full.rate > 0.0 && full.momentum == recipe.momentum);
    }
}
