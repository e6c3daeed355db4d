//! The part of a preparation that this process makes: a named part, or that of its rank.

use alexnet_data::Part;
use anyhow::{Context, Result, bail};

/// Where launchers put a process's rank, counted from 0, and the number of processes. MPI comes
/// first: inside a Slurm job its ranks are the finer ones.
const RANKS: [(&str, &str); 6] = [
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("PMIX_RANK", "PMIX_SIZE"),
    ("PMIX_RANK", "SLURM_STEP_NUM_TASKS"),
    ("PMIX_RANK", "SLURM_NTASKS"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
];

/// The part that `--part` names; `get` reads a variable of the environment.
pub(super) fn part(text: &str, get: &dyn Fn(&str) -> Option<String>) -> Result<Part> {
    if text != "auto" {
        return Ok(text.parse()?);
    }
    let set = RANKS.iter().find_map(|(rank, size)| Some(((rank, get(rank)?), (size, get(size)?))));
    let Some(((rank, r), (size, n))) = set else {
        bail!(
            "--part auto: the environment has none of OMPI_COMM_WORLD_RANK, PMI_RANK, PMIX_RANK or \
             SLURM_PROCID, with its number of processes; start it with srun or mpirun, or say \
             which part, as --part 3/16"
        )
    };
    let part = match (r.parse::<usize>(), n.parse::<usize>()) {
        (Ok(r), Ok(n)) if r < n => Part::new(r + 1, n).ok(),
        _ => None,
    };
    part.with_context(|| {
        format!(
            "--part auto: {rank} = {r} and {size} = {n} are no rank and number of processes; \
             say which part, as --part 3/16"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
