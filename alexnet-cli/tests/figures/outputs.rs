//! Where figures go, and what is refused before anything is computed.

use std::fs;

use alexnet_data::decode;

use crate::{HOSTILE, world};

/// The width and height that a PNG says it has.
fn size(png: &[u8]) -> [u32; 2] {
    [16, 20].map(|at| u32::from_be_bytes(png[at..at + 4].try_into().unwrap()))
}

#[test]
fn every_figure_is_a_png_of_the_width_asked_for() {
    let image = "images/val/dotted-disc/0000.jpg";
    let figures = [
        "kernels --checkpoint run",
        "curves run other",
        "predictions --checkpoint run --data data --count 2",
        "neighbours --checkpoint run --data data --queries 2 --columns 2",
        &format!("activations --checkpoint run {image}"),
    ];
    for (n, figure) in figures.into_iter().enumerate() {
        let (file, again) = (format!("figure-{n}.png"), format!("figure-{n}-again.PNG"));
        world().ok(&format!("figure {figure} --width 400 --output {file}"));
        world().ok(&format!("figure {figure} --width 400 --output {again}"));
        let png = fs::read(world().path(&file)).unwrap();
        assert_eq!(size(&png)[0], 400, "{figure}");
        let pixels = decode(&png, 64).unwrap();
        assert!(pixels.damage.is_none(), "{figure}");
        let ink = pixels.data.iter().filter(|shade| **shade < 200).count();
        assert!(ink > 50, "{figure} is blank");
        assert!(png == fs::read(world().path(&again)).unwrap(), "{figure} differs");
        world().ok(&format!("figure {figure} --output {file}"));
        let wide = size(&fs::read(world().path(&file)).unwrap());
        assert!(wide[0] > 400 && wide[1] > 100, "{figure}: {wide:?}");
    }
}

#[test]
fn what_cannot_be_written_is_refused_first() {
    let figure = "figure kernels --checkpoint nowhere --output";
    world().fails(&format!("{figure} f.jpg"), &["f.jpg", ".svg or .png"]);
    world().fails(&format!("{figure} figure"), &["figure", ".svg or .png"]);
    fs::create_dir_all(world().path("folder.svg")).unwrap();
    world().fails(&format!("{figure} folder.svg"), &["folder.svg", "it is a folder"]);
    world().fails(&format!("{figure} f.svg --width 5"), &["--width", "5"]);
    world().fails(&format!("{figure} f.svg"), &["nowhere"]);
    world().fails("figure kernels --checkpoint images --output f.svg", &["images", "of a run"]);
    world().fails("figure curves images --output f.svg", &["log.jsonl"]);
    world().fails("figure predictions --checkpoint run --output f.svg", &["--data DIR"]);
    world().fails("report images", &["images", "run.json"]);
    world().fails("report run --output page.pdf", &["page.pdf", ".html"]);
    assert!(!world().path("f.svg").exists());
}

#[test]
fn a_network_without_kernels_is_told_so() {
    let network = r#"
        name = "flat"
        input = [3, 16, 16]
        layers = [{ name = "fc1", kind = "linear", outputs = 10, init = {std=0.1, bias=0} }]"#;
    fs::write(world().path("flat.toml"), network).unwrap();
    let train = "train --data data --preset demo --network flat.toml --epochs 1 --run flat";
    world().ok(&format!("{train} --set layers={{}}"));
    world().fails(
        "figure kernels --checkpoint flat --output f.svg",
        &["`flat`", "it has no convolution"],
    );
    let neighbours = "figure neighbours --checkpoint flat --data data --output f.svg";
    world().fails(neighbours, &["no hidden layer"]);
    // Its page has all that it can have.
    let page = fs::read_to_string(world().path("flat/report.html")).unwrap();
    assert!(page.contains("There is no picture of the kernels: network `flat`"), "{page}");
}

/// Names are letters of the figure and not of its language.
#[test]
fn hostile_names_stay_text() {
    let copy = format!("{HOSTILE}.jpg");
    fs::copy(world().path("images/val/dotted-disc/0000.jpg"), world().path(&copy)).unwrap();
    let text = world().svg(&format!("predictions --checkpoint run {copy}"));
    let document = roxmltree::Document::parse(&text).unwrap();
    assert!(document.descendants().any(|node| node.text() == Some(&copy)), "{text}");
}
