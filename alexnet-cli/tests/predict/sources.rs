//! Which images are looked at: files, folders, patterns, lists and standard input.

use std::fs;
use std::os::unix::fs::symlink;

use crate::{IMAGE, images, world};

#[test]
fn folders_are_taken_whole_and_in_order() {
    let all = world().predicted("images/val");
    assert_eq!(all.len(), 20);
    assert!(all.is_sorted() && all[0].starts_with("images/val/"), "{all:?}");
    let twice = world().predicted("images/val/n02099601 images/val/n01440764");
    assert_eq!(twice.len(), 4);
    assert!(twice[1] < twice[0] || twice[2] < twice[1], "the order of the arguments: {twice:?}");
    // What is no image is passed over, a link that leads back is not followed, and what only says
    // that it is an image is an error that stops nothing.
    let folder = world().path("mixed");
    fs::create_dir(&folder).unwrap();
    fs::copy(world().path(IMAGE), folder.join("a.jpg")).unwrap();
    fs::copy(world().path(IMAGE), folder.join("photo")).unwrap();
    fs::write(folder.join("notes.txt"), "no image").unwrap();
    symlink(&folder, folder.join("loop")).unwrap();
    assert_eq!(world().predicted("mixed"), ["mixed/a.jpg", "mixed/photo"]);
    fs::write(folder.join("b.jpg"), "no image").unwrap();
    let words = ["mixed/b.jpg: no image that this program knows", "1 of 3 images could not be"];
    let said = world().fails("predict --checkpoint run --json mixed", 1, &words);
    assert_eq!(images(&said), ["mixed/a.jpg", "mixed/photo"]);
    // Named, a file is what it is.
    let words = ["mixed/notes.txt: no image", "1 of 2"];
    let said =
        world().fails(&format!("predict --checkpoint run mixed/notes.txt {IMAGE}"), 1, &words);
    assert!(said.starts_with(IMAGE), "{said}");
}

#[test]
fn patterns_are_expanded_where_no_shell_did() {
    let found = world().predicted("images/val/n0*/*1.jpg");
    assert_eq!(found.len(), 2);
    assert!(found.is_sorted() && found.iter().all(|path| path.ends_with("0001.jpg")), "{found:?}");
    assert_eq!(world().predicted("images/**/n02099601").len(), 6, "folders are taken whole");
    // A file may have such a name.
    fs::copy(world().path(IMAGE), world().path("[a].jpg")).unwrap();
    assert_eq!(world().predicted("[a].jpg"), ["[a].jpg"]);
    let predict = "predict --checkpoint run";
    world().fails(&format!("{predict} images/*.gif"), 1, &["images/*.gif: no file", "1 of 1"]);
    world().fails(&format!("{predict} images/[.jpg"), 1, &["images/[.jpg is no pattern"]);
}

#[test]
fn lists_name_files_and_folders() {
    let list = format!("{IMAGE}\r\n\nimages/val/n01440764\n[b].jpg");
    fs::copy(world().path(IMAGE), world().path("[b].jpg")).unwrap();
    fs::write(world().path("list.txt"), &list).unwrap();
    let want = [IMAGE, "images/val/n01440764/0000.jpg", "images/val/n01440764/0001.jpg", "[b].jpg"];
    assert_eq!(world().predicted("--list list.txt"), want);
    let said = world().ok_given("predict --checkpoint run --json --list -", list.as_bytes());
    assert_eq!(images(&said), want);
    assert_eq!(world().predicted("images/val/n01440764 --list list.txt").len(), 6);

    let predict = "predict --checkpoint run --list";
    world().fails(&format!("{predict} nowhere"), 1, &["nowhere: No such file"]);
    world().fails(&format!("{predict} -"), 1, &["standard input lists no images", "1 of 1"]);
    world().fails(&format!("{predict} /dev/zero"), 1, &["/dev/zero: a line of 65536 bytes"]);
    let said =
        world().fails_given(&format!("{predict} -"), b"none\n[b].jpg", 1, &["none: No such"]);
    assert!(said.starts_with("[b].jpg\n"), "{said}");
}

#[test]
fn standard_input_is_an_image() {
    let bytes = fs::read(world().path(IMAGE)).unwrap();
    let classes = |said: &str| said.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let said = world().ok_given("predict --checkpoint run -", &bytes);
    assert!(said.starts_with("-\n"), "{said}");
    assert_eq!(classes(&said), classes(&world().ok(&format!("predict --checkpoint run {IMAGE}"))));
    let words = ["standard input: it is empty", "1 of 1"];
    world().fails("predict --checkpoint run -", 1, &words);
    let words = ["error: -: no image that this program knows", "1 of 1"];
    world().fails_given("predict --checkpoint run -", b"no image", 1, &words);
    for twice in ["- -", "- --list -"] {
        world().fails(&format!("predict --checkpoint run {twice}"), 2, &["can be read once"]);
    }
}

#[test]
fn no_images_is_said() {
    let predict = "predict --checkpoint run";
    world().fails(predict, 2, &["no images: name files or folders", "--list FILE"]);
    world().fails("logits --checkpoint run --output none.npy", 2, &["no images"]);
    fs::create_dir_all(world().path("empty/inner")).unwrap();
    world().fails(&format!("{predict} empty"), 1, &["empty holds no images", ".jpg", "1 of 1"]);
    let said = world().fails(&format!("{predict} empty {IMAGE}"), 1, &["empty holds", "1 of 2"]);
    assert!(said.starts_with(IMAGE), "{said}");
    world().fails("logits --checkpoint run --output none.npy empty", 1, &["empty holds no images"]);
    assert!(!world().path("none.npy").exists());
}
