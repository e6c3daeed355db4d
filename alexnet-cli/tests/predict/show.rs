//! The picture of what was done to images.

use std::fs;

use alexnet_data::{Pixels, decode, write_png};
use roxmltree::Document;

use crate::{IMAGE, world};

/// The texts, and the width and height of each picture.
fn drawn(file: &str) -> (Vec<String>, Vec<[f64; 2]>) {
    let text = fs::read_to_string(world().path(file)).unwrap();
    let document = Document::parse(&text).unwrap();
    let named = |name: &'static str| {
        document.descendants().filter(move |node| node.tag_name().name() == name)
    };
    let texts = named("text").map(|node| node.text().unwrap_or_default().to_owned()).collect();
    let number =
        |node: roxmltree::Node<'_, '_>, name| node.attribute(name).unwrap().parse().unwrap();
    let sizes = named("image").map(|node| ["width", "height"].map(|name| number(node, name)));
    (texts, sizes.collect())
}

#[test]
fn a_row_for_each_image() {
    for (name, height, width) in
        [("square.png", 32, 32), ("narrow.png", 200, 10), ("wide.png", 30, 300)]
    {
        let pixels = Pixels::new(height, width, vec![90; height * width * 3]);
        write_png(&world().path(name), &pixels).unwrap();
    }
    let said = world().ok("predict --checkpoint run --show one.svg square.png");
    assert!(said.ends_with("picture  one.svg\n"), "{said}");
    let (texts, sizes) = drawn("one.svg");
    assert_eq!(sizes, [[224.0, 224.0]; 3]);
    for text in [
        "square.png",
        "32 × 32 pixels",
        "no EXIF orientation to apply",
        "20 × 20 pixels, by area",
        "shorter side resized, centre kept",
        "a crop of 16 × 16 pixels",
    ] {
        assert!(texts.iter().any(|found| found == text), "no `{text}` in {texts:?}");
    }
    assert!(texts.iter().any(|text| text.ends_with("; grey is 0")), "{texts:?}");

    // Narrow and wide files keep their proportion; a bad one has no row; ten views are ten crops.
    let arguments = "predict --checkpoint run --json --views 10 --show ten.svg";
    let files = "narrow.png net.toml wide.png";
    let said = world().fails(&format!("{arguments} {files}"), 1, &["net.toml", "1 of 3"]);
    assert_eq!(said.lines().count(), 2, "only JSON: {said}");
    let (texts, sizes) = drawn("ten.svg");
    assert_eq!(sizes.len(), 2 * 12);
    assert_eq!((sizes[0], sizes[12]), ([11.2, 224.0], [224.0, 22.4]));
    assert!(texts.contains(&"10 crops of 16 × 16 pixels".to_owned()), "{texts:?}");
    world().ok(&format!("predict --checkpoint run --views all --show all.svg {IMAGE}"));
    assert!(drawn("all.svg").0.contains(&"10 of 50 crops of 16 × 16 pixels".to_owned()));
}

#[test]
fn only_the_first_images_are_drawn() {
    world().ok("predict --checkpoint run --show many.svg images");
    let (texts, sizes) = drawn("many.svg");
    assert_eq!(sizes.len(), 20 * 3);
    let title = "Predictions: what was done to 20 of 60 images";
    assert!(fs::read_to_string(world().path("many.svg")).unwrap().contains(title), "{texts:?}");
    world().ok(&format!("predict --checkpoint run --show one.png {IMAGE}"));
    let png = decode(&fs::read(world().path("one.png")).unwrap(), 128).unwrap();
    let ink = png.data.iter().filter(|shade| **shade < 200).count();
    assert!(ink > 1000, "{ink}");
}

#[test]
fn pictures_that_cannot_be_are_refused_first() {
    let show = "predict --checkpoint nowhere a.jpg --show";
    world().fails(&format!("{show} f.jpg"), 1, &["--show f.jpg", ".svg or .png"]);
    world().fails(&format!("{show} f"), 1, &["--show f:", ".svg or .png"]);
    fs::create_dir(world().path("folder.png")).unwrap();
    world().fails(&format!("{show} folder.png"), 1, &["folder.png", "it is a folder"]);
    world().fails(&format!("{show} no/f.png"), 1, &["no/f.png"]);
}
