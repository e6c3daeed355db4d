//! The colours of drawings.

/// A colour by what it is for. A page can give each another value, in the dark for example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Text and axes.
    Text,
    /// Text that is less important.
    Faint,
    /// The lines of a grid, and the ground of bars.
    Grid,
    /// What is right: the class of an image.
    Right,
    /// What is guessed.
    Guess,
    /// The curves of the n-th run; after the last colour the first comes again.
    Curve(usize),
}

/// Colours of curves that also the colour-blind tell apart, after Okabe and Ito (2008), the yellow
/// and the sky blue darker, as thin lines on white need.
const CURVES: [[u8; 3]; 7] = [
    [0, 102, 178],
    [213, 94, 0],
    [0, 138, 100],
    [181, 77, 141],
    [166, 124, 0],
    [60, 150, 200],
    [90, 90, 90],
];

impl Ink {
    /// Its colour on white paper: red, green, blue.
    pub(crate) fn rgb(self) -> [u8; 3] {
        match self {
            Self::Text => [31, 35, 40],
            Self::Faint => [89, 99, 110],
            Self::Grid => [225, 228, 232],
            Self::Right => [26, 138, 92],
            Self::Guess => [112, 146, 190],
            Self::Curve(n) => CURVES[n % CURVES.len()],
        }
    }

    /// The name of its variable in the style sheet of a page: `--curve-2`.
    pub(crate) fn variable(self) -> String {
        match self {
            Self::Text => "--text".to_owned(),
            Self::Faint => "--faint".to_owned(),
            Self::Grid => "--grid".to_owned(),
            Self::Right => "--right".to_owned(),
            Self::Guess => "--guess".to_owned(),
            Self::Curve(n) => format!("--curve-{}", n % CURVES.len() + 1),
        }
    }
}
