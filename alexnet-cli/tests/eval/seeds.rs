//! `alexnet train --seeds`: runs that are as if made alone, resumed, and evaluated together.

use std::fs;

use serde_json::Value;

use crate::{TRAIN, json, world};

#[test]
fn seeds_are_as_if_alone() {
    let world = world();
    let command = format!("{TRAIN} all --seed 7 --seeds 3");
    let said = world.ok(&command);
    for word in ["all/seed-8 begins", "recipe demo, seed 9\n", "validation", "ensemble.json"] {
        assert!(said.contains(word), "no `{word}` in: {said}");
    }
    world.ok(&format!("{TRAIN} alone --seed 8"));
    let weights = |run: &str| fs::read(world.path(run).join("final.safetensors")).unwrap();
    assert!(weights("alone") == weights("all/seed-8"));
    assert!(weights("alone") != weights("all/seed-7"));

    let report: Value = serde_json::from_str(&world.read("all/ensemble.json")).unwrap();
    let members = report["members"].as_array().unwrap();
    let seeds: Vec<_> = members.iter().map(|m| (m["seed"].as_u64().unwrap(), &m["run"])).collect();
    assert_eq!(seeds, [(7, &"seed-7".into()), (8, &"seed-8".into()), (9, &"seed-9".into())]);
    let own: Value = serde_json::from_str(&world.read("alone/report.json")).unwrap();
    assert_eq!(members[1]["validation"], own);
    for (place, views) in ["1", "10"].into_iter().enumerate() {
        let eval = "eval --data data --checkpoint all/seed-7 all/seed-8 all/seed-9 --views";
        let together = json(&world, &format!("{eval} {views}"));
        for key in ["images", "views", "loss", "top1_error", "top5_error"] {
            assert_eq!(report["ensemble"][place][key], together[key], "{views}: {key}");
        }
    }

    // Without --resume nothing is touched; with it, what is finished is kept, one that was stopped
    // goes on, and one that is missing begins.
    world.fails(&command, 1, &["all/seed-7 already holds a run", "--resume"]);
    let log = world.read("all/seed-8/log.jsonl");
    let cut = log.lines().take_while(|line| !line.contains(r#""event":"epoch""#));
    fs::write(world.path("all/seed-8/log.jsonl"), cut.collect::<Vec<_>>().join("\n")).unwrap();
    fs::remove_file(world.path("all/seed-8/checkpoint.safetensors")).unwrap();
    fs::remove_dir_all(world.path("all/seed-8/checkpoints")).unwrap();
    fs::remove_file(world.path("all/seed-8/final.safetensors")).unwrap();
    fs::remove_dir_all(world.path("all/seed-9")).unwrap();
    let before = fs::metadata(world.path("all/seed-7/final.safetensors")).unwrap();
    let said = world.ok(&format!("{command} --resume"));
    for word in ["all/seed-7 is finished", "all/seed-8 goes on", "all/seed-9 begins"] {
        assert!(said.contains(word), "no `{word}` in: {said}");
    }
    let after = fs::metadata(world.path("all/seed-7/final.safetensors")).unwrap();
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
    assert!(weights("alone") == weights("all/seed-8"));
    let again: Value = serde_json::from_str(&world.read("all/ensemble.json")).unwrap();
    assert_eq!(again, report);
    // More epochs for all of them, and one object for scripts.
    let longer = command.replace("--epochs 1", "--epochs 2");
    let printed = json(&world, &format!("{longer} --resume"));
    let saved: Value = serde_json::from_str(&world.read("all/ensemble.json")).unwrap();
    assert_eq!(printed, saved);
    assert_ne!(saved, report);
    // Another recipe is another run.
    let other = longer.replace("batch=16", "batch=8");
    world.fails(&format!("{other} --resume"), 1, &["all/seed-7", "another recipe"]);
}

/// The command with which a run began resumes it; what differs is named.
#[test]
fn one_run_is_resumed_as_it_began() {
    let world = world();
    let command = format!("{TRAIN} run --seed 7");
    world.ok(&command);
    let weights = fs::read(world.path("run/final.safetensors")).unwrap();
    for asked in ["", "--network net.toml", "--set batch=16", "--seed 7", "--data data"] {
        world.ok(&format!("train --resume --run run {asked}"));
    }
    world.ok(&format!("{command} --resume"));
    assert!(weights == fs::read(world.path("run/final.safetensors")).unwrap());
    for (asked, words) in [
        ("--preset demo", "another network"),
        ("--seed 1", "another seed"),
        ("--set batch=8", "(batch: 16, not 8)"),
        ("--set weights.rate=0.5", "(weights.rate: 0.01, not 0.5): leave them out"),
        ("--init run", "began without --init"),
        ("--recipe missing.toml", "missing.toml"),
    ] {
        world.fails(&format!("train --resume --run run {asked}"), 1, &[words]);
    }
    world.fails(&format!("{command} --change"), 2, &["--resume"]);
    world.ok("train --resume --run run --epochs 2 --set weights.rate=0.5 --change");
    assert!(world.read("run/run.json").contains("\"rate\": 0.5"));
    let log = world.read("run/log.jsonl");
    assert!(log.contains(r#"{"event":"change","key":"weights.rate","from":"0.01","to":"0.5""#));
    world.fails(&format!("{TRAIN} run --seeds 0"), 2, &["--seeds"]);
    let last = u64::MAX;
    world.fails(&format!("{TRAIN} new --seeds 2 --seed {last}"), 1, &["--seed", "2 seeds"]);
    assert!(!world.path("new").exists());
}
