//! The 1,000 classes of ILSVRC 2012, for weights and predictions that have no dataset beside them.

use std::sync::LazyLock;

use crate::manifest::Class;

/// A class a line: its WordNet id, its number in the development kit, and the words of its synset
/// in WordNet 3.0.
const TABLE: &str = include_str!("imagenet_classes.tsv");

static CLASSES: LazyLock<Vec<Class>> = LazyLock::new(|| {
    let class = |line: &str| {
        let mut fields = line.split('\t').map(str::to_owned);
        let name = fields.next().unwrap_or_default();
        let devkit_id = fields.next().and_then(|id| id.parse().ok());
        Class { name, words: fields.next(), devkit_id }
    };
    TABLE.lines().map(class).collect()
});

/// The 1,000 classes of ILSVRC 2012 in the order of their WordNet ids, in which Caffe's and
/// torchvision's networks number them from 0.
///
/// ```
/// let classes = alexnet_data::imagenet_classes();
/// assert_eq!((classes.len(), &classes[207].name[..]), (1000, "n02099601"));
/// assert_eq!(classes[207].words.as_deref(), Some("golden retriever"));
/// ```
pub fn imagenet_classes() -> &'static [Class] {
    &CLASSES
}

/// The words of a class that has the name of one of the 1,000: its WordNet id.
///
/// ```
/// assert_eq!(alexnet_data::imagenet_words("n01440764"), Some("tench, Tinca tinca"));
/// assert_eq!(alexnet_data::imagenet_words("dotted-disc"), None);
/// ```
pub fn imagenet_words(name: &str) -> Option<&'static str> {
    let found = CLASSES.binary_search_by(|class| class.name[..].cmp(name)).ok()?;
    CLASSES.get(found)?.words.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_classes_in_their_order() {
        assert!(CLASSES.is_sorted_by(|a, b| a.name < b.name));
        assert!(CLASSES.iter().all(|c| c.words.as_ref().is_some_and(|w| !w.trim().is_empty())));
        assert!(CLASSES.iter().all(|c| c.name.len() == 9 && c.name.starts_with('n')));
        let mut ids: Vec<_> = CLASSES.iter().filter_map(|class| class.devkit_id).collect();
        ids.sort_unstable();
        assert_eq!(ids, (1..=1000).collect::<Vec<_>>());
        assert_eq!(CLASSES[0].devkit_id, Some(449));
    }
}
