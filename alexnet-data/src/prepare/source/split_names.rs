//! The names that people give to splits, the same for folders and for shards.

use crate::progress::Stage;

/// The split that one word means, in any case.
pub(super) fn split_of_word(word: &str) -> Option<Stage> {
    match word.to_ascii_lowercase().as_str() {
        "train" | "training" => Some(Stage::Train),
        "val" | "valid" | "validation" | "eval" | "dev" => Some(Stage::Val),
        "test" | "testing" => Some(Stage::Test),
        _ => None,
    }
}

/// The splits that a name has words for, each once: `cifar10-test-0000.tar` has one, the test
/// split. A word is a run of letters, so `carnival-0001.tar` is no validation.
pub(super) fn splits_in(name: &str) -> Vec<Stage> {
    // A byte that is no UTF-8 has become this sign; it may have been a letter.
    let is_separator = |c: char| !c.is_alphabetic() && c != char::REPLACEMENT_CHARACTER;
    let mut splits = Vec::new();
    for split in name.split(is_separator).filter_map(split_of_word) {
        if !splits.contains(&split) {
            splits.push(split);
        }
    }
    splits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_splits() {
        let one = [
            ("train", Stage::Train),
            ("TRAINING", Stage::Train),
            ("imagenet-train-000000-of-000146.tar", Stage::Train),
            ("val2017", Stage::Val),
            ("my.Valid.set", Stage::Val),
            ("x_validation_1.tar", Stage::Val),
            ("eval 3", Stage::Val),
            ("dev", Stage::Val),
            ("cifar10-test-000000.tar", Stage::Test),
            ("Testing", Stage::Test),
        ];
        one.iter().for_each(|(name, split)| assert_eq!(splits_in(name), [*split], "{name}"));
        let none = ["carnival-0001.tar", "trainer", "latest", "device", "trainval", "n\u{fffd}val"];
        none.iter().for_each(|name| assert!(splits_in(name).is_empty(), "{name}"));
        assert_eq!(splits_in("test-train-1-test"), [Stage::Test, Stage::Train]);
    }
}
