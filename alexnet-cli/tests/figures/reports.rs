//! The page about runs: what stands on it, and what it leaves out.

use std::fs;

use serde_json::Value;

use crate::{HOSTILE, world};

/// What a browser would ask others for: the addresses of `src`, `href` and `url(…)` of a page.
fn addresses(page: &str) -> Vec<&str> {
    let of = |begin: &'static str, end: char| {
        page.split(begin).skip(1).map(move |rest| rest.split(end).next().unwrap())
    };
    let mut all: Vec<&str> = of(" src=\"", '"').chain(of(" href=\"", '"')).collect();
    all.extend(of("url(", ')').chain(of("@import", ';')));
    all
}

#[test]
fn a_page_needs_no_other_file() {
    let page = fs::read_to_string(world().path("run/report.html")).unwrap();
    let addresses = addresses(&page);
    assert!(addresses.len() > 10, "{addresses:?}");
    for address in addresses {
        assert!(address.starts_with("data:") || address.starts_with('#'), "{address}");
    }
    for word in [
        "<svg viewBox",
        "top-1 error, ten views",
        "top-5 error, centre view",
        "share of waiting for the loader",
        "weights.rate",
        "momentum = 0.9",
        "conv1",
        "multiply-adds",
        "crc32:",
        "loader threads",
        "prefers-color-scheme: dark",
        "Permission is hereby granted", // uPlot's licence
    ] {
        assert!(page.contains(word), "no `{word}`");
    }
    // Names are text.
    assert!(!page.contains(HOSTILE) && page.contains("&lt;b&gt;&amp;"), "{HOSTILE}");
    // The numbers of the charts are what the log says.
    let charts = page.split("<script type=\"application/json\">").skip(1);
    let charts: Vec<Value> = charts
        .map(|rest| serde_json::from_str(rest.split("</script>").next().unwrap()).unwrap())
        .collect();
    assert_eq!(charts.len(), 3);
    let log = fs::read_to_string(world().path("run/log.jsonl")).unwrap();
    let losses: Vec<f64> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter_map(|event| event["train_loss"].as_f64())
        .collect();
    let drawn: Vec<f64> = serde_json::from_value(charts[1]["curves"][0]["y"].clone()).unwrap();
    assert_eq!(drawn.len(), 3);
    for (drawn, logged) in drawn.iter().zip(losses) {
        assert!((drawn - logged).abs() < 1e-4, "{drawn} {logged}");
    }
}

#[test]
fn the_same_run_gives_the_same_page() {
    world().ok("report run --output same.html");
    let [again, first] =
        ["same.html", "run/report.html"].map(|f| fs::read(world().path(f)).unwrap());
    assert!(again == first);
}

#[test]
fn training_names_its_page() {
    let train = "train --data data --preset demo --network net.toml --set batch=16 --epochs 1";
    let said = world().ok(&format!("{train} --run named"));
    assert!(said.trim_end().ends_with("page     named/report.html"), "{said}");
    fs::create_dir_all(world().path("taken/report.html")).unwrap();
    let output = world().alexnet(&format!("{train} --run taken --json"));
    let (said, error) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{error}");
    assert!(error.starts_with("warning: no page about this run: "), "{error}");
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["page"], &said["run"]), (&Value::Null, &"taken".into()));
}

#[test]
fn runs_stand_side_by_side() {
    let said = world().ok("report run other --output both.html");
    assert_eq!(said.trim_end(), "report   both.html");
    let page = fs::read_to_string(world().path("both.html")).unwrap();
    let row = |name: &str| {
        let rest = page.split(&format!("<th scope=\"row\">{name}</th>")).nth(1).unwrap();
        let differs = page.contains(&format!("class=\"differs\"><th scope=\"row\">{name}</th>"));
        (rest.split("</tr>").next().unwrap().to_owned(), differs)
    };
    assert_eq!(row("momentum"), ("<td>0.9</td><td>0.8</td>".to_owned(), true));
    assert_eq!(row("weights.decay"), ("<td>0.0005</td><td>0.0005</td>".to_owned(), false));
    assert_eq!(row("epochs").0, "<td>3</td><td>2</td>");
    assert!(page.contains("run, validation") && page.contains("other, validation"));
}

/// A dataset that was moved away, and a run that has only begun, are no errors.
#[test]
fn what_is_not_there_is_left_out_with_a_sentence() {
    let copy = |to: &str, files: &[&str]| {
        fs::create_dir(world().path(to)).unwrap();
        for file in files {
            fs::copy(world().path("run").join(file), world().path(to).join(file)).unwrap();
        }
    };
    copy("moved", &["log.jsonl", "final.safetensors", "run.json"]);
    let config = world().path("moved/run.json");
    let text = fs::read_to_string(&config).unwrap();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    value["data"] = "gone".into();
    fs::write(&config, value.to_string()).unwrap();
    world().ok("report moved");
    let page = fs::read_to_string(world().path("moved/report.html")).unwrap();
    assert!(page.contains("no longer where it was") && page.contains("gone"));
    assert!(page.contains("There are no predictions: ") && page.contains("kernel 40, tower 2"));

    copy("begun", &["run.json"]);
    world().ok("report begun");
    let page = fs::read_to_string(world().path("begun/report.html")).unwrap();
    for words in ["is not complete", "No epoch has ended yet", "There is no picture of the kernels"]
    {
        assert!(page.contains(words), "no `{words}`");
    }
}
