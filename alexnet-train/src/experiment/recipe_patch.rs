//! Changes to a recipe as data.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::error::Error;
use crate::recipe::Recipe;

/// Changes to a recipe. In a dotted key `*` stands for every part there is: `layers.*.weights`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipePatch {
    /// New values by dotted key; with `*`, only in the place of values that are there.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub set: Table,
    /// Keys that are taken out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<String>,
    /// A factor of all rates, now and at each change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rates: Option<f64>,
}

/// Where a recipe has its learning rates.
const RATES: [&str; 6] = [
    "weights.rate",
    "biases.rate",
    "layers.*.weights.rate",
    "layers.*.biases.rate",
    "schedule.changes.*.weights",
    "schedule.changes.*.biases",
];

impl RecipePatch {
    /// `recipe` with these changes.
    ///
    /// # Errors
    ///
    /// [`Error::Recipe`] where nothing changes, or the result is no recipe.
    pub(crate) fn apply(&self, recipe: &Recipe) -> Result<Recipe, Error> {
        let fail = |message: String| Error::Recipe { origin: recipe.name.clone(), message };
        let mut table = Table::try_from(recipe).map_err(|e| fail(e.to_string()))?;
        for (key, value) in &self.set {
            visit(&mut table, key, &mut |place, part| _ = place.insert(part, value.clone()));
        }
        for key in &self.unset {
            visit(&mut table, key, &mut |place, part| _ = place.remove(&part));
        }
        for (key, factor) in self.rates.iter().flat_map(|factor| RATES.map(|key| (key, factor))) {
            visit(&mut table, key, &mut |place, part| {
                if let Some(Value::Float(rate)) = place.get_mut(&part) {
                    *rate *= factor;
                }
            });
        }
        let text = toml::to_string(&table).map_err(|e| fail(e.to_string()))?;
        let patched = Recipe::from_toml(&recipe.name, &text, &[])?;
        if *self != Self::default() && patched == *recipe {
            return Err(fail("the change is in it already".to_owned()));
        }
        Ok(patched)
    }
}

/// Calls `edit` with each table that is there for all parts of a dotted key but the last, and with
/// that last part.
fn visit(table: &mut Table, key: &str, edit: &mut dyn FnMut(&mut Table, String)) {
    let Some((part, rest)) = key.split_once('.') else { return edit(table, key.to_owned()) };
    for (_, value) in table.iter_mut().filter(|(name, _)| part == "*" || *name == part) {
        match (value, rest.strip_prefix("*.")) {
            (Value::Table(table), _) => visit(table, rest, edit),
            // `*` stands for the entries of a list too, as the changes of a schedule.
            (Value::Array(entries), Some(rest)) => {
                let tables = entries.iter_mut().filter_map(Value::as_table_mut);
                tables.for_each(|table| visit(table, rest, edit));
            }
            _ => {}
        }
    }
}
