//! Which network a dataset gets where none is named, and which recipe a network.

use std::fs;

use alexnet_data::{PrepareOptions, Source, prepare};

use crate::{World, ok};

/// A CIFAR-10 folder in which the colour of a class is the colour of its images.
fn cifar(world: &World) {
    fs::create_dir(world.path("cifar")).unwrap();
    for file in 0..6 {
        let records = if file < 5 { 64 } else { 50 };
        let record = |r: usize| {
            let class = r % 10;
            let level = move |plane: usize| 60 + (class * (7 + 11 * plane) % 13) * 10;
            let pixel = move |i: usize| (level(i / 1024) + (i * (r + file + 1)) % 29) as u8;
            std::iter::once(class as u8).chain((0..3072).map(pixel))
        };
        let name = if file < 5 { format!("data_batch_{}", file + 1) } else { "test_batch".into() };
        let bytes: Vec<u8> = (0..records).flat_map(record).collect();
        fs::write(world.path("cifar").join(format!("{name}.bin")), bytes).unwrap();
    }
}

/// From the files of CIFAR-10 to a network that has learned, without a word about networks; also
/// where its images were made larger.
#[test]
fn cifar_is_trained_without_a_preset() {
    let world = World::new();
    cifar(&world);
    ok(&mut world.alexnet("prepare-data --source cifar10 --input cifar --output c32"));
    let said = ok(&mut world.alexnet("train --data c32 --epochs 6 --run run")).stdout;
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("no --preset given: `cifar` suits images of 32 px"), "{said}");
    let report = fs::read(world.path("run/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    // Guessing is wrong in 90 % of cases.
    assert!(report[0]["top1_error"].as_f64().unwrap() < 20.0, "{report}");

    ok(&mut world.alexnet("prepare-data --source cifar10 --input cifar --output c40 --size 40"));
    let said = ok(&mut world.alexnet("train --data c40 --epochs 1 --run run40")).stdout;
    assert!(String::from_utf8(said).unwrap().contains("`cifar` suits images of 40 px"));

    // The advice leads on, for this source as for others.
    let train = world.alexnet("train --data c32 --preset original --run never");
    world.fails(train, 1, &["224", "32", "--preset cifar"]);
}

/// Images that no preset takes: which presets take which.
#[test]
fn sizes_without_a_preset() {
    let world = World::new();
    let train = world.alexnet("train --data data --run never");
    world.fails(train, 1, &["data", "20 px", "cifar", "32 px", "original", "256 px", "--size"]);
    assert!(!world.path("never").exists());
    let options = PrepareOptions::new(Source::Folder, world.path("images"), world.path("d64"));
    prepare(&PrepareOptions { size: 64, ..options }, &|_| ()).unwrap();
    let said = ok(&mut world.alexnet("train --data d64 --epochs 1 --set batch=8 --run d64run"));
    assert!(String::from_utf8(said.stdout).unwrap().contains("`small` suits images of 64 px"));
}

/// A network of one's own is trained by some recipe, and which one is said.
#[test]
fn a_network_without_a_recipe() {
    let world = World::new();
    let train = "train --data data --network net.toml --epochs 1 --set batch=8 --run";
    let said = ok(&mut world.alexnet(&format!("{train} a"))).stdout;
    let said = String::from_utf8(said).unwrap();
    let line = "no --recipe given: net.toml is trained by the recipe of preset `original`";
    assert!(said.contains(line), "{said}");
    let said = ok(&mut world.alexnet(&format!("{train} b --preset demo"))).stdout;
    assert!(String::from_utf8(said).unwrap().contains("the recipe of preset `demo`"));
    let said = ok(&mut world.alexnet(&format!("{train} c --preset demo --json"))).stdout;
    assert_eq!(String::from_utf8(said).unwrap().lines().count(), 1);
}
