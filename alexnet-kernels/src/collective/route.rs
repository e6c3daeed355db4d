//! The ways from one device to another.

use std::fmt;

/// How tensors get from one device to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Route {
    /// They are there already: both names are the processor's, or one opened device's.
    Same,
    /// One card under two names: a copy within its memory.
    Gpu,
    /// From the memory of one card into that of the other, without the processor.
    Peer,
    /// Through the processor's memory: these cards cannot reach each other's.
    Host,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Same => "memory they share",
            Self::Gpu => "copies within one card",
            Self::Peer => "direct copies between the cards",
            Self::Host => "the processor's memory, as these cards cannot reach each other's",
        })
    }
}
