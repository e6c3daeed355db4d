//! What each figure shows.

use std::collections::BTreeMap;

use roxmltree::{Document, Node};

use crate::world;

/// The elements of a name.
fn all<'a>(document: &'a Document<'_>, name: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
    document
        .descendants()
        .filter(move |node| node.has_tag_name(("http://www.w3.org/2000/svg", name)))
}

fn texts(document: &Document<'_>) -> Vec<String> {
    all(document, "text").map(|node| node.text().unwrap_or_default().to_owned()).collect()
}

fn number(node: Node<'_, '_>, attribute: &str) -> f64 {
    node.attribute(attribute).unwrap().parse().unwrap()
}

/// Everything lies within the picture, and every picture inside of it is one.
#[track_caller]
fn check(document: &Document<'_>) {
    let root = document.root_element();
    let size: Vec<f64> =
        root.attribute("viewBox").unwrap().split(' ').map(|n| n.parse().unwrap()).collect();
    let inside = |x: f64, y: f64| {
        assert!(x >= -0.01 && y >= -0.01 && x <= size[2] + 0.01 && y <= size[3] + 0.01, "{x} {y}");
    };
    for name in ["rect", "image"] {
        for node in all(document, name).filter(|node| node.has_attribute("x")) {
            let [x, y] = ["x", "y"].map(|a| number(node, a));
            inside(x, y);
            inside(x + number(node, "width"), y + number(node, "height"));
        }
    }
    for node in all(document, "text") {
        inside(number(node, "x"), number(node, "y"));
    }
    for node in all(document, "image") {
        let address = node.attribute("href").unwrap();
        assert!(
            address.starts_with("data:image/png;base64,iVBORw0KGgo")
                || address.starts_with("data:image/jpeg;base64,/9j/"),
            "{address}"
        );
        assert!(!node.first_element_child().unwrap().text().unwrap().is_empty());
    }
}

#[test]
fn kernels_are_pictures_tower_by_tower() {
    let text = world().svg("kernels --checkpoint run");
    assert_eq!(text, world().svg("kernels --checkpoint run/final.safetensors"));
    let document = Document::parse(&text).unwrap();
    check(&document);
    // 40 kernels in two towers of 20: two rows of 10 each.
    let mut rows: BTreeMap<i64, usize> = BTreeMap::new();
    for image in all(&document, "image") {
        *rows.entry(number(image, "y") as i64).or_default() += 1;
    }
    assert_eq!(rows.values().copied().collect::<Vec<_>>(), [10; 4]);
    let y: Vec<i64> = rows.into_keys().collect();
    assert!(y[2] - y[1] > y[1] - y[0] && y[3] - y[2] == y[1] - y[0], "{y:?}");
    let titles: Vec<&str> =
        all(&document, "image").map(|i| i.first_element_child().unwrap().text().unwrap()).collect();
    assert_eq!((titles[0], titles[39]), ("kernel 1, tower 1", "kernel 40, tower 2"));
}

#[test]
fn curves_have_their_names_and_points() {
    let alone = world().svg("curves run");
    let document = Document::parse(&alone).unwrap();
    check(&document);
    let texts_alone = texts(&document);
    for label in ["training", "validation", "validation, top-5", "epoch", "0", "100"] {
        assert!(texts_alone.iter().any(|text| text == label), "no `{label}` in {texts_alone:?}");
    }
    let points = |node: Node<'_, '_>| node.attribute("points").unwrap().split(' ').count();
    let curves = all(&document, "polyline").filter(|node| points(*node) == 3).count();
    assert!(curves >= 4, "{curves} curves of 3 epochs: errors and losses");

    let two = world().svg("curves run other");
    let document = Document::parse(&two).unwrap();
    check(&document);
    let texts = texts(&document);
    for label in ["run, training", "run, validation", "other, training", "other, validation"] {
        assert!(texts.iter().any(|text| text == label), "no `{label}` in {texts:?}");
    }
    let dashed = |node: &Node<'_, '_>| node.has_attribute("stroke-dasharray");
    assert!(all(&document, "polyline").filter(dashed).count() >= 2, "training is dashed");
}

#[test]
fn predictions_have_five_bars_each() {
    let seed = |seed| {
        world().svg(&format!("predictions --checkpoint run --data data --count 6 --seed {seed}"))
    };
    let text = seed(1);
    assert!(text == seed(1) && text != seed(2));
    let document = Document::parse(&text).unwrap();
    check(&document);
    assert_eq!(all(&document, "image").count(), 6);
    assert_eq!(texts(&document).len(), 6 * (1 + 2 * 5), "{:?}", texts(&document));
    let right = all(&document, "rect").filter(|node| node.attribute("fill") == Some("#1a8a5c"));
    let guesses = all(&document, "rect").filter(|node| node.attribute("fill") == Some("#7092be"));
    let (right, guesses) = (right.count(), guesses.count());
    assert!(right <= 6 && right + guesses == 30, "{right} right of {guesses}");

    let image = "images/val/dotted-disc/0000.jpg";
    let text = world().svg(&format!("predictions --checkpoint run {image} {image}"));
    let document = Document::parse(&text).unwrap();
    assert_eq!(all(&document, "image").count(), 2);
    assert!(texts(&document).contains(&"0000.jpg".to_owned()));
    assert!(!text.contains("#1a8a5c"), "no one says what is right");
}

#[test]
fn neighbours_are_a_row_for_each_query() {
    let text = world().svg("neighbours --checkpoint run --data data --queries 3 --columns 4");
    let document = Document::parse(&text).unwrap();
    check(&document);
    assert_eq!(all(&document, "image").count(), 3 * (1 + 4));
    let titles: Vec<&str> =
        all(&document, "image").map(|i| i.first_element_child().unwrap().text().unwrap()).collect();
    for row in titles.chunks(5) {
        assert!(row[0].ends_with(": validation image"), "{row:?}");
        let distances: Vec<f64> = row[1..]
            .iter()
            .map(|title| title.rsplit_once("at distance ").unwrap().1.parse().unwrap())
            .collect();
        assert!(distances.is_sorted(), "{distances:?}");
    }
    let other = "neighbours --checkpoint run --data data --queries 3 --columns 4 --layer conv1";
    assert_ne!(text, world().svg(other));
    world().fails(
        "figure neighbours --checkpoint run --data data --layer relu9 --output f.svg",
        &["relu9", "relu2"],
    );
}

#[test]
fn activations_have_a_row_for_each_layer_of_maps() {
    let image = "images/val/dotted-disc/0000.jpg";
    let text = world().svg(&format!("activations --checkpoint run {image} --channels 7"));
    let document = Document::parse(&text).unwrap();
    check(&document);
    assert_eq!(all(&document, "image").count(), 1 + 3 * 7);
    let texts = texts(&document);
    let labels = ["0000.jpg", "conv1", "40 × 6 × 6", "lrn1", "40 × 6 × 6", "pool1", "40 × 2 × 2"];
    assert_eq!(texts, labels);
}
