//! Views, any k, and the tables of classes, images and confusions.

use serde_json::Value;

use crate::{TRAIN, json, number, world};

/// The fields of a table without quotes.
fn table(text: &str) -> (Vec<String>, Vec<Vec<f64>>) {
    let mut lines = text.lines();
    let names = lines.next().unwrap().split(',').map(str::to_owned).collect();
    let row = |line: &str| line.split(',').map(|f| f.parse().unwrap_or(f64::NAN)).collect();
    (names, lines.map(row).collect())
}

#[test]
fn tables_add_up() {
    let world = world();
    world.ok(&format!("{TRAIN} run"));
    let eval = "eval --data data --checkpoint run --views 10 --top-k 3,1,10";
    let files = "--per-class classes.csv --per-image images.csv";
    let score = json(&world, &format!("{eval} {files} --confusions 1000"));
    assert_eq!(score["members"].as_array().unwrap().len(), 1);
    assert_eq!(score["members"][0]["name"], "run/final.safetensors");
    assert_eq!((&score["split"], &score["images"]), (&"val".into(), &30.into()));
    let k: Vec<&String> = score["top_k_error"].as_object().unwrap().keys().collect();
    assert_eq!(k, ["1", "10", "3", "5"]); // sorted as text here
    assert_eq!(score["top_k_error"]["1"], score["top1_error"]);
    assert_eq!(number(&score["top_k_error"]["10"]), 0.0);

    let (names, images) = table(&world.read("images.csv"));
    let want = ["record", "label", "predicted", "loss", "top1", "top3", "top5", "top10"];
    assert_eq!((names, images.len()), (want.map(str::to_owned).to_vec(), 30));
    let mean = |column: usize| images.iter().map(|row| row[column]).sum::<f64>() / 30.0;
    for (column, key) in [(4, "1"), (5, "3"), (6, "5"), (7, "10")] {
        let error = 100.0 * (1.0 - mean(column));
        assert!((error - number(&score["top_k_error"][key])).abs() < 1e-9, "{key}: {error}");
    }
    assert!((mean(3) - number(&score["loss"])).abs() < 1e-12);
    assert!((0..30).all(|record| images[record][0] == record as f64));

    let (names, classes) = table(&world.read("classes.csv"));
    let want = ["label", "class", "words", "images", "loss", "top1_error"];
    assert_eq!((&names[..6], classes.len()), (&want.map(str::to_owned)[..], 10));
    for (label, class) in classes.iter().enumerate() {
        let of = images.iter().filter(|image| image[1] == label as f64);
        let right: f64 = of.clone().map(|image| image[4]).sum();
        let error = 100.0 * (1.0 - right / 3.0);
        assert_eq!((class[0], class[3], of.count()), (label as f64, 3.0, 3));
        assert!((class[5] - error).abs() < 1e-9, "{label}: {error} {class:?}");
        let json = &score["per_class"][label];
        assert_eq!(number(&json["top_k_error"]["1"]), class[5]);
        assert_eq!(number(&json["images"]), 3.0);
    }
    let confused: f64 =
        score["confusions"].as_array().unwrap().iter().map(|c| number(&c["images"])).sum();
    let wrong = images.iter().filter(|image| image[1] != image[2]).count();
    assert_eq!(confused, wrong as f64);

    // For people.
    let said = world.ok(&format!("{eval} --confusions 2"));
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("30 images of split `val`, 10 views: top-1 error "), "{said}");
    assert!(lines[0].contains("top-3 error ") && lines[0].contains("top-10 error 0.00 %"));
    assert!(lines[2].contains("of class") && lines[2].ends_with("taken for"), "{said}");
    let first = &score["confusions"][0];
    let class = |key: &str| first[key].as_str().unwrap();
    assert!(lines[3].contains(class("class")) && lines[3].ends_with(class("predicted")), "{said}");
    assert!(lines[3].trim_start().starts_with(&format!("{} of 3 ", first["images"])), "{said}");
    assert_eq!(lines.len(), 5);
    // As CSV.
    let (names, rows) = table(&world.ok(&format!("{eval} --csv")));
    let want = ["member", "views", "images", "loss", "top1_error", "top3_error", "top10_error"];
    assert_eq!((names, rows.len()), (want.map(str::to_owned).to_vec(), 1));
    assert_eq!(rows[0][1..4], [10.0, 30.0, number(&score["loss"])]);
}

/// Every kind of views; the centre and the ten are as `train` reports them.
#[test]
fn views_are_counted() {
    let world = world();
    let trained = json(&world, &format!("{TRAIN} run"));
    let eval = |views: &str| -> Value {
        json(&world, &format!("eval --data data --checkpoint run --views {views}"))
    };
    for (views, count) in [("1", 1), ("2", 2), ("9", 9), ("10", 10), ("all", 50)] {
        assert_eq!(eval(views)["views"], count, "{views}");
    }
    for (place, views) in ["1", "10"].into_iter().enumerate() {
        for key in ["images", "views", "loss", "top1_error", "top5_error"] {
            assert_eq!(trained["validation"][place][key], eval(views)[key], "{views}: {key}");
        }
    }
    // What a network says does not depend on who reads the images.
    let threads = |n: &str| world.ok(&format!("eval --data data --checkpoint run {n} --views all"));
    assert_eq!(threads(""), threads("--loader-threads 5"));
    let image = "images/val/dotted-disc/0000.jpg";
    world.ok(&format!("predict --checkpoint run --views all {image}"));
}

#[test]
fn wrong_arguments() {
    let world = world();
    world.ok(&format!("{TRAIN} run"));
    let eval = "eval --data data --checkpoint run";
    world.fails(&format!("{eval} --top-k 0"), 2, &["--top-k"]);
    world.fails(&format!("{eval} --top-k 1,x"), 2, &["--top-k"]);
    world.fails(&format!("{eval} --top-k 11"), 1, &["--top-k 11", "10 classes"]);
    world.fails(&format!("{eval} --views 3"), 2, &["--views", "1, 2, 9, 10 or all"]);
    world.fails(&format!("{eval} --confusions 0"), 2, &["--confusions"]);
    world.fails(&format!("{eval} --json --csv"), 2, &["--json", "--csv"]);
    world.fails("eval --data data", 2, &["--checkpoint"]);
    world.fails("eval --checkpoint run", 2, &["--data"]);
    world.fails("eval --data data --checkpoint images", 1, &["images is a folder without final"]);
    for option in ["--per-class", "--per-image", "--save-probabilities"] {
        world.fails(&format!("{eval} {option} images"), 1, &["images", "it is a folder"]);
    }
    // The checkpoint of a run that has not ended.
    std::fs::remove_file(world.path("run/final.safetensors")).unwrap();
    let score = json(&world, eval);
    assert_eq!(score["members"][0]["name"], "run/checkpoint.safetensors");
}
