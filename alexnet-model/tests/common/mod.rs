//! The network of the tests: small, with every kind of layer, and constants strong enough that a
//! wrong term shows.

use alexnet_model::NetworkSpec;

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
        format!(
            r#"name = "toy"
            input = {image:?}
            towers = {t}
            layers = [
              {{ name = "conv1", kind = "conv", filters = {a}, kernel = 3, stride = 2, {uneven}, {wide} }},
              {{ name = "lrn1", kind = "lrn", n = 3, alpha = 2.0, beta = 0.75, k = 1.0, towers = {t} }},
              {{ name = "pool1", kind = "max-pool", kernel = 3, stride = 2, ceil = true }},
              {{ name = "relu1", kind = "relu" }},
              {{ name = "conv2", kind = "conv", filters = {b}, kernel = 3, {same}, groups = {groups}, {wide} }},
              {{ name = "relu2", kind = "relu" }},
              {{ name = "norm2", kind = "map-norm", n = 3, alpha = 2.0, beta = 0.75, k = 1.0 }},
              {{ name = "drop2", kind = "dropout", keep = 0.7, scale = "at-training" }},
              {{ name = "conv3", kind = "conv", filters = {c}, kernel = 3, {same}, {narrow} }},
              {{ name = "relu3", kind = "relu" }},
              {{ name = "conv4", kind = "conv", filters = {d}, kernel = 3, {same}, {narrow} }},
              {{ name = "pool4", kind = "max-pool", kernel = 2, stride = 2, ceil = true }},
              {{ name = "relu4", kind = "relu" }},
              {{ name = "fc5", kind = "linear", outputs = {e}, {narrow} }},
              {{ name = "relu5", kind = "relu" }},
              {{ name = "drop5", kind = "dropout", keep = 0.5, scale = "at-test" }},
              {{ name = "fc6", kind = "linear", outputs = {f}, {narrow} }},
              {{ name = "drop6", kind = "dropout", keep = 0.6, scale = "at-test" }},
              {{ name = "relu6", kind = "relu" }},
              {{ name = "fc7", kind = "linear", outputs = {g}, init = "fan-in" }},
            ]"#
        )
    }

    pub(crate) fn spec(&self) -> NetworkSpec {
        NetworkSpec::from_toml("toy", &self.toml()).unwrap()
    }
}
