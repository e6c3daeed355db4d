//! The image files of a folder: which ones, in which order, and what is no error.

use std::fs;
use std::path::{Path, PathBuf};

use alexnet_data::{Decoder, Exif, ImageFiles, Pixels, encode_png, thumbnail};

fn write(root: &Path, name: &str, bytes: &[u8]) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn names(root: &Path) -> Vec<String> {
    let files = ImageFiles::new(root).collect::<Result<Vec<PathBuf>, _>>().unwrap();
    let below = |file: &PathBuf| file.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
    files.iter().map(below).collect()
}

#[test]
fn images_by_ending_or_content_in_the_order_of_names() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let png = encode_png(&Pixels::new(1, 1, vec![1, 2, 3])).unwrap();
    for name in ["b/z.JPG", "b/a/deep.webp", "a.png", "b.png", "10.jpg", "9.jpg", "broken.jpeg"] {
        write(root, name, b"whatever");
    }
    write(root, "photo", &png);
    for name in ["notes.txt", "b/Thumbs.db", "._a.png", ".hidden.jpg", ".cache/c.jpg"] {
        write(root, name, b"whatever");
    }
    write(root, "__MACOSX/a.png", &png);
    let want = ["10.jpg", "9.jpg", "a.png", "b/a/deep.webp", "b/z.JPG", "b.png", "broken.jpeg"];
    assert_eq!(names(root), [&want[..], &["photo"]].concat());
    fs::create_dir(root.join("empty")).unwrap();
    assert_eq!(names(&root.join("empty")), Vec::<String>::new());
}

#[cfg(unix)]
#[test]
fn links_are_followed_but_not_in_circles() {
    use std::os::unix::fs::symlink;

    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, "a/1.jpg", b"");
    write(root, "c/2.jpg", b"");
    symlink(root, root.join("a/loop")).unwrap();
    symlink("self.jpg", root.join("a/self")).unwrap();
    symlink(root.join("c"), root.join("b")).unwrap();
    symlink(root.join("a/1.jpg"), root.join("d.jpg")).unwrap();
    symlink("nowhere", root.join("e")).unwrap();
    assert_eq!(names(root), ["a/1.jpg", "b/2.jpg", "c/2.jpg", "d.jpg"]);

    // What would have been an image is an error, after which the rest comes.
    symlink("nowhere", root.join("b.jpg")).unwrap();
    let found: Vec<_> = ImageFiles::new(root).collect();
    let error = found[2].as_ref().unwrap_err().to_string();
    assert!(error.contains("b.jpg") && found.len() == 5, "{error}");
    assert_eq!(found.iter().filter(|file| file.is_ok()).count(), 4);
    let error = ImageFiles::new(&root.join("none")).next().unwrap().unwrap_err().to_string();
    assert!(error.contains("none"), "{error}");
}

#[test]
fn whole_images_and_their_thumbnails() {
    let data: Vec<u8> = (0..30 * 50).flat_map(|n| [(n % 50 * 5) as u8, 100, 7]).collect();
    let image = Pixels::new(30, 50, data);
    let bytes = encode_png(&image).unwrap();
    let mut decoder = Decoder::new(16, Exif::Ignore);
    assert_eq!(decoder.decode_whole(&bytes).unwrap(), image);
    assert_eq!(decoder.decode(&bytes).unwrap().data.len(), 16 * 16 * 3);
    assert!(decoder.decode_whole(&bytes[..40]).is_err());
    let small = thumbnail(&image, 10).unwrap();
    assert_eq!((small.height, small.width), (6, 10));
    // The red rises from left to right by 25 a pixel, and the others stay.
    for (n, pixel) in small.data.chunks(3).enumerate() {
        let want = (n % 10 * 25 + 10) as i16;
        assert!((i16::from(pixel[0]) - want).abs() <= 4, "{n}: {} {want}", pixel[0]);
        assert_eq!(pixel[1..], [100, 7]);
    }
    let line = Pixels::new(1, 3000, vec![9; 9000]);
    let small = thumbnail(&line, 100).unwrap();
    assert_eq!((small.height, small.width, &small.data[..3]), (1, 100, &[9; 3][..]));
}
