//! Classes in words, for people.

use alexnet_data::imagenet_words;

/// A class in words: `kit fox` where its name is the WordNet id of one of ImageNet's 1,000, whose
/// words are `kit fox, Vulpes macrotis`; else its name.
pub(crate) fn short(name: &str) -> &str {
    imagenet_words(name).map_or(name, first)
}

/// The first of the words of a class, which are synonyms.
pub(crate) fn first(words: &str) -> &str {
    words.split(',').next().unwrap_or(words).trim()
}
