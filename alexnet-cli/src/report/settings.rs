//! Recipes as tables: each number with its dotted name, as `--set` takes it.

use alexnet_train::Recipe;
use serde_json::Value;

/// The numbers of a recipe by their dotted names, sorted by these.
pub(crate) fn settings(recipe: &Recipe) -> Vec<(String, String)> {
    let mut rows = dotted("", &serde_json::to_value(recipe).unwrap_or_default());
    rows.retain(|(name, _)| name != "about");
    rows
}

/// All that a JSON value holds by dotted names, which begin with `name`.
pub(crate) fn dotted(name: &str, value: &Value) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    add(name, value, &mut rows);
    rows
}

fn add(name: &str, value: &Value, rows: &mut Vec<(String, String)>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let dot = if name.is_empty() { "" } else { "." };
                add(&format!("{name}{dot}{key}"), value, rows);
            }
        }
        Value::Null => {}
        Value::String(text) => rows.push((name.to_owned(), text.clone())),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (n, item) in items.iter().enumerate() {
                add(&format!("{name}[{n}]"), item, rows);
            }
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(number).collect();
            rows.push((name.to_owned(), format!("[{}]", items.join(", "))));
        }
        other => rows.push((name.to_owned(), number(other))),
    }
}

/// A number as it was written: one of 32 bits has more digits in JSON than it holds.
fn number(value: &Value) -> String {
    match value.as_f64() {
        Some(x) if value.is_f64() => {
            let short = x as f32;
            if f64::from(short) == x { short.to_string() } else { x.to_string() }
        }
        _ => value.to_string(),
    }
}
