//! Changes to a network as data: layers to remove, and constants to set.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::NetworkSpec;
use super::error::SpecError;

/// One change to a network: what is done to which layers, or to the network's own fields where no
/// layers are named.
///
/// ```
/// use alexnet_model::{NetworkPatch, NetworkSpec};
///
/// #[derive(serde::Deserialize)]
/// struct Patches { patches: Vec<NetworkPatch> }
///
/// let Patches { patches } = toml::from_str(
///     r#"patches = [{ kinds = ["lrn", "map-norm"], remove = "layer" }]"#
/// )?;
/// let network = NetworkSpec::preset("original")?.patched(&patches)?;
/// assert_eq!(network.layers, NetworkSpec::preset("no-lrn")?.layers);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkPatch {
    /// The kinds of layers that are changed, as the presets write them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// The names of layers that are changed. Each must be in the network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<String>,
    /// Takes the layers out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove: Option<Removal>,
    /// New values by dotted key, as `kernel` or `init.bias`.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub set: Table,
    /// Factors of whole numbers by key, as `filters`; what comes out must be whole.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub multiply: Table,
}

/// How much is removed with a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Removal {
    /// The layer alone.
    Layer,
    /// The layer, and the activation and the dropout that come directly after it.
    LayerAndActivation,
}

impl NetworkSpec {
    /// The same network with `patches` made to it, one after another.
    ///
    /// # Errors
    ///
    /// [`SpecError::Patch`] for a patch that changes nothing, because the network has no such
    /// layers or has these values already, or that cannot be made; [`SpecError::Syntax`] and
    /// [`SpecError::Layer`] for a result that is no network.
    pub fn patched(&self, patches: &[NetworkPatch]) -> Result<Self, SpecError> {
        let mut spec = self.clone();
        for patch in patches {
            let fail = |reason| SpecError::Patch { network: self.name.clone(), reason };
            let changed = patch.apply(&spec).map_err(fail)?;
            let changed: Self =
                Value::Table(changed).try_into().map_err(|e: toml::de::Error| {
                    SpecError::Syntax {
                        origin: self.name.clone(),
                        message: super::explain(&e.to_string()),
                    }
                })?;
            if changed == spec {
                return Err(fail(format!("{patch} changes nothing of it")));
            }
            spec = changed;
        }
        spec.shapes()?;
        Ok(spec)
    }
}

impl NetworkPatch {
    /// The network as a table, with this patch made to it.
    fn apply(&self, spec: &NetworkSpec) -> Result<Table, String> {
        let named = |name: &&String| spec.layers.iter().all(|layer| layer.name != **name);
        if let Some(name) = self.layers.iter().find(named) {
            return Err(format!("it has no layer `{name}`"));
        }
        let mut table = Table::try_from(spec).map_err(|e| e.to_string())?;
        if self.kinds.is_empty() && self.layers.is_empty() {
            self.edit(&mut table)?;
            return Ok(table);
        }
        let layers = table.get_mut("layers").and_then(Value::as_array_mut);
        let mut follows = false; // a layer that was removed with its activation
        let mut kept = Vec::new();
        for (layer, value) in spec.layers.iter().zip(layers.into_iter().flatten()) {
            let mut value = value.clone();
            let word = layer.kind.word();
            let is_activation = layer.kind.activation().is_some() || word == "dropout";
            if self.kinds.iter().any(|kind| kind == word) || self.layers.contains(&layer.name) {
                follows = self.remove == Some(Removal::LayerAndActivation);
                if self.remove.is_some() {
                    continue;
                }
                value.as_table_mut().map_or(Ok(()), |layer| self.edit(layer))?;
            } else if follows && is_activation {
                continue;
            } else {
                follows = false;
            }
            kept.push(value);
        }
        table.insert("layers".to_owned(), Value::Array(kept));
        Ok(table)
    }

    /// Sets and multiplies what there is in the table of a layer or of the network.
    fn edit(&self, table: &mut Table) -> Result<(), String> {
        for (key, value) in &self.set {
            *place(table, key)? = value.clone();
        }
        for (key, factor) in &self.multiply {
            let place = place(table, key)?;
            let factor = factor.as_float().or(factor.as_integer().map(|n| n as f64));
            let (Some(old), Some(factor)) = (place.as_integer(), factor) else {
                return Err(format!("`{key}` or its factor is no number"));
            };
            let new = old as f64 * factor;
            if new.fract() != 0.0 {
                return Err(format!("{factor} times its `{key}` of {old} is not whole"));
            }
            *place = Value::Integer(new as i64);
        }
        Ok(())
    }
}

/// Where the value of a dotted key is.
fn place<'a>(table: &'a mut Table, key: &str) -> Result<&'a mut Value, String> {
    let parts: Vec<&str> = key.split('.').collect();
    let (last, path) = parts.split_last().ok_or("a key is empty")?;
    let mut at = table;
    for part in path {
        let inner = at.get_mut(*part).and_then(Value::as_table_mut);
        at = inner.ok_or_else(|| format!("`{part}` of `{key}` has no parts"))?;
    }
    Ok(at.entry(*last).or_insert(Value::Boolean(false)))
}

impl std::fmt::Display for NetworkPatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let subjects = self.kinds.iter().chain(&self.layers).map(String::as_str);
        let subjects: Vec<&str> = subjects.collect();
        let what = if self.remove.is_some() { "removing" } else { "changing" };
        let keys: Vec<&str> = self.set.keys().chain(self.multiply.keys()).map(|k| &**k).collect();
        let keys = if keys.is_empty() { String::new() } else { format!("{} of ", keys.join(", ")) };
        let of = if subjects.is_empty() { "the network".to_owned() } else { subjects.join(", ") };
        write!(f, "{what} {keys}{of}")
    }
}
