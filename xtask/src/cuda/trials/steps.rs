//! What a training step on a card allocates and waits for, from what two runs differ in of which one has more steps.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use super::{BATCH, LONG, SHORT, Settings, Trials};

/// Steps that the longer of two runs has more.
const MORE: i64 = (10 * (LONG - SHORT) / BATCH) as i64;

pub(super) fn all(trials: &Trials) -> Result<()> {
    for (mean, device, precision) in [
        ("centre-window", "cuda:0", "bf16"),
        ("aligned", "cuda:0", "f32"),
        ("centre-window", "cuda:0,cuda:1", "bf16"),
    ] {
        let mean = format!("input.mean={mean}");
        let job = ["--device", device, "--precision", precision, "--set", &mean];
        let count = |data: &str| -> Result<BTreeMap<String, i64>> {
            let run = format!("steps-{data}-{mean}-{precision}-{device}").replace([':', ','], "-");
            let counted: Settings<'_> = &[("ALEXNET_STAND_IN_COUNTS", "1")];
            let output = trials.train(&run, data, &job, counted)?;
            let lines = String::from_utf8_lossy(&output.stderr).into_owned();
            let line = |line: &str| {
                let (what, count) = line.strip_prefix("stand-in: ")?.rsplit_once(' ')?;
                Some((what.to_owned(), count.parse().ok()?))
            };
            Ok(lines.lines().filter_map(line).collect())
        };
        let (few, many) = (count("short")?, count("long")?);
        let more = |what: &str| many.get(what).unwrap_or(&0) - few.get(what).unwrap_or(&0);
        ensure!(more("launches") > 20 * MORE, "the steps launch {} kernels", more("launches"));
        for what in [
            "times the pool grew",
            "pinned buffers",
            "searches for algorithms of convolutions",
            "waits for a device",
            "waits for a stream",
            "convolutions of memory not aligned to 16 bytes",
            "products of memory not aligned to 16 bytes",
        ] {
            ensure!(more(what) == 0, "{device}: {MORE} more steps make {} more {what}", more(what));
        }
        // What is read of a step is its losses.
        for what in ["copies to the host", "copies of memory that can move"] {
            ensure!(more(what) == MORE, "{device}: {MORE} more steps, {} more {what}", more(what));
        }
        // For a place of the batch before the last, which a card has long read.
        let (waits, devices) = (more("waits for an event"), device.split(',').count() as i64);
        ensure!(waits <= devices * MORE, "{device}: {MORE} more steps wait {waits} times more");
        println!(
            "steps on {device} in {precision}, {mean}: no memory but the first steps', no wait but for losses"
        );
    }
    Ok(())
}
