//! `alexnet reproduce`.

use crate::world;

#[test]
fn every_claim_is_listed_with_its_figures_and_commands() {
    let world = world(72);
    let list = world.ok("reproduce");
    let figures = [
        "37.5",
        "17.0",
        "39.0",
        "18.3",
        "40.7",
        "18.2",
        "38.1",
        "16.4",
        "16.6",
        "36.7",
        "15.4",
        "six times",
        "1.7 points",
        "1.4 points",
        "0.4 points",
        "over 1 point",
        "13 %",
        "11 %",
    ];
    for figure in figures {
        assert!(list.contains(figure), "no {figure} in\n{list}");
    }
    let json: serde_json::Value = serde_json::from_str(&world.ok("reproduce --json")).unwrap();
    let claims = json.as_array().unwrap();
    assert_eq!(claims.len(), 15);
    for claim in claims {
        let name = claim["name"].as_str().unwrap();
        let commands = claim["commands"].as_array().unwrap();
        assert!(!commands.is_empty(), "{name}");
        // Each command is right as far as its arguments go.
        for command in commands {
            let command = command.as_str().unwrap();
            assert!(command.starts_with(&format!("alexnet reproduce {name} --scale ")));
        }
    }
}

/// Every claim at every scale is one that networks, recipes and factors can fill: on images large
/// enough for all of them, of as few classes as the demo's.
#[test]
fn every_claim_can_be_tried_at_every_scale() {
    let world = world(256);
    let json: serde_json::Value = serde_json::from_str(&world.ok("reproduce --json")).unwrap();
    let mut tried = 0;
    for claim in json.as_array().unwrap() {
        let name = claim["name"].as_str().unwrap();
        for command in claim["commands"].as_array().unwrap() {
            let words = command.as_str().unwrap();
            let words = words.strip_prefix("alexnet ").unwrap().replace(" --data DIR", "");
            if name == "pre-training" {
                continue;
            }
            // There is no test split in this dataset.
            if name.starts_with("table-1") || name == "towers" {
                let output = world.run(&format!("{words} --data data --dry-run"));
                let error = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success() || error.contains("`test`"), "{words}: {error}");
                continue;
            }
            let said = world.ok(&format!("{words} --data data --dry-run"));
            assert!(said.contains("multiply-adds") && said.contains("nothing was written"));
            tried += 1;
        }
    }
    assert!(tried > 25, "{tried}");
    assert!(!world.path("runs").exists());
}

#[test]
fn what_is_missing_is_said() {
    let world = world(20);
    world.fails("reproduce overlapp", 1, &["did you mean `overlap`?"]);
    world.fails("reproduce lrn --scale small", 1, &["needs --data DIR", "photographs of 64 px"]);
    world.fails("reproduce cifar-lrn", 1, &["--scale demo", "only at small and full"]);
    world.fails("reproduce pre-training --scale small --data data", 1, &["--pretrained RUN"]);
    assert!(!world.path("runs").exists());
}
