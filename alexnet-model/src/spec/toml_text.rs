//! Networks and recipes as TOML text, with their numbers as people write them.

use serde::Serialize;
use toml_edit::visit_mut::VisitMut;
use toml_edit::{DocumentMut, Formatted};

/// A value as TOML, in which a number of 32 bits has the fewest digits that give it again: `0.9`,
/// and not `0.8999999761581421`.
///
/// ```
/// let text = alexnet_model::to_toml(&std::collections::BTreeMap::from([("keep", 0.9f32)]))?;
/// assert_eq!(text, "keep = 0.9\n");
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
///
/// What TOML cannot hold, in words.
pub fn to_toml(value: &impl Serialize) -> Result<String, String> {
    let text = toml::to_string(value).map_err(|e| e.to_string())?;
    let mut document: DocumentMut = text.parse().map_err(|e| format!("{e}"))?;
    Shortest.visit_document_mut(&mut document);
    Ok(document.to_string())
}

/// Gives each number its fewest digits.
struct Shortest;

impl VisitMut for Shortest {
    fn visit_float_mut(&mut self, node: &mut Formatted<f64>) {
        let value = *node.value();
        let short = (value as f32).to_string().parse().unwrap_or(value);
        if f64::from(value as f32) == value {
            *node = Formatted::new(short);
        }
    }
}
