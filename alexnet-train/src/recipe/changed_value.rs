//! In which numbers two recipes, networks or whole runs differ.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// A number, or another value, in which two things differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedValue {
    /// Its key, as in `weights.rate` or `schedule.changes.1.epoch`.
    pub key: String,
    /// What the first has.
    pub from: String,
    /// What the second has.
    pub to: String,
}

impl fmt::Display for ChangedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, not {}", self.key, self.from, self.to)
    }
}

/// In what two things of a kind differ, in the order of the keys; what one lacks is `none`.
///
/// ```
/// use alexnet_train::{Recipe, changed_values};
///
/// let recipe = Recipe::preset("demo", &[])?;
/// let other = Recipe::preset("demo", &[("weights.rate", "0.005")])?;
/// let found = changed_values(&recipe, &other);
/// assert_eq!(found.len(), 1);
/// assert_eq!(found[0].to_string(), "weights.rate: 0.01, not 0.005");
/// # Ok::<(), alexnet_train::Error>(())
/// ```
pub fn changed_values<T: Serialize>(first: &T, second: &T) -> Vec<ChangedValue> {
    let [first, second] = [first, second].map(|thing| {
        let mut values = BTreeMap::new();
        flatten("", &serde_json::to_value(thing).unwrap_or_default(), &mut values);
        values
    });
    let of = |values: &BTreeMap<String, String>, key: &str| {
        values.get(key).cloned().unwrap_or_else(|| "none".to_owned())
    };
    let mut keys: Vec<&String> = first.keys().chain(second.keys()).collect();
    keys.sort();
    keys.dedup();
    let difference = |key: &String| {
        let (from, to) = (of(&first, key), of(&second, key));
        (from != to).then(|| ChangedValue { key: key.clone(), from, to })
    };
    keys.into_iter().filter_map(difference).collect()
}

/// Puts the values within `value` under their dotted keys.
fn flatten(key: &str, value: &Value, values: &mut BTreeMap<String, String>) {
    let within = |name: &str| match key {
        "" => name.to_owned(),
        key => format!("{key}.{name}"),
    };
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| flatten(&within(name), value, values));
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(index, value)| flatten(&within(&index.to_string()), value, values));
        }
        Value::Null => {}
        Value::Number(number) if number.is_f64() => {
            // An f32 as it was written, not as the f64 next to it.
            let number = number.as_f64().unwrap_or_default() as f32;
            values.insert(key.to_owned(), number.to_string());
        }
        Value::String(text) => _ = values.insert(key.to_owned(), text.clone()),
        other => _ = values.insert(key.to_owned(), other.to_string()),
    }
}
