//! What is said of images: words for ImageNet's classes, JSON, CSV.

use serde_json::Value;

use crate::{IMAGE, world};

#[test]
fn classes_of_imagenet_have_words() {
    let said = world().ok(&format!("predict --checkpoint run --top 10 {IMAGE}"));
    assert_eq!(said.lines().count(), 11, "{said}");
    for class in ["golden retriever (n02099601)", "tench (n01440764)", "toilet tissue (n15075141)"]
    {
        assert_eq!(said.lines().filter(|line| line.ends_with(class)).count(), 1, "{said}");
    }
    // Others stay names.
    assert_eq!(said.lines().filter(|line| line.ends_with(')')).count(), 3, "{said}");

    let line = world().ok(&format!("predict --checkpoint run --json --top 10 {IMAGE}"));
    let line: Value = serde_json::from_str(&line).unwrap();
    let classes = line["classes"].as_array().unwrap();
    assert_eq!((&line["image"], classes.len()), (&IMAGE.into(), 10));
    let tench = classes.iter().find(|class| class["class"] == "n01440764").unwrap();
    assert_eq!(tench["words"], "tench, Tinca tinca");
    assert_eq!(classes.iter().filter(|class| class["words"].is_null()).count(), 7);
    let sum: f64 = classes.iter().map(|class| class["probability"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-9, "{sum}");

    let table = world().ok(&format!("predict --checkpoint run --csv --top 10 {IMAGE} {IMAGE}"));
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!((rows[0], rows.len()), ("image,rank,class,words,probability", 21));
    for (rank, (row, class)) in rows[1..11].iter().zip(classes).enumerate() {
        let name = class["class"].as_str().unwrap();
        let words = class["words"].as_str().unwrap_or_default();
        let words = if words.contains(',') { format!("\"{words}\"") } else { words.to_owned() };
        let begin = format!("{IMAGE},{},{name},{words},", rank + 1);
        let probability: f64 = row.strip_prefix(&*begin).unwrap().parse().unwrap();
        // A batch of one is rounded otherwise than one of two.
        assert!((probability - class["probability"].as_f64().unwrap()).abs() < 1e-6, "{row}");
    }
    assert_eq!(rows[1..11], rows[11..]);
    world().fails(
        &format!("predict --checkpoint run --csv --json {IMAGE}"),
        2,
        &["--csv", "--json"],
    );
}

/// The same, however many threads read.
#[test]
fn threads_change_nothing() {
    let predict = |more: &str| {
        world().ok(&format!("predict --checkpoint run --json --views 10 {more} images"))
    };
    let said = predict("--loader-threads 1");
    assert_eq!(said.lines().count(), 60);
    assert!(said == predict("--loader-threads 7") && said == predict(""));
}
