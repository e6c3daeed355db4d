//! `train --dry-run`: mistakes are found before the run, and nothing is written.

use std::fs;

use serde_json::Value;

use crate::{TRAIN, World};

fn names(world: &World) -> Vec<String> {
    let entries = fs::read_dir(world.path("")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_run_is_tried() {
    let world = World::new();
    let before = names(&world);
    let output = crate::ok(&mut world.alexnet(&format!("{TRAIN} run --dry-run")));
    let text = String::from_utf8(output.stdout).unwrap();
    for word in ["step  ", "validation  ", "time  ", "memory  ", "disk  ", "nothing was written"] {
        assert!(text.contains(word), "no `{word}` in: {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let of_three = crate::ok(&mut world.alexnet(&format!("{TRAIN} run --dry-run --seeds 3")));
    assert!(String::from_utf8(of_three.stdout).unwrap().contains("for 3 runs of 6 steps"));
    let json = crate::ok(&mut world.alexnet(&format!("{TRAIN} run --dry-run --json")));
    let tried: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(tried["steps_left"], 6, "{tried}");
    assert!(tried["step_seconds"].as_f64().unwrap() > 0.0, "{tried}");
    assert_eq!(names(&world), before);
    // Without --data it tries the demo dataset, which is drawn elsewhere.
    crate::ok(&mut world.alexnet("train --dry-run"));
    assert_eq!(names(&world), before);
}

/// Where no file can be made a run is refused, tried or not.
#[test]
fn a_place_without_files() {
    let world = World::new();
    for option in ["", " --dry-run"] {
        let train = world.alexnet(&format!("{TRAIN} /proc/run{option}"));
        world.fails(train, 1, &["/proc", "os error"]);
    }
    world.train("run");
    for option in ["", " --dry-run"] {
        let train = world.alexnet(&format!("{TRAIN} run{option}"));
        world.fails(train, 1, &["run already holds a run", "--resume"]);
    }
    crate::ok(&mut world.alexnet("train --resume --run run --epochs 3 --dry-run"));
}
