//! What `--part` and `--budget` are read as.

use anyhow::Result;

use crate::part::part;
use crate::size::parse;

fn auto(variables: &[(&str, &str)]) -> Result<String> {
    let get = |name: &str| {
        variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
    };
    part("auto", &get).map(|part| part.to_string())
}

/// Rank 0 makes part 1; MPI's ranks come before Slurm's, PMIx borrows a number from Slurm.
#[test]
fn ranks() {
    let slurm = [("SLURM_PROCID", "2"), ("SLURM_NTASKS", "16")];
    let ompi = [("OMPI_COMM_WORLD_RANK", "0"), ("OMPI_COMM_WORLD_SIZE", "4")];
    let pmi = [("PMI_RANK", "7"), ("PMI_SIZE", "8")];
    assert_eq!(auto(&slurm).unwrap(), "3/16");
    assert_eq!(auto(&ompi).unwrap(), "1/4");
    assert_eq!(auto(&pmi).unwrap(), "8/8");
    assert_eq!(auto(&[slurm, ompi].concat()).unwrap(), "1/4");
    assert_eq!(auto(&[("PMIX_RANK", "5"), slurm[0], slurm[1]]).unwrap(), "6/16");
    assert_eq!(auto(&[("PMIX_RANK", "5"), pmi[0], pmi[1]]).unwrap(), "8/8");
}

#[test]
fn no_ranks() {
    for variables in [
        &[][..],
        &[("SLURM_PROCID", "0")],
        &[("PMIX_RANK", "0")],
        &[("PMI_RANK", "4"), ("PMI_SIZE", "4")],
        &[("PMI_RANK", "-1"), ("PMI_SIZE", "4")],
        &[("PMI_RANK", "x"), ("PMI_SIZE", "4")],
        &[("PMI_RANK", "0"), ("PMI_SIZE", "0")],
    ] {
        let error = auto(variables).unwrap_err().to_string();
        assert!(error.contains("--part 3/16"), "{variables:?}: {error}");
    }
    assert!(part("17/16", &|_| None).unwrap_err().to_string().contains("17/16"));
    assert!(part("automatic", &|_| None).is_err());
}

#[test]
fn sizes() {
    for (text, bytes) in [
        ("100GB", 100_000_000_000),
        ("100GiB", 107_374_182_400),
        ("500MB", 500_000_000),
        ("500 mb", 500_000_000),
        ("1.5GB", 1_500_000_000),
        ("0.1GB", 100_000_000),
        ("1.5KiB", 1536),
        ("12345", 12_345),
        ("12345B", 12_345),
        ("2TB", 2_000_000_000_000),
        ("0", 0),
    ] {
        assert_eq!(parse(text), Ok(bytes), "{text}");
    }
    for text in
        ["", "GB", "-1GB", "1e3", "100G", "1.2.3GB", "1..2", ".", "99999999999TB", "ten", "1GB2"]
    {
        assert!(parse(text).is_err_and(|e| e.contains("100GB")), "{text}");
    }
}
