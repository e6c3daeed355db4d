//! The program and the machine of a run, for its log.

use serde::{Deserialize, Serialize};

/// The program and the machine that a run was made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The version of this crate.
    pub version: String,
    /// The commit it was built from, where whoever built it said so in `ALEXNET_COMMIT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The system: `linux x86_64`.
    pub system: String,
    /// The name that the maker gave the processor, where the system says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor: Option<String>,
    /// The threads that compute on the CPU.
    pub threads: usize,
    /// The threads that make batches.
    pub loader_threads: usize,
}

impl Environment {
    /// This program on this machine.
    pub(crate) fn here(loader_threads: usize) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("ALEXNET_COMMIT").filter(|c| !c.is_empty()).map(str::to_owned),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            processor: processor(),
            threads: rayon::current_num_threads(),
            loader_threads,
        }
    }
}

/// The processor's name, which Linux says in a file.
fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned()).filter(|name| !name.is_empty())
}
