//! ILSVRC 2010 as downloaded, small: to the error of its test images, class by class.

use std::fs;

use alexnet_data::{DemoOptions, draw_demo};

use crate::archives::{kit, meta_mat, tar_of};
use crate::{World, json};

/// The classes by their numbers in the kit, which are in another order than their names.
const SYNSETS: [(u32, &str, &str); 3] = [
    (1, "n07711080", "french fries, chips"),
    (2, "n01484850", "great white shark, white shark, man-eater"),
    (3, "n02119789", "kit fox, Vulpes macrotis"),
];

#[test]
fn the_test_images_of_2010() {
    let world = World::empty();
    let demo = DemoOptions { image_size: 32, train_per_class: 4, val_per_class: 2, seed: 7 };
    draw_demo(&world.path("drawn"), &demo, &|_| ()).unwrap();
    let classes = ["dotted-disc", "dotted-ring", "dotted-star"];
    let image = |split: &str, class: usize, number: usize| {
        fs::read(world.path(format!("drawn/{split}/{}/{number:04}.jpg", classes[class]))).unwrap()
    };
    let tars = SYNSETS.iter().enumerate().map(|(class, (_, id, _))| {
        let files: Vec<_> =
            (0..4).map(|i| (format!("{id}_{i}.JPEG"), image("train", class, i))).collect();
        (format!("{id}.tar"), tar_of(&files))
    });
    let flat = |year: &str, classes: &[usize]| {
        let name = |number: usize| format!("{year}_{:08}.JPEG", number + 1);
        let files = classes.iter().enumerate().map(|(n, class)| (name(n), image("val", *class, 0)));
        tar_of(&files.collect::<Vec<_>>())
    };
    let input = world.path("in");
    fs::create_dir(&input).unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(input.join(name), bytes).unwrap();
    put("ILSVRC2010_images_train.tar", &tar_of(&tars.collect::<Vec<_>>()));
    put("ILSVRC2010_images_val.tar", &flat("ILSVRC2010_val", &[0, 1, 2]));
    put("ILSVRC2010_images_test.tar", &flat("ILSVRC2010_test", &[2, 0, 0, 1]));
    put("ILSVRC2010_test_ground_truth.txt", b"3\n1\n1\n2\n");
    let synsets = SYNSETS.map(|(id, name, words)| (id, name, words, 0));
    let truth = b"1\n2\n3\n".to_vec();
    let kit = kit(&[
        ("devkit-1.0/data/meta.mat".to_owned(), meta_mat("ILSVRC2010_ID", &synsets)),
        ("devkit-1.0/data/ILSVRC2010_validation_ground_truth.txt".to_owned(), truth),
    ]);
    put("ILSVRC2010_devkit-1.0.tar.gz", &kit);

    world.ok("prepare-data --input in --output data --size 20");
    fs::write(world.path("net.toml"), crate::NETWORK).unwrap();
    world.ok(&format!("{} run", crate::TRAIN));
    let eval = "eval --data data --checkpoint run --split test --views 10 --top-k 1,2,3";
    let score = json(&world, &format!("{eval} --per-class classes.csv"));
    assert_eq!((&score["images"], &score["split"]), (&4.into(), &"test".into()));
    assert_eq!(score["top_k_error"]["3"], 0.0);
    let said: Vec<_> = score["per_class"]
        .as_array()
        .unwrap()
        .iter()
        .map(|class| (class["class"].as_str().unwrap(), class["images"].as_u64().unwrap()))
        .collect();
    assert_eq!(said, [("n01484850", 1), ("n02119789", 1), ("n07711080", 2)]);
    assert_eq!(score["per_class"][2]["words"], "french fries, chips");
    let table = world.read("classes.csv");
    assert!(table.contains("\n2,n07711080,\"french fries, chips\",2,"), "{table}");
    // A network that has seen little takes most of them for one class, whose words are printed.
    let said = world.ok(&format!("{eval} --confusions 5"));
    assert!(said.lines().skip(3).count() >= 1, "{said}");
    let words = ["french fries", "great white shark", "kit fox"];
    for line in said.lines().skip(3) {
        assert_eq!(words.iter().filter(|word| line.contains(*word)).count(), 2, "{line}");
        assert!(!line.contains("chips"), "{line}");
    }
}
