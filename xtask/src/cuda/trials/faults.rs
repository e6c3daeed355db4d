//! What is missing, too old or too small: one clear line each, an exit code, and nothing left behind.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use super::{Settings, Trials};

/// A card of so many bytes: less than the libraries need, and a little more.
const TINY: &str = "900000000";
const SMALL: &str = "1120000000";

pub(super) fn all(trials: &Trials) -> Result<()> {
    let none = trials.path("no-libraries");
    fs::create_dir_all(&none)?;
    let (no_dnn, no_lt) =
        (without(trials, "libcudnn.so.9")?, without(trials, "libcublasLt.so.13")?);
    let path = |folder: &Path| folder.display().to_string();
    let one = "--device=cuda:0";
    let two = "--device=cuda:0,cuda:1";
    let large = "--set=batch=512";
    let refused = |what: &str, job: &[&str], settings: Settings<'_>, says: &[&str]| {
        refused(trials, what, job, settings, says)
    };
    let at = |folder: &Path| [("LD_LIBRARY_PATH", path(folder))];
    for (what, folder, says) in [
        ("no driver", &none, "no NVIDIA driver (libcuda.so.1) or no card"),
        ("no cuDNN", &no_dnn, "cuDNN (libcudnn.so.9) cannot be used"),
        ("no cuBLASLt", &no_lt, "cuBLASLt (libcublasLt.so.13) cannot be used"),
    ] {
        let settings = at(folder);
        let settings: Vec<_> =
            settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        refused(what, &[one], &settings, &["cuda:0: ", says])?;
    }
    let set = |name, value| [(name, value)];
    refused("no card", &[one], &set("ALEXNET_STAND_IN_DEVICES", "0"), &["no NVIDIA driver"])?;
    refused(
        "no such card",
        &["--device=cuda:2"],
        &[],
        &["cuda:2: this machine has 2 CUDA device(s)"],
    )?;
    refused(
        "an old card",
        &[one],
        &set("ALEXNET_STAND_IN_CAPABILITY", "75"),
        &["7.5", "8.0 (Ampere)"],
    )?;
    let others = set("ALEXNET_STAND_IN_CAPABILITY_OF_OTHERS", "80");
    refused("cards of two kinds", &[two], &others, &["cuda:0 and cuda:1 are of different kinds"])?;
    let old = set("ALEXNET_STAND_IN_PTX_TOO_NEW", "1");
    refused("an old driver", &[one], &old, &["cuda:0: the driver does not load the kernels"])?;
    let small = set("ALEXNET_STAND_IN_MEMORY", SMALL);
    let says = ["batch of 512 needs about", "GB are free: a batch of ", " fits (--set batch="];
    let line = refused("too large a batch", &[one, large], &small, &says)?;
    let tiny = set("ALEXNET_STAND_IN_MEMORY", TINY);
    refused("too small a card", &[one], &tiny, &["not one image fits"])?;
    // What it advises works.
    let advised = line.split("--set ").nth(1).and_then(|rest| rest.split([';', ')']).next());
    let Some(advised) = advised else { anyhow::bail!("no advice in {line}") };
    trials.train("advised", "short", &[one, "--set", advised], &small)?;
    println!("too large a batch, then {advised}: trains");
    Ok(())
}

/// A folder with all libraries but one.
fn without(trials: &Trials, absent: &str) -> Result<PathBuf> {
    let folder = trials.path(&format!("without-{absent}"));
    fs::create_dir_all(&folder)?;
    for library in fs::read_dir(&trials.libraries)? {
        let library = library?;
        if library.file_name() != absent {
            std::os::unix::fs::symlink(library.path(), folder.join(library.file_name()))?;
        }
    }
    Ok(folder)
}

/// Trains, which must be refused in one line with all of `says`, which is given back.
fn refused(
    trials: &Trials,
    what: &str,
    job: &[&str],
    settings: Settings<'_>,
    says: &[&str],
) -> Result<String> {
    let train =
        ["train", "--preset", "demo", "--epochs", "1", "--data", "short", "--run", "refused"];
    let output = trials.start(&[&train[..], job].concat(), settings)?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    ensure!(!output.status.success(), "{what}: it trains");
    ensure!(output.status.code() == Some(1), "{what}: {:?}, {said}", output.status);
    ensure!(said.lines().count() == 1 && said.starts_with("error: "), "{what}: it says {said}");
    ensure!(says.iter().all(|part| said.contains(part)), "{what}: it says {said}");
    ensure!(!trials.path("refused").exists(), "{what}: a run's folder was left behind");
    println!("{what}: {said}");
    Ok(said)
}
