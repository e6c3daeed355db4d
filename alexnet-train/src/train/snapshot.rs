//! The parameters of a network and their velocities at one moment, while training goes on.

use std::collections::HashMap;

use alexnet_model::{Network, NetworkSpec, Parameter};
use candle_core::{CpuStorage, Error, InplaceOp2, Layout, Result, Tensor};
use rayon::prelude::*;

use crate::train::parameter_state::row;

/// Values that a thread copies at once.
const CHUNK: usize = 1 << 16;

/// The parameters and velocities of a network at one moment, in the host's memory.
#[derive(Debug)]
pub struct Snapshot {
    pub(crate) network: Network, // which parameters there are; its own values go on changing
    pub(crate) states: Vec<Tensor>, // (2, n) f32
}

impl Snapshot {
    /// The network's description.
    pub fn spec(&self) -> &NetworkSpec {
        self.network.spec()
    }

    /// The parameters and their velocities by parameter name, f32, in PyTorch's layout.
    ///
    /// # Errors
    ///
    /// Another network than the optimizer's.
    pub fn values(&self) -> Result<[HashMap<String, Tensor>; 2]> {
        let rows = |number| {
            let row = |(state, p): (&Tensor, &Parameter)| row(state, number, p.tensor.dims());
            let rows = self.states.iter().zip(self.network.parameters()).map(row);
            self.network.named(&rows.collect::<Result<Vec<_>>>()?)
        };
        Ok([rows(0)?, rows(1)?])
    }
}

/// Overwrites a tensor of the host's memory with another of its shape. New memory would take
/// longer: the system clears each page of it at the first touch.
pub(crate) struct Overwrite;

impl InplaceOp2 for Overwrite {
    fn name(&self) -> &'static str {
        "overwrite"
    }

    fn cpu_fwd(
        &self,
        to: &mut CpuStorage,
        to_layout: &Layout,
        from: &CpuStorage,
        from_layout: &Layout,
    ) -> Result<()> {
        let offsets = (to_layout.contiguous_offsets(), from_layout.contiguous_offsets());
        match (to, from, offsets) {
            (CpuStorage::F32(to), CpuStorage::F32(from), (Some((a, b)), Some((c, d))))
                if b - a == d - c =>
            {
                let parts = to[a..b].par_chunks_mut(CHUNK).zip(from[c..d].par_chunks(CHUNK));
                parts.for_each(|(to, from)| to.copy_from_slice(from));
                Ok(())
            }
            _ => Err(Error::RequiresContiguous { op: "overwrite" }.bt()),
        }
    }
}
