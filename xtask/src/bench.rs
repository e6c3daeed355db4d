//! `cargo xtask bench`: our training step and those of the peers, in turns on this machine, and the ratios.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Measure the training step of `original` without its same-map norm, which no peer has
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Measure the peers too: PyTorch and TensorFlow (bench/peers/README.md says how to install them)
    #[arg(long)]
    peers: bool,
    /// The Python that has the peers
    #[arg(long, default_value = "python3")]
    python: String,
    /// Images of a batch
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// Threads that compute
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, usize::from))]
    threads: usize,
    /// Rounds in which each takes its turn
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Steps of a turn
    #[arg(long, default_value_t = 3)]
    steps: usize,
    /// The five convolutions alone, forward and backward, against TensorFlow's (oneDNN)
    #[arg(long)]
    convolutions: bool,
}

/// Who takes a turn: a name, a program and its arguments.
struct Contender {
    name: &'static str,
    program: String,
    arguments: Vec<String>,
    /// Of each turn: the seconds of its steps, and the peak memory in bytes.
    turns: Vec<(Vec<f64>, f64)>,
}

const CONVOLUTIONS: [(&str, &str, &[&str]); 2] = [
    ("TensorFlow, two halves", "tensorflow_step.py", &["--convolutions"]),
    ("TensorFlow, grouped", "tensorflow_step.py", &["--convolutions", "--grouped"]),
];

const PEERS: [(&str, &str, &[&str]); 4] = [
    ("PyTorch eager", "torch_step.py", &["--mode", "eager"]),
    ("PyTorch channels-last", "torch_step.py", &["--mode", "channels-last"]),
    ("PyTorch torch.compile", "torch_step.py", &["--mode", "compile"]),
    ("TensorFlow (oneDNN)", "tensorflow_step.py", &[]),
];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut contenders = contenders(arguments);
    for round in 1..=arguments.rounds {
        for contender in &mut contenders {
            match contender.turn() {
                Ok((line, result)) => {
                    println!("{line}");
                    contender.turns.push(result);
                }
                Err(error) => eprintln!("round {round}: {} left out: {error:#}", contender.name),
            }
        }
    }
    table(&contenders, arguments.batch);
    Ok(())
}

fn contenders(arguments: &Arguments) -> Vec<Contender> {
    let numbers = [
        ("--batch", arguments.batch),
        ("--threads", arguments.threads),
        ("--steps", arguments.steps),
    ];
    let with_numbers = |first: &[&str]| {
        let first = first.iter().map(ToString::to_string);
        let rest = numbers.iter().flat_map(|(key, n)| [(*key).to_owned(), n.to_string()]);
        first.chain(rest).collect()
    };
    let ours: &[&str] = &["run", "--release", "--quiet", "--package", "alexnet-cli", "--", "bench"];
    let what: &[&str] = match arguments.convolutions {
        true => &["--json", "--without", "norm2"],
        false => &["--json", "--without", "norm2", "--step-only"],
    };
    let ours = with_numbers(&[ours, what].concat());
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut all =
        vec![Contender { name: "this project", program: cargo, arguments: ours, turns: vec![] }];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/peers");
    let peers = if arguments.convolutions { &CONVOLUTIONS[..] } else { &PEERS };
    for (name, script, mode) in peers.iter().filter(|_| arguments.peers) {
        let script = folder.join(script).display().to_string();
        let arguments_of = with_numbers(&[&[script.as_str()], *mode].concat());
        let program = arguments.python.clone();
        all.push(Contender { name, program, arguments: arguments_of, turns: vec![] });
    }
    all
}

impl Contender {
    /// The line it printed, and what that says.
    fn turn(&self) -> Result<(String, (Vec<f64>, f64))> {
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
        // Our own line has each layer's times, the peers' have what was asked for.
        let seconds = match result["layers"].as_array() {
            Some(layers) => vec![convolutions(layers)],
            None => {
                let seconds = result["step_seconds"].as_array();
                let seconds = seconds.context("it printed no step_seconds")?;
                seconds.iter().filter_map(Value::as_f64).collect()
            }
        };
        Ok((line, (seconds, result["peak_memory_bytes"].as_f64().unwrap_or(f64::NAN))))
    }

    /// Images a second of its median and of its fastest step, and its peak memory; `None` without a turn.
    fn summary(&self, batch: usize) -> Option<[f64; 3]> {
        let mut seconds: Vec<f64> = self.turns.iter().flat_map(|turn| turn.0.clone()).collect();
        seconds.sort_by(f64::total_cmp);
        let (fastest, median) = (*seconds.first()?, seconds[(seconds.len() - 1) / 2]);
        let memory = self.turns.iter().map(|turn| turn.1).fold(0.0, f64::max);
        Some([batch as f64 / median, batch as f64 / fastest, memory])
    }
}

/// Seconds of all convolutions, forward and backward.
fn convolutions(layers: &[Value]) -> f64 {
    let of_kind = layers.iter().filter(|layer| layer["kind"] == "conv");
    let times = of_kind.flat_map(|layer| [&layer["forward_ms"], &layer["backward_ms"]]);
    times.filter_map(Value::as_f64).sum::<f64>() / 1e3
}

/// One line for each contender: its rates, and ours over its.
fn table(contenders: &[Contender], batch: usize) {
    let Some(ours) = contenders.first().and_then(|ours| ours.summary(batch)) else { return };
    println!(
        "\n{:<23}{:>18}{:>9}{:>9}{:>9}{:>9}",
        "images/s", "median", "ours", "fastest", "ours", "GB"
    );
    for contender in contenders {
        let Some([median, fastest, memory]) = contender.summary(batch) else { continue };
        println!(
            "{:<23}{median:>18.1}{:>8.2}x{fastest:>9.1}{:>8.2}x{:>9.2}",
            contender.name,
            ours[0] / median,
            ours[1] / fastest,
            memory / 1e9
        );
    }
}
