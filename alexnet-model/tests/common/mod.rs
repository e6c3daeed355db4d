//! The network of the tests: small, with every kind of layer, and constants strong enough that a
//! wrong term shows.
// Each test binary is a crate and uses its part.
#![allow(dead_code)]

use alexnet_model::{Init, LayerKind, NetworkSpec};

/// Sizes of a network that has every kind of layer, in every place where it can stand.
#[derive(Debug, Clone)]
pub(crate) struct Sizes {
    pub(crate) image: [usize; 3],
    pub(crate) filters: [usize; 4],
    /// Groups of the second convolution, times two.
    pub(crate) groups: usize,
    pub(crate) outputs: [usize; 3],
    pub(crate) towers: usize,
}

impl Sizes {
    /// The network that most tests run: convolutions of 8, 6, 8 and 6 filters, 5 classes.
    pub(crate) const TOY: Self = Self {
        image: [3, 13, 11],
        filters: [2, 3, 4, 3],
        groups: 1,
        outputs: [9, 8, 5],
        towers: 2,
    };

    pub(crate) fn toml(&self) -> String {
        let Self { image, filters: [a, b, c, d], groups, outputs: [e, f, g], towers: t } = self;
        let (a, b, c, d, groups) = (a * t, b * t * groups, c * t, d * t, groups * t);
        let a = a * groups;
        let [same, uneven] = ["pad = [1, 1, 1, 1]", "pad = [0, 1, 0, 2]"];
        let [wide, narrow] = [0.4, 0.3].map(|std| format!("init = {{ std = {std}, bias = 0.1 }}"));
        let layers = [
            ("conv1", "conv", format!("filters = {a}, kernel = 3, stride = 2, {uneven}, {wide}")),
            ("lrn1", "lrn", format!("n = 3, alpha = 2.0, beta = 0.75, k = 1.0, towers = {t}")),
            ("pool1", "max-pool", "kernel = 3, stride = 2, ceil = true".into()),
            ("relu1", "relu", String::new()),
            (
                "conv2",
                "conv",
                format!("filters = {b}, kernel = 3, {same}, groups = {groups}, {wide}"),
            ),
            ("relu2", "relu", String::new()),
            ("norm2", "map-norm", "n = 3, alpha = 2.0, beta = 0.75, k = 1.0".into()),
            ("drop2", "dropout", r#"keep = 0.7, scale = "at-training""#.into()),
            ("conv3", "conv", format!("filters = {c}, kernel = 3, {same}, {narrow}")),
            ("relu3", "relu", String::new()),
            ("conv4", "conv", format!("filters = {d}, kernel = 3, {same}, {narrow}")),
            ("pool4", "max-pool", "kernel = 2, stride = 2, ceil = true".into()),
            ("relu4", "relu", String::new()),
            ("fc5", "linear", format!("outputs = {e}, {narrow}")),
            ("relu5", "relu", String::new()),
            ("drop5", "dropout", r#"keep = 0.5, scale = "at-test""#.into()),
            ("fc6", "linear", format!("outputs = {f}, {narrow}")),
            ("drop6", "dropout", r#"keep = 0.6, scale = "at-test""#.into()),
            ("relu6", "relu", String::new()),
            ("fc7", "linear", format!(r#"outputs = {g}, init = "fan-in""#)),
        ];
        let layers = layers.map(|(name, kind, more)| {
            let comma = if more.is_empty() { "" } else { ", " };
            format!(r#"{{ name = "{name}", kind = "{kind}"{comma}{more} }}"#)
        });
        let layers = layers.join(", ");
        format!("name = \"toy\"\ninput = {image:?}\ntowers = {t}\nlayers = [{layers}]")
    }

    /// The network on one device, with a local layer in the place of conv3 and average pooling,
    /// after a ReLU, in that of pool4. Neither is for networks that are split.
    pub(crate) fn spec_with_local(&self) -> NetworkSpec {
        let mut spec = NetworkSpec { towers: 1, ..self.spec() };
        for layer in &mut spec.layers {
            layer.kind = match (layer.name.as_str(), layer.kind) {
                ("conv3", LayerKind::Conv { filters, kernel, .. }) => {
                    let init = Init::Normal { std: 0.3, bias: 0.1 };
                    LayerKind::Local { filters, kernel, stride: 1, pad: 1, init }
                }
                (_, LayerKind::MaxPool { kernel: 2, stride, ceil }) => {
                    LayerKind::AvgPool { kernel: 2, stride, ceil }
                }
                (_, kind) => kind,
            };
        }
        let pool = spec.layers.iter().position(|layer| layer.name == "pool4");
        if let Some(pool) = pool {
            spec.layers.swap(pool, pool + 1);
        }
        spec
    }

    pub(crate) fn spec(&self) -> NetworkSpec {
        NetworkSpec::from_toml("toy", &self.toml()).unwrap()
    }
}
