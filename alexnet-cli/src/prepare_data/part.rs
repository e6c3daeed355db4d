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
