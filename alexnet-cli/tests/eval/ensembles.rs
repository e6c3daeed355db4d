//! Several networks as one, from checkpoints and from saved probabilities.

use crate::{NETWORK, TRAIN, World, json, number, world};

/// Two runs, one of them of a network for smaller crops.
fn two_runs() -> World {
    let world = world();
    let small = NETWORK.replace("16, 16", "12, 12").replace("\"test\"", "\"small\"");
    std::fs::write(world.path("small.toml"), small).unwrap();
    world.ok(&format!("{TRAIN} a"));
    world.ok(&format!("{} b --seed 2", TRAIN.replace("net.toml", "small.toml")));
    world
}

#[test]
fn each_alone_and_all_together() {
    let world = two_runs();
    let alone =
        |run: &str| json(&world, &format!("eval --data data --checkpoint {run} --views all"));
    let both = "eval --data data --checkpoint a b/final.safetensors --views all";
    let together = json(&world, both);
    let members = together["members"].as_array().unwrap();
    for (member, run, views) in [(&members[0], "a", 50), (&members[1], "b", 162)] {
        assert_eq!(member["views"], views);
        for key in ["loss", "top1_error", "top5_error", "top_k_error"] {
            assert_eq!(member[key], alone(run)[key], "{run}: {key}");
        }
    }
    assert_eq!(together["views"], 162);
    assert!(members.iter().all(|member| member["loss"] != together["loss"]));
    // The logarithm is concave: the mean is never worse than the members' mean.
    let mean = members.iter().map(|member| number(&member["loss"])).sum::<f64>() / 2.0;
    assert!(number(&together["loss"]) < mean);
    // Flags may also be repeated, and a member given twice changes nothing.
    let twice = json(&world, "eval --data data --checkpoint a --checkpoint a --views all");
    for key in ["loss", "top1_error"] {
        assert_eq!(twice[key], alone("a")[key]);
    }

    let said = world.ok(both);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "30 images of split `val`");
    assert!(lines[2].starts_with("a/final.safetensors") && lines[2].contains(" %"), "{said}");
    assert!(lines[4].starts_with("the mean of all 2"), "{said}");
    let table = world.ok(&format!("{both} --csv"));
    let names: Vec<&str> = table.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(names, ["member", "a/final.safetensors", "b/final.safetensors", "together"]);
}

#[test]
fn saved_and_combined_is_as_direct() {
    let world = two_runs();
    for run in ["a", "b"] {
        world.ok(&format!("eval --data data --checkpoint {run} --save-probabilities {run}.p"));
    }
    let direct = json(&world, "eval --data data --checkpoint a b");
    let close = |command: &str| {
        let score = json(&world, command);
        for key in ["top1_error", "top5_error"] {
            assert_eq!(score[key], direct[key], "{command}");
        }
        let (got, want) = (number(&score["loss"]), number(&direct["loss"]));
        assert!((got - want).abs() < 1e-6, "{command}: {got} {want}");
        score
    };
    let score = close("eval --probabilities a.p b.p");
    assert_eq!((&score["split"], &score["members"][0]["name"]), (&"val".into(), &"a.p".into()));
    close("eval --data data --probabilities a.p b.p");
    close("eval --data data --checkpoint b --probabilities a.p");
    // Files of files.
    world.ok("eval --probabilities a.p b.p --save-probabilities ab.p");
    close("eval --probabilities ab.p");
    close("eval --probabilities a.p --probabilities b.p --per-class c.csv --confusions 3");
    assert!(world.read("c.csv").contains("dotted-disc"));

    // What does not belong together.
    world.fails("eval --probabilities a.p --split train", 1, &["a.p: its split is `val`"]);
    world.ok("eval --data data --split train --checkpoint a --save-probabilities train.p");
    world.fails("eval --probabilities a.p train.p", 1, &["train.p: its split is `train`", "a.p"]);
    world.fails("eval --data data --split val --probabilities train.p", 1, &["train.p", "`val`"]);
    world.fails("eval --probabilities net.toml", 1, &["net.toml", "no safetensors file"]);
    world.fails("eval --probabilities a/final.safetensors", 1, &["final.safetensors", "format"]);
    world.fails("eval --data data --checkpoint a.p", 1, &["a.p", "format"]);
    std::fs::rename(world.path("images/val/dotted-disc"), world.path("images/val/zebra")).unwrap();
    std::fs::rename(world.path("images/train/dotted-disc"), world.path("images/train/zebra"))
        .unwrap();
    world.prepare("other", 20);
    world.fails("eval --data other --probabilities a.p", 1, &["a.p: its dataset", "other"]);
    world.fails("eval --data other --checkpoint a b", 1, &["a/final.safetensors", "class "]);
    // The member that does not fit is named.
    world.ok(&format!("{} c", TRAIN.replace("--data data", "--data other")));
    world.fails("eval --data data --checkpoint a c", 1, &["c/final.safetensors", "class "]);
    // A file that is not complete does not stay.
    let full = "eval --data data --checkpoint a --save-probabilities no/such.p";
    world.fails(full, 1, &["no/such.p"]);
}
