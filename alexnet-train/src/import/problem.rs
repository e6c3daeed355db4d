//! Why a file of weights of others cannot be taken, before it is said which file that is.

use std::fmt::Display;
use std::io;
use std::path::Path;

use crate::error::Error;

/// The result of reading a foreign file.
pub(crate) type Result<T, E = Problem> = std::result::Result<T, E>;

/// Characters of a name that come into a message: a hostile file may have any.
const SHOWN: usize = 80;

/// What is wrong with a file.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The system does not give its bytes.
    Io(io::Error),
    /// Its bytes are not what they have to be.
    Content(Box<Content>),
}

/// What is wrong with the bytes of a file.
#[derive(Debug)]
pub(crate) struct Content {
    what: String,
    expected: String,
    got: String,
    advice: String,
}

impl Problem {
    /// A file of which `what` is to be said. Unless there is better advice, it is to be fetched
    /// again.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        let advice = "take another copy of the file".to_owned();
        Self::Content(Box::new(Content {
            what: what.into(),
            expected: String::new(),
            got: String::new(),
            advice,
        }))
    }

    /// What an error of an operation or of a network says, without candle's backtrace.
    pub(crate) fn said_by(error: impl Display) -> Self {
        let text = error.to_string();
        Self::new(text.lines().next().unwrap_or_default())
    }

    /// A file that ends before what it announces.
    pub(crate) fn ends_early(needed: u64, length: u64) -> Self {
        Self::new("it is cut short or damaged")
            .expected(format!("at least {needed} bytes"), format!("{length}"))
    }

    /// What was expected, and what is there.
    #[must_use]
    pub(crate) fn expected(self, expected: impl Display, got: impl Display) -> Self {
        self.change(|content| {
            content.expected = expected.to_string();
            content.got = got.to_string();
        })
    }

    /// What to do.
    #[must_use]
    pub(crate) fn advice(self, advice: impl Into<String>) -> Self {
        self.change(|content| content.advice = advice.into())
    }

    /// The same, of the tensor, record or layer of this name.
    #[must_use]
    pub(crate) fn of(self, name: &str) -> Self {
        self.change(|content| content.what = format!("{}: {}", quoted(name), content.what))
    }

    fn change(mut self, change: impl FnOnce(&mut Content)) -> Self {
        if let Self::Content(content) = &mut self {
            change(content);
        }
        self
    }

    /// The error of the file at `path`.
    pub(crate) fn at(self, path: &Path) -> Error {
        match self {
            Self::Io(error) => Error::io(path)(error),
            Self::Content(content) => {
                let Content { what, expected, got, advice } = *content;
                Error::Weights {
                    path: path.to_owned(),
                    what: what.into(),
                    expected: expected.into(),
                    got: got.into(),
                    advice: advice.into(),
                }
            }
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A name of the file in a message: in quotes, on one line, and not long.
pub(crate) fn quoted(name: &str) -> String {
    let shown: String = name.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    let rest = if name.chars().nth(SHOWN).is_some() { "…" } else { "" };
    format!("`{shown}{rest}`")
}
