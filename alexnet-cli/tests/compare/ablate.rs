//! `alexnet ablate`.

use crate::world;

const ABLATE: &str = "ablate --data data --base demo --network net.toml --epochs 1 --seeds 2 \
                      --output out --vary decay,crops";

#[test]
fn a_table_a_plot_and_the_recipe_of_each_arm() {
    let world = world(20);
    let dry = world.ok(&format!("{ABLATE} --dry-run"));
    assert!(dry.contains("8 runs,") && dry.contains("to be trained"), "{dry}");
    assert!(!world.path("out").exists(), "a dry run writes nothing");

    let plan = world.ok(&format!("{ABLATE} --dry-run --json"));
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(
        (plan["runs"][7]["arm"].as_str(), plan["runs"][7]["seed"].as_u64()),
        (Some("no-flips"), Some(2))
    );

    let said = world.ok(ABLATE);
    for words in ["centre-crops seed 2 trained in", "no-decay", "written  out/ablation.md"] {
        assert!(said.contains(words), "{said}");
    }
    let markdown = world.read("out/ablation.md");
    let rows: Vec<&str> = markdown.lines().filter(|line| line.starts_with("| ")).collect();
    assert_eq!(rows.len(), 5, "{markdown}"); // the head and four arms
    assert!(rows[1].starts_with("| base | network `"), "{markdown}");
    assert!(rows[2].contains("without weight decay") && rows[2].contains(" to "), "{markdown}");
    let csv = world.read("out/ablation.csv");
    assert_eq!(csv.lines().count(), 5, "{csv}");
    // What an arm is may have a comma; then it is quoted.
    let plain = csv.replace(", never", " never").replace('"', "");
    let columns: Vec<usize> = plain.lines().map(|line| line.split(',').count()).collect();
    assert_eq!(columns, [18; 5], "{csv}");
    assert!(csv.contains(",\"random crops, never mirrored\","), "{csv}");
    assert!(csv.starts_with("arm,about,parameters,seeds,top1_error,top1_deviation,"), "{csv}");
    let svg = world.read("out/ablation.svg");
    let drawing = roxmltree::Document::parse(&svg).unwrap();
    let has = |text: &str| drawing.descendants().any(|node| node.text() == Some(text));
    assert!(has("without weight decay") && has("random crops, never mirrored"), "{svg}");
    let json: serde_json::Value = serde_json::from_str(&world.read("out/ablation.json")).unwrap();
    assert_eq!(json["arms"][3]["name"], "no-flips");
    assert_eq!(json["arms"][3]["top1"]["errors"].as_array().unwrap().len(), 2);

    // The files of an arm train the same run by themselves, to the byte.
    world.ok("train --data data --network out/no-decay/network.toml --recipe \
              out/no-decay/recipe.toml --seed 2 --run alone");
    let weights = |run: &str| std::fs::read(world.path(run).join("final.safetensors")).unwrap();
    assert!(weights("alone") == weights("out/no-decay/seed-2"));

    // Given again, nothing is trained.
    let again = world.ok(&format!("{ABLATE} --jobs 1"));
    assert!(!again.contains("trained in"), "{again}");
    assert_eq!(world.read("out/ablation.md"), markdown);
    assert!(world.ok(&format!("{ABLATE} --dry-run")).contains("  trained"));
}

#[test]
fn what_the_base_does_not_have_is_left_out_or_refused() {
    let world = world(20);
    // `net.toml` has no norm within maps.
    let all = world.ok("ablate --data data --network net.toml --epochs 1 --dry-run --seeds 1");
    let left = "left out: `norm2` cannot be varied: network";
    assert!(all.contains(left) && all.contains("no-decay"), "{all}");
    world.fails(
        "ablate --data data --network net.toml --vary norm2 --dry-run",
        1,
        &["`norm2` cannot be varied", "map-norm"],
    );
    world.fails("ablate --vary dropot --dry-run", 1, &["`dropot`", "did you mean `dropout`?"]);
    world.fails("ablate --base demmo --dry-run", 1, &["did you mean `demo`?"]);
    world.fails("ablate --data nowhere --dry-run", 1, &["nowhere"]);
    assert!(!world.path("runs").exists());
}

#[test]
fn another_experiment_in_the_same_folder_is_refused() {
    let world = world(20);
    let ablate = ABLATE.replace("decay,crops", "decay");
    world.ok(&ablate.replace("--seeds 2", "--seeds 1"));
    world.fails(
        &format!("{ablate} --set weights.rate=0.02"),
        1,
        &["out/base/seed-1 holds a run of another network, recipe or dataset", "--output"],
    );
}
