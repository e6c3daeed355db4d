//! What is seen of runs: what `train` prints, `watch`, `runs` and `compare`, as plain text.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use alexnet_data::{DemoOptions, Lock, PrepareOptions, Source, draw_demo, prepare};
use serde_json::{Value, json};

/// Small enough to train within a test.
const NETWORK: &str = include_str!("network.toml");

struct World(tempfile::TempDir);

impl World {
    /// A folder with a small dataset `data` and a network file.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let demo = DemoOptions { image_size: 32, train_per_class: 4, val_per_class: 2, seed: 7 };
        draw_demo(&path("images"), &demo, &|_| ()).unwrap();
        let options = PrepareOptions::new(Source::Folder, path("images"), path("data"));
        prepare(&PrepareOptions { size: 20, ..options }, &|_| ()).unwrap();
        fs::write(path("net.toml"), NETWORK).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, words: &str, environment: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alexnet"));
        command.env_remove("COLUMNS").envs(environment.iter().copied());
        command.args(words.split(' ')).current_dir(self.0.path()).output().unwrap()
    }

    /// What a command prints, which succeeds: plain lines of at most 80 columns.
    #[track_caller]
    fn plain(&self, words: &str) -> String {
        let output = self.run(words, &[]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{words}: {error}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(!said.contains('\x1b'), "{words}: {said:?}");
        for line in said.lines() {
            assert!(line.chars().count() <= 80, "{words}: {line}");
        }
        said
    }

    #[track_caller]
    fn json(&self, words: &str) -> Value {
        let output = self.run(words, &[]);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    #[track_caller]
    fn error(&self, words: &str) -> String {
        let output = self.run(words, &[]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.lines().count() == 1, "{words}: {error}");
        error
    }

    fn train(&self, run: &str, more: &str) -> String {
        self.plain(&format!(
            "train --data data --preset demo --network net.toml --set batch=16 --epochs 2 --run \
             {run}{more}"
        ))
    }
}

fn append(run: &Path, line: &Value) {
    let log = run.join("log.jsonl");
    let text = fs::read_to_string(&log).unwrap_or_default();
    fs::write(log, format!("{text}{line}\n")).unwrap();
}

#[test]
fn training_prints_plain_lines_of_eighty_columns() {
    let world = World::new();
    let said = world.train("runs/a", " --seed 3");
    let epoch = said.lines().find(|line| line.starts_with("epoch   2/2  loss ")).unwrap();
    let words: Vec<&str> = epoch.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "images/s").unwrap();
    assert!(words[at - 1].parse::<u64>().is_ok(), "a rate that is no whole number: {epoch}");
    for word in ["top-1 error ", ", top-5 ", " %  ", "ETA 0s"] {
        assert!(epoch.contains(word), "no `{word}` in: {epoch}");
    }
    assert_eq!(said.matches("learning rate ").count(), 1, "{said}");
}

#[test]
fn runs_are_listed_with_their_states() {
    let world = World::new();
    fs::create_dir(world.path("runs")).unwrap();
    assert_eq!(world.plain("runs runs"), "runs: no runs in it or in its folders\n");
    let error = world.error("runs nowhere");
    assert!(error.starts_with("error: nowhere: no such folder"), "{error}");

    let long = "an-experiment-with-a-name-as-long-as-people-give/no-overlapping-pooling/seed-1";
    world.train("runs/done", "");
    for copy in [long, "running", "diverged", "new"] {
        fs::create_dir_all(world.path("runs").join(copy)).unwrap();
        let file = |run: &str| world.path("runs").join(run).join("run.json");
        fs::copy(file("done"), file(copy)).unwrap();
    }
    let log = fs::read_to_string(world.path("runs/done/log.jsonl")).unwrap();
    let cut: String = log.lines().take(4).map(|line| format!("{line}\n")).collect();
    for copy in [long, "running", "diverged"] {
        fs::write(world.path("runs").join(copy).join("log.jsonl"), &cut).unwrap();
    }
    let reason = "the loss is NaN at epoch 1, step 3: training has diverged and was not saved";
    let fail = json!({ "event": "fail", "reason": reason, "epoch": 0, "step": 2 });
    append(&world.path("runs/diverged"), &fail);
    let _lock = Lock::exclusive(&world.path("runs/running/.run.lock")).unwrap().unwrap();

    let said = world.plain("runs runs");
    let row = |name: &str| {
        let row = said.lines().find(|line| line.trim().starts_with(name));
        row.unwrap_or_else(|| panic!("no {name} in: {said}"))
    };
    for (name, words) in [
        ("done", ["done", "2/2"]),
        ("running", ["running", "1/2"]),
        ("diverged", ["diverged", "1/2"]),
        ("new", ["stopped", "0/2"]),
        ("an-experiment", ["stopped", "1/2"]),
    ] {
        for word in words {
            assert!(row(name).contains(word), "no `{word}` in the row of {name}:\n{said}");
        }
    }
    let together: String = said.split_whitespace().collect();
    for words in
        ["seed-1", "thelossisNaNatepoch1,step3", &format!("process{}on", std::process::id())]
    {
        assert!(together.contains(words), "no `{words}` in: {said}");
    }
    assert!(!together.contains("notsaved"), "{said}");

    let listed = world.json("runs runs --json");
    let listed = listed["runs"].as_array().unwrap();
    let of = |name: &str| listed.iter().find(|run| run["run"] == name).unwrap();
    assert_eq!(listed.len(), 5);
    assert_eq!(of("diverged")["detail"], reason);
    assert_eq!(of(long)["state"], "stopped");
    let done = of("done");
    assert!(done["best_top1_error"].as_f64() <= done["last_top1_error"].as_f64());
    let files = fs::read_dir(world.path("runs/done")).unwrap().map(|f| f.unwrap().metadata());
    let bytes: u64 = files.map(|file| file.unwrap()).filter(|f| f.is_file()).map(|f| f.len()).sum();
    assert!(done["bytes"].as_u64().unwrap() >= bytes && bytes > 1000, "{done}");

    // One that cannot be read is said, and the others are listed.
    fs::write(world.path("runs/new/run.json"), "{").unwrap();
    let output = world.run("runs runs", &[]);
    let (said, error) = (String::from_utf8(output.stdout), String::from_utf8(output.stderr));
    assert!(output.status.success() && said.unwrap().contains("diverged"));
    assert!(error.as_ref().unwrap().starts_with("warning: "), "{error:?}");
}

#[test]
fn a_run_is_watched_without_a_terminal() {
    let world = World::new();
    world.train("runs/a", "");
    let said = world.plain("watch runs/a");
    for words in ["state       done", "epoch 2/2, step 3/3", "images/s", "ten views   ", "compute"]
    {
        assert!(said.contains(words), "no `{words}` in: {said}");
    }
    assert_eq!(world.plain("watch runs").lines().count(), said.lines().count());
    let narrow = world.run("watch runs/a --once", &[("COLUMNS", "40"), ("NO_COLOR", "1")]);
    let narrow = String::from_utf8(narrow.stdout).unwrap();
    assert!(narrow.lines().filter(|l| !l.contains('/')).all(|l| l.chars().count() <= 40));

    fs::create_dir_all(world.path("runs/b")).unwrap();
    fs::copy(world.path("runs/a/run.json"), world.path("runs/b/run.json")).unwrap();
    let said = world.plain("watch runs/b");
    assert!(said.contains("waiting for the first line of its log"), "{said}");
    let error = world.error("watch runs");
    assert!(error.contains("holds 2 runs") && error.contains("runs/a, runs/b"), "{error}");
    let error = world.error("watch data");
    assert!(error.starts_with("error: data holds no run"), "{error}");
}

#[test]
fn runs_are_compared() {
    let world = World::new();
    world.train("a", " --seed 1");
    world.train("b", " --seed 2 --set weights.rate=0.005");
    let said = world.plain("compare a b");
    let rows: Vec<Vec<&str>> =
        said.lines().map(|line| line.split("  ").map(str::trim).collect()).collect();
    let row = |name: &str| -> Vec<&str> {
        let row = rows.iter().find(|row| row.contains(&name));
        let row = row.unwrap_or_else(|| panic!("no {name} in: {said}"));
        row.iter().copied().filter(|field| !field.is_empty()).collect()
    };
    assert_eq!(row("seed"), ["seed", "1", "2"]);
    assert_eq!(row("weights.rate"), ["weights.rate", "0.01", "0.005"]);
    assert_eq!(row("state"), ["state", "done", "done"]);
    assert!(!said.contains("momentum"), "{said}");
    let same = world.plain("compare a a");
    assert!(same.starts_with("no differences in recipe, network, seed and data\n"), "{same}");
    let csv = world.plain("compare a b --csv");
    assert!(csv.starts_with(",a,b\nseed,1,2\nweights.rate,0.01,0.005\nstate,done,done\n"), "{csv}");
    let json = world.json("compare a b --json");
    let rate = json!({ "key": "weights.rate", "values": ["0.01", "0.005"] });
    assert_eq!(json["differences"][1], rate);
    assert_eq!(json["results"][1]["validation"].as_array().unwrap().len(), 2);
    let error = world.error("compare a nowhere");
    assert!(error.starts_with("error: nowhere"), "{error}");
}
