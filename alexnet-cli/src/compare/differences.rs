//! The lines in which what runs were asked to do differs.

use std::hash::{DefaultHasher, Hash, Hasher};

use alexnet_train::RunConfig;
use serde::Serialize;
use serde_json::Value;

use crate::report::settings::{dotted, settings};

/// The most characters of a value that is shown as it is; a mean image has a million.
const LONGEST: usize = 200;
/// What stands for a value that a run does not have.
const NONE: &str = "–";

/// A line that differs, with its value in each run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Difference {
    /// `weights.rate` of the recipe, `network.conv1.kernel`, `seed`, …
    pub(super) key: String,
    pub(super) values: Vec<Option<String>>,
}

impl Difference {
    pub(super) fn row(&self) -> Vec<String> {
        let values = self.values.iter();
        let values = values.map(|value| value.clone().unwrap_or_else(|| NONE.to_owned()));
        [self.key.clone()].into_iter().chain(values).collect()
    }
}

/// The lines that differ, in the order in which the runs name them.
pub(super) fn differences(runs: &[RunConfig]) -> Vec<Difference> {
    let lines: Vec<Vec<(String, String)>> = runs.iter().map(lines).collect();
    let mut keys: Vec<&String> = Vec::new();
    for (key, _) in lines.iter().flatten() {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let value = |lines: &Vec<(String, String)>, key: &String| {
        lines.iter().find(|(other, _)| other == key).map(|(_, value)| value.clone())
    };
    let all = keys.into_iter().map(|key| Difference {
        key: key.clone(),
        values: lines.iter().map(|lines| value(lines, key)).collect(),
    });
    let differs = |d: &Difference| d.values.iter().any(|value| *value != d.values[0]);
    all.filter(differs).map(Difference::shortened).collect()
}

impl Difference {
    /// Values that are too long to be shown become their hash.
    fn shortened(mut self) -> Self {
        for value in self.values.iter_mut().flatten().filter(|value| value.len() > LONGEST) {
            let mut hasher = DefaultHasher::new();
            value.hash(&mut hasher);
            *value = format!("{} characters, hash {:016x}", value.len(), hasher.finish());
        }
        self
    }
}

/// All that a run was asked to do, line by line.
fn lines(run: &RunConfig) -> Vec<(String, String)> {
    let line = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let mut lines = vec![
        line("data", &run.data.display().to_string()),
        line("data_checksum", &run.data_checksum),
        line("seed", &run.seed.to_string()),
    ];
    let value = |value: Result<Value, serde_json::Error>| value.unwrap_or_default();
    lines.extend(dotted("statistics", &value(serde_json::to_value(&run.statistics))));
    lines.extend(dotted("init", &value(serde_json::to_value(&run.pretrained))));
    for (key, setting) in settings(&run.recipe) {
        let key = match key.as_str() {
            "name" => "recipe".to_owned(),
            "network" => "recipe.network".to_owned(),
            _ => key,
        };
        lines.push((key, setting));
    }
    let network = &run.network;
    let layers: Vec<&str> = network.layers.iter().map(|layer| layer.name.as_str()).collect();
    lines.push(line("network", &network.name));
    lines.push(line("network.input", &format!("{:?}", network.input)));
    lines.push(line("network.towers", &network.towers.to_string()));
    lines.push(line("network.layers", &layers.join(" ")));
    for layer in &network.layers {
        // By its name: one more layer does not make all that come after it different.
        let numbers =
            dotted(&format!("network.{}", layer.name), &value(serde_json::to_value(layer.kind)));
        lines.extend(numbers);
    }
    lines
}

#[cfg(test)]
mod tests {
    use alexnet_model::NetworkSpec;
    use alexnet_train::Recipe;

    use super::*;

    fn config(network: &str, changes: &[(&str, &str)]) -> RunConfig {
        RunConfig {
            data: "data".into(),
            data_checksum: "crc32:1".to_owned(),
            seed: 1,
            recipe: Recipe::preset("demo", changes).unwrap(),
            statistics: None,
            pretrained: None,
            network: NetworkSpec::preset(network).unwrap(),
        }
    }

    #[test]
    fn only_what_differs_is_listed() {
        let one = config("demo", &[]);
        assert_eq!(differences(&[one.clone(), one.clone()]), []);
        let other = RunConfig { seed: 2, ..config("demo", &[("weights.rate", "0.005")]) };
        let rows: Vec<_> = differences(&[one, other]).iter().map(Difference::row).collect();
        assert_eq!(rows, [["seed", "1", "2"], ["weights.rate", "0.01", "0.005"]]);
    }

    /// A layer that one network lacks differs, and those after it do not.
    #[test]
    fn layers_are_compared_by_name() {
        let (one, mut other) = (config("demo", &[]), config("demo", &[]));
        other.network.layers.retain(|layer| layer.name != "norm2");
        let found = differences(&[one, other]);
        assert_eq!(found[0].key, "network.layers");
        assert!(found.len() > 2, "{found:?}");
        for difference in &found[1..] {
            assert!(difference.key.starts_with("network.norm2."), "{difference:?}");
            assert_eq!(difference.values[1], None);
        }
    }
}
