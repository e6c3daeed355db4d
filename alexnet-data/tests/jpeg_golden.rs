//! Rare and damaged JPEGs have the pixels that libjpeg-turbo makes, to the bit: those of
//! `bench/jpeg_golden.py`.

use alexnet_data::{Checksum, decode};

#[test]
fn pixels_of_libjpeg() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/jpegs");
    let list = std::fs::read_to_string(format!("{folder}/pixels.crc32")).unwrap();
    for line in list.lines() {
        let (checksum, name) = line.split_once(' ').unwrap();
        let got = decode(&std::fs::read(format!("{folder}/{name}")).unwrap(), 64).unwrap();
        assert_eq!(got.damage.is_some(), name.starts_with("damaged"), "{name}: {:?}", got.damage);
        assert_eq!(Checksum::of(&got.data).to_string(), format!("crc32:{checksum}"), "{name}");
    }
    assert_eq!(list.lines().count(), 11);
}
