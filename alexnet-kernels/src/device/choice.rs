//! Which way of several a GPU takes, chosen when an operation first runs with its shapes.

/// How a GPU runs one pass of a convolution, and the other ways that it could.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The pass, the convolution and the storage.
    pub operation: String,
    /// The way that was chosen.
    pub chosen: Way,
    /// The fastest of each other way that was tried.
    pub others: Vec<Way>,
}

/// A way of several.
#[derive(Debug, Clone, PartialEq)]
pub struct Way {
    /// Its name.
    pub name: String,
    /// The time of a run; `None` where the way is refused.
    pub milliseconds: Option<f32>,
}
