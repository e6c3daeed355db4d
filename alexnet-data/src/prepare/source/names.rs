//! What the names of files say.

use std::path::Path;

/// The extensions of files that are worth opening; their content decides what they are.
pub(super) const IMAGE_EXTENSIONS: [&str; 3] = ["jpg", "jpeg", "png"];

/// Whether a file has the extension of an image.
pub(super) fn is_image(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    IMAGE_EXTENSIONS.iter().any(|e| extension.eq_ignore_ascii_case(e))
}

/// Whether a name is a WordNet id: `n` and eight digits.
pub(super) fn is_wnid(name: &str) -> bool {
    name.len() == 9 && name.starts_with('n') && name[1..].bytes().all(|b| b.is_ascii_digit())
}

/// The WordNet id of which this is the tar, `n01440764.tar`.
pub(super) fn wnid_of_tar(name: &str) -> Option<&str> {
    name.strip_suffix(".tar").filter(|id| is_wnid(id))
}

/// The last component of a path inside an archive.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
