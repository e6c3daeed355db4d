//! Paths in JSON: text, or what the system has in its place where a path is no Unicode text.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A path in JSON: a string, or `{"Unix": [110, 233]}`, the bytes of a path that is no UTF-8
/// (`{"Windows": […]}`, its 16-bit units, on Windows), so that nothing is lost.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum AnyPath {
    Text(String),
    System(OsString),
}

/// For serde, of a field that is a path.
pub(crate) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    let path = match path.to_str() {
        Some(text) => AnyPath::Text(text.to_owned()),
        None => AnyPath::System(path.as_os_str().to_owned()),
    };
    path.serialize(serializer)
}

/// For serde, of a field that is a path.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    Ok(match AnyPath::deserialize(deserializer)? {
        AnyPath::Text(text) => text.into(),
        AnyPath::System(name) => name.into(),
    })
}
