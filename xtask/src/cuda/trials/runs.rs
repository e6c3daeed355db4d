//! Whole runs: on one card, one card for two, two cards, in every precision; from device to device; evaluation.

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{BATCH, SHORT, Trials};

const DEVICES: [&str; 3] = ["cuda:0", "cuda:0,cuda:0", "cuda:0,cuda:1"];

/// A precision, and how far from the processor's the first loss may be, and the next three, as parts of it. Later ones
/// say nothing: a training doubles its rounding errors every few steps.
const PRECISIONS: [(&str, f64, f64); 3] =
    [("f32", 1e-6, 1e-5), ("tf32", 5e-4, 5e-2), ("bf16", 2e-3, 5e-2)];

pub(super) fn all(trials: &Trials) -> Result<()> {
    trials.train("cpu", "short", &[], &[])?;
    let want = trials.losses("cpu")?;
    ensure!(want.len() == 10 * SHORT / BATCH, "{} steps on the processor", want.len());
    for (precision, first, next) in PRECISIONS {
        for device in DEVICES {
            let run = format!("{precision}-{device}").replace([':', ','], "-");
            let job = ["--device", device, "--precision", precision];
            trials.train(&run, "short", &job, &[])?;
            let got = trials.losses(&run)?;
            ensure!(got.len() == want.len(), "{run}: {} steps", got.len());
            let away: Vec<f64> = got.iter().zip(&want).map(|(g, w)| (g - w).abs() / w).collect();
            let worst = away[1..4].iter().copied().fold(0.0, f64::max);
            println!("train {device} {precision}: losses {:.1e}, then {worst:.1e} away", away[0]);
            let near = away[0] <= first && away[1..4].iter().all(|away| *away <= next); // not so of NaN
            ensure!(near, "{run}: {got:?} where {want:?} are wanted");
        }
    }
    apart(trials)?;
    resumed(trials)?;
    evaluated(trials)
}

/// Cards that do not reach each other's memory: the same numbers, and one word about it.
fn apart(trials: &Trials) -> Result<()> {
    let job = ["--device", "cuda:0,cuda:1"];
    trials.train("apart", "short", &job, &[("ALEXNET_STAND_IN_PEERS", "0")])?;
    let events = trials.events("apart", "split")?;
    let route = events.first().and_then(|event| event["route"].as_str()).unwrap_or_default();
    ensure!(events.len() == 1 && route.contains("cannot reach"), "the log says {events:?}");
    ensure!(trials.losses("apart")? == trials.losses("f32-cuda-0-cuda-1")?, "other losses");
    println!("train without peer access: the same losses, by {route}");
    Ok(())
}

/// One run on three kinds of device, an epoch each.
fn resumed(trials: &Trials) -> Result<()> {
    for (epochs, device) in [("2", "cuda:0,cuda:1"), ("3", "cpu")] {
        let job = ["train", "--resume", "--run", "f32-cuda-0", "--epochs", epochs];
        trials.succeed(&[&job[..], &["--device", device]].concat(), &[])?;
    }
    let steps = trials.losses("f32-cuda-0")?.len();
    ensure!(steps == 3 * 10 * SHORT / BATCH, "{steps} steps in three epochs");
    println!("resume: from one card to two, to the processor");
    Ok(())
}

/// Error rates and classes as on the processor.
fn evaluated(trials: &Trials) -> Result<()> {
    let weights = "cpu/final.safetensors";
    let image = "short-images/val";
    let image = std::fs::read_dir(trials.path(image))?.next();
    let Some(class) = image.transpose()? else { anyhow::bail!("no images") };
    let Some(image) = std::fs::read_dir(class.path())?.next().transpose()? else {
        anyhow::bail!("no image")
    };
    let image = image.path().display().to_string();
    let eval = ["eval", "--data", "short", "--checkpoint", weights, "--views", "10", "--json"];
    let predict = ["predict", "--checkpoint", weights, "--json", &image];
    for (command, devices) in [(&eval[..], &DEVICES[..]), (&predict[..], &DEVICES[..1])] {
        let on = |device: &str| -> Result<Value> {
            let output = trials.succeed(&[command, &["--device", device]].concat(), &[])?;
            Ok(serde_json::from_slice(&output.stdout)?)
        };
        let want = on("cpu")?;
        for device in devices {
            let got = on(device)?;
            ensure!(alike(&got, &want), "{} on {device}: {got}, not {want}", command[0]);
        }
        println!("{}: as on the processor", command[0]);
    }
    Ok(())
}

/// The same but for the last digits of numbers.
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
