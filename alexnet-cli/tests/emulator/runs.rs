//! Whole runs: on one GPU, one GPU for two, two GPUs, in every precision; from device to device;
//! evaluation.

use std::fs;
use std::sync::LazyLock;

use serde_json::Value;

use crate::{
    BATCH, FOLDER, SHORT, Settings, WIDE, alexnet, counts_in, events, losses, succeed, train,
};

pub(crate) const DEVICES: [&str; 3] = ["cuda:0", "cuda:0,cuda:0", "cuda:0,cuda:1"];

/// The losses of the run `cpu`, which every other is held against.
static ON_THE_CPU: LazyLock<Vec<f64>> = LazyLock::new(|| {
    train("cpu", "short", &[], &[]);
    let losses = losses("cpu");
    assert_eq!(losses.len(), 10 * SHORT / BATCH);
    losses
});

/// Trains on every kind of device. Of the CPU's losses, the first may be missed by the part `first`
/// and the next three by the part `next`. Later ones say nothing: a training doubles its rounding
/// errors every few steps.
fn near_the_cpu(precision: &str, first: f64, next: f64) {
    let want = &*ON_THE_CPU;
    for device in DEVICES {
        let run = name(precision, device);
        train(&run, "short", &["--device", device, "--precision", precision], &[]);
        let got = losses(&run);
        assert_eq!(got.len(), want.len());
        let away: Vec<f64> = got.iter().zip(want).map(|(g, w)| (g - w).abs() / w).collect();
        println!("{device} {precision}: losses {:.1e} away, then {:.1e}", away[0], away[1]);
        // A NaN is not near.
        let near = away[0] <= first && away[1..4].iter().all(|away| *away <= next);
        assert!(near, "{run}: {got:?}, expected {want:?}");
    }
}

fn name(precision: &str, device: &str) -> String {
    format!("{precision}-{device}").replace([':', ','], "-")
}

#[test]
fn in_tf32() {
    near_the_cpu("tf32", 5e-4, 5e-2);
}

#[test]
fn in_bf16() {
    near_the_cpu("bf16", 2e-3, 5e-2);
}

/// And what goes on from these runs.
#[test]
fn in_f32() {
    near_the_cpu("f32", 1e-6, 1e-5);

    // GPUs that do not reach each other's memory give the same numbers, and the log has a word
    // about it.
    let two = ["--device", "cuda:0,cuda:1"];
    train("apart", "short", &two, &[("ALEXNET_EMULATOR_PEERS", "0")]);
    let split = events("apart", "split");
    let route = split[0]["route"].as_str().unwrap();
    assert!(split.len() == 1 && route.contains("cannot reach"), "{split:?}");
    assert_eq!(losses("apart"), losses(&name("f32", "cuda:0,cuda:1")));

    // One run goes on on three kinds of device, an epoch each.
    let run = name("f32", "cuda:0");
    for (epochs, device) in [("2", "cuda:0,cuda:1"), ("3", "cpu")] {
        let job = ["train", "--resume", "--run", &run, "--epochs", epochs, "--device", device];
        succeed(&job, &[]);
    }
    assert_eq!(losses(&run).len(), 3 * ON_THE_CPU.len());
}

/// A loss that is not finite names its own step, though it is read with those of later steps. The
/// layer in which it began is known on the CPU alone, where each loss is read before the update.
#[test]
fn diverged() {
    let hot = ["--set", "weights.rate=1e30", "--set", "biases.rate=1e30"];
    let step = |run: &str, device: &str| {
        let job = ["train", "--preset", "demo", "--data", "short", "--run", run];
        let output = alexnet(&[&job[..], &hot, &["--device", device]].concat(), &[]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        let place = error.split_once(" at epoch ").unwrap_or_else(|| panic!("{error}")).1;
        let (step, rest) = place.split_once(": ").unwrap_or_else(|| panic!("{error}"));
        let (step, layer) = step.split_once(", first in layer ").unwrap_or((step, ""));
        assert_eq!(!layer.is_empty(), device == "cpu", "{error}");
        format!("{step}: {rest}")
    };
    assert_eq!(step("hot-gpu", "cuda:0"), step("hot-cpu", "cpu"));
}

/// Error rates and classes are those of the CPU.
#[test]
fn evaluated() {
    LazyLock::force(&ON_THE_CPU);
    let first = |folder| fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let image = first(first(FOLDER.join("short-images/val")));
    let weights = "cpu/final.safetensors";
    let eval = ["eval", "--data", "short", "--checkpoint", weights, "--views", "10", "--json"];
    let predict = ["predict", "--checkpoint", weights, "--json", image.to_str().unwrap()];
    for (command, devices) in [(&eval[..], &DEVICES[..]), (&predict[..], &DEVICES[..1])] {
        let on = |device: &str| -> Value {
            let output = succeed(&[command, &["--device", device]].concat(), &[]);
            serde_json::from_slice(&output.stdout).unwrap()
        };
        let want = on("cpu");
        for device in devices {
            let got = on(device);
            assert!(alike(&got, &want), "{} on {device}: {got}, expected {want}", command[0]);
        }
    }
}

/// The last batch of an evaluation has fewer images than the others, and needs no search for
/// algorithms of its own. Nothing waits for a batch before the next is asked for.
#[test]
fn evaluated_in_several_batches() {
    LazyLock::force(&ON_THE_CPU);
    let weights = "cpu/final.safetensors";
    let counted = [("ALEXNET_EMULATOR_COUNTS", "1")];
    let of = |data: &str, device: &str, settings: Settings<'_>| {
        let job = ["eval", "--data", data, "--checkpoint", weights, "--json", "--device", device];
        let output = succeed(&job, settings);
        (serde_json::from_slice::<Value>(&output.stdout).unwrap(), counts_in(&output))
    };
    let (want, _) = of("wide", "cpu", &[]);
    assert_eq!(want["images"], 10 * WIDE);
    let ((got, several), (_, one)) =
        (of("wide", "cuda:0", &counted), of("short", "cuda:0", &counted));
    assert!(alike(&got, &want), "{got}, expected {want}");
    let searches = "searches for algorithms of convolutions";
    let waits = "copies to the host that wait for a pass";
    assert_eq!((one[waits], several[waits]), (1, 1));
    assert!(one[searches] > 0 && several[searches] == one[searches], "{one:?}, {several:?}");
}

/// Whether two values are the same but for the last digits of numbers.
fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-4 * b.abs().max(1e-3),
            _ => false,
        },
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let same = |(key, a): (&String, &Value)| b.get(key).is_some_and(|b| alike(a, b));
            a.len() == b.len() && a.iter().all(same)
        }
        _ => a == b,
    }
}
