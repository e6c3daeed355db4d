//! `cargo xtask bench`: our training step and those of the peers, in turns on this machine, and the
//! ratios.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::builder::RangedU64ValueParser;
use serde_json::Value;

use crate::output::{OutputError, Report, complain};
use crate::process;

/// Measure the training step of `original` without its same-map norm, which no peer has
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Measure the peers too: PyTorch, TensorFlow, … (bench/peers/README.md says how to install
    /// them)
    #[arg(long)]
    peers: bool,
    /// The Python that has the peers
    #[arg(long, default_value = "python3")]
    python: String,
    /// Images of a batch
    #[arg(long, default_value_t = 128, value_parser = number(65_536))]
    batch: usize,
    /// Threads that compute
    #[arg(
        long, value_parser = number(1024),
        default_value_t = std::thread::available_parallelism().map_or(1, usize::from)
    )]
    threads: usize,
    /// Rounds in which each takes its turn
    #[arg(long, default_value_t = 3, value_parser = number(1_000_000))]
    rounds: usize,
    /// Steps of a turn
    #[arg(long, default_value_t = 3, value_parser = number(1_000_000))]
    steps: usize,
    /// The five convolutions alone, forward and backward, against TensorFlow's (oneDNN) and
    /// candle's own
    #[arg(long)]
    convolutions: bool,
    /// The loader alone, on one core: mirrored crops of raw records in memory, against PyTorch's
    /// and FFCV's
    #[arg(long, conflicts_with = "convolutions")]
    loader: bool,
}

/// A number from 1 on.
fn number(most: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=most)
}

/// Who takes a turn: a name, a program and its arguments.
struct Contender {
    name: &'static str,
    program: String,
    arguments: Vec<String>,
    /// Of each turn: the seconds of its steps, and the peak memory in bytes.
    turns: Vec<(Vec<f64>, f64)>,
}

/// A peer: its name, its script in `bench/peers` or else the example of this workspace that it is,
/// and what that is told.
type Peer = (&'static str, &'static str, &'static [&'static str]);

const CONVOLUTIONS: [Peer; 3] = [
    ("TensorFlow, two halves", "tensorflow_step.py", &["--convolutions"]),
    ("TensorFlow, grouped", "tensorflow_step.py", &["--convolutions", "--grouped"]),
    ("candle's own", "03_candle_convolutions", &[]),
];

const LOADERS: [Peer; 2] =
    [("PyTorch DataLoader", "torch_loader.py", &[]), ("FFCV", "ffcv_loader.py", &[])];

const PEERS: [Peer; 4] = [
    ("PyTorch eager", "torch_step.py", &["--mode", "eager"]),
    ("PyTorch channels-last", "torch_step.py", &["--mode", "channels-last"]),
    ("PyTorch torch.compile", "torch_step.py", &["--mode", "compile"]),
    ("TensorFlow (oneDNN)", "tensorflow_step.py", &[]),
];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut contenders = contenders(arguments);
    for round in 1..=arguments.rounds {
        for contender in &mut contenders {
            match contender.turn(arguments) {
                Ok((line, result)) => {
                    writeln!(Report, "{line}")?;
                    contender.turns.push(result);
                }
                Err(error) => {
                    complain(&format!("round {round}: {} left out: {error:#}", contender.name));
                }
            }
        }
    }
    Ok(table(&contenders, arguments.batch)?)
}

fn contenders(arguments: &Arguments) -> Vec<Contender> {
    let numbers = [
        ("--batch", arguments.batch),
        ("--threads", arguments.threads),
        ("--steps", arguments.steps),
    ];
    let numbers = numbers.map(|(key, n)| [key.to_owned(), n.to_string()]).concat();
    type Choice<'a> = (&'a [&'a str], &'a [Peer], Vec<String>);
    let (ours, peers, numbers): Choice<'_> = match (arguments.convolutions, arguments.loader) {
        (true, _) => (&["--without", "norm2"], &CONVOLUTIONS, numbers),
        // A step of few images: the loader is measured beside it.
        (_, true) => (&["--batch", "8", "--steps", "1"], &LOADERS, Vec::new()),
        _ => (&["--without", "norm2", "--step-only"], &PEERS, numbers),
    };
    let cargo = process::cargo().get_program().display().to_string();
    let run = ["run", "--release", "--quiet", "--package"];
    let contender = |name, program: &str, first: &[&str]| {
        let first = first.iter().map(ToString::to_string);
        let arguments = first.chain(numbers.iter().cloned()).collect();
        Contender { name, program: program.to_owned(), arguments, turns: vec![] }
    };
    let ours = [&run[..], &["alexnet-cli", "--", "bench", "--json"], ours].concat();
    let mut all = vec![contender("this project", &cargo, &ours)];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/peers");
    for (name, script, told) in peers.iter().filter(|_| arguments.peers) {
        let path = folder.join(script).display().to_string();
        all.push(if script.ends_with(".py") {
            contender(name, &arguments.python, &[&[path.as_str()], *told].concat())
        } else {
            let example = ["alexnet-train", "--example", script, "--"];
            contender(name, &cargo, &[&run[..], &example, told].concat())
        });
    }
    all
}

impl Contender {
    /// The line it printed, and what that says.
    fn turn(&self, arguments: &Arguments) -> Result<(String, (Vec<f64>, f64))> {
        let output = Command::new(&self.program)
            .args(&self.arguments)
            .output()
            .with_context(|| format!("cannot run {}", self.program))?;
        let errors = String::from_utf8_lossy(&output.stderr);
        let last = errors.lines().last().unwrap_or("it says nothing").to_owned();
        ensure!(output.status.success(), "{last}");
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().last().unwrap_or_default().to_owned();
        let result: Value = serde_json::from_str(&line).context("it printed no JSON")?;
        let seconds = seconds(&result, arguments).context("what it printed has no such times")?;
        Ok((line, (seconds, result["peak_memory_bytes"].as_f64().unwrap_or(f64::NAN))))
    }

    /// Images a second of its median and of its fastest step, and its peak memory; `None` without a
    /// turn.
    fn summary(&self, batch: usize) -> Option<[f64; 3]> {
        let mut seconds: Vec<f64> = self.turns.iter().flat_map(|turn| turn.0.clone()).collect();
        seconds.sort_by(f64::total_cmp);
        let (fastest, median) = (*seconds.first()?, seconds[(seconds.len() - 1) / 2]);
        let memory = self.turns.iter().map(|turn| turn.1).fold(0.0, f64::max);
        Some([batch as f64 / median, batch as f64 / fastest, memory])
    }
}

/// Of what a contender printed, the seconds of each batch that was measured.
fn seconds(result: &Value, arguments: &Arguments) -> Option<Vec<f64>> {
    if arguments.loader {
        let keys = ["loader_images_per_second_per_core", "images_per_second_per_core"];
        let rate = keys.iter().find_map(|key| result[key].as_f64())?;
        return Some(vec![arguments.batch as f64 / rate]);
    }
    // Our own line has each layer's times, the peers' have what was asked for.
    match result["layers"].as_array() {
        Some(layers) => Some(vec![convolutions(layers)]),
        None => Some(result["step_seconds"].as_array()?.iter().filter_map(Value::as_f64).collect()),
    }
}

/// Seconds of all convolutions, forward and backward.
fn convolutions(layers: &[Value]) -> f64 {
    let of_kind = layers.iter().filter(|layer| layer["kind"] == "conv");
    let times = of_kind.flat_map(|layer| [&layer["forward_ms"], &layer["backward_ms"]]);
    times.filter_map(Value::as_f64).sum::<f64>() / 1e3
}

/// One line for each contender: its rates, and ours over its.
fn table(contenders: &[Contender], batch: usize) -> Result<(), OutputError> {
    let Some(ours) = contenders.first().and_then(|ours| ours.summary(batch)) else { return Ok(()) };
    writeln!(
        Report,
        "\n{:<23}{:>18}{:>9}{:>9}{:>9}{:>9}",
        "images/s", "median", "ours", "fastest", "ours", "GB"
    )?;
    for contender in contenders {
        let Some([median, fastest, memory]) = contender.summary(batch) else { continue };
        let memory = if memory > 0.0 { format!("{:.2}", memory / 1e9) } else { "-".to_owned() };
        writeln!(
            Report,
            "{:<23}{median:>18.1}{:>8.2}x{fastest:>9.1}{:>8.2}x{memory:>9}",
            contender.name,
            ours[0] / median,
            ours[1] / fastest,
        )?;
    }
    Ok(())
}
