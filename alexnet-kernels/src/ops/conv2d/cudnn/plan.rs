//! How cuDNN can compute a graph: its heuristics list engines, the likely fastest first, and an
//! engine becomes an execution plan.

use candle_core::Result;
use candle_core::cuda::cudarc::cudnn::sys;

use super::descriptor::{Address, Descriptor, Handle, Kind, Name, Note};
use super::graph::{EXTRA, W, X, Y};
use crate::cuda::launch::Span;
use crate::device::precision::{DeviceOptions, Precision};

/// A way to compute a graph.
#[derive(Debug)]
pub(super) struct Plan {
    plan: Descriptor,
    /// Bytes of memory that it needs beside its tensors.
    pub(super) workspace: usize,
}

/// The memory of the tensors of a graph; `extra` where something follows the convolution.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops::conv2d) struct Operands {
    pub(in crate::ops::conv2d) x: Span,
    pub(in crate::ops::conv2d) w: Span,
    pub(in crate::ops::conv2d) y: Span,
    pub(in crate::ops::conv2d) extra: Option<Span>,
}

/// Which engines compute as the device's options say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowed(pub(super) DeviceOptions);

impl Allowed {
    /// Whether an engine with these notes may be taken. Sums are in f32 whatever is stored, and in
    /// f32 nothing is rounded before it is multiplied.
    fn has(&self, notes: &[Note]) -> bool {
        use sys::cudnnBackendNumericalNote_t as Known;
        let noted = |note: Known| notes.contains(&Note(note as u32));
        let f32 = self.0.precision == Precision::F32;
        let rounds = noted(Known::CUDNN_NUMERICAL_NOTE_TENSOR_CORE)
            || noted(Known::CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS);
        let varies = noted(Known::CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC);
        !(f32 && rounds
            || self.0.deterministic && varies
            || noted(Known::CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION))
    }
}

/// The engines for a graph that are allowed, the likely fastest first; none where cuDNN refuses the
/// graph. The list is the same in every run.
pub(super) fn engines(graph: &Descriptor, allowed: &Allowed) -> Vec<Descriptor> {
    use sys::cudnnBackendHeurMode_t as Mode;
    let modes = [Mode::CUDNN_HEUR_MODE_A, Mode::CUDNN_HEUR_MODE_FALLBACK];
    // A mode that knows nothing of this graph refuses.
    let all = modes.into_iter().flat_map(|mode| listed(graph, mode).unwrap_or_default());
    all.filter(|engine| notes(engine).is_ok_and(|notes| allowed.has(&notes))).collect()
}

fn listed(graph: &Descriptor, mode: sys::cudnnBackendHeurMode_t) -> Result<Vec<Descriptor>> {
    Descriptor::new(Kind::CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR)?
        .with_all(Name::CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, &[graph])?
        .with(Name::CUDNN_ATTR_ENGINEHEUR_MODE, &[mode])?
        .finalized()?
        .read_all(Name::CUDNN_ATTR_ENGINEHEUR_RESULTS, Kind::CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)
}

/// The notes of an engine, as the heuristics list it: with its settings.
fn notes(engine: &Descriptor) -> Result<Vec<Note>> {
    let kind = Kind::CUDNN_BACKEND_ENGINE_DESCRIPTOR;
    let engines = engine.read_all(Name::CUDNN_ATTR_ENGINECFG_ENGINE, kind)?;
    let most = sys::cudnnBackendNumericalNote_t::CUDNN_NUMERICAL_NOTE_TYPE_COUNT as usize;
    let notes = engines
        .iter()
        .map(|engine| engine.read::<Note>(Name::CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, most));
    Ok(notes.collect::<Result<Vec<_>>>()?.concat())
}

impl Plan {
    /// The plan of an engine, which may refuse, since it knows the GPU only now.
    pub(super) fn new(handle: sys::cudnnHandle_t, engine: &Descriptor) -> Result<Self> {
        let plan = Descriptor::new(Kind::CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR)?
            .with(Name::CUDNN_ATTR_EXECUTION_PLAN_HANDLE, &[Handle(handle)])?
            .with_all(Name::CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, &[engine])?
            .finalized()?;
        let bytes: Vec<i64> = plan.read(Name::CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, 1)?;
        let workspace = bytes.first().map_or(Ok(0), |bytes| usize::try_from(*bytes))?;
        Ok(Self { plan, workspace })
    }

    /// Queues it.
    ///
    /// # Safety
    ///
    /// The operands are live memory of the sizes of the graph, and the workspace is as large as the
    /// plan asks for.
    pub(super) unsafe fn run(
        &self,
        handle: sys::cudnnHandle_t,
        operands: &Operands,
        workspace: Span,
    ) -> Result<()> {
        let Operands { x, w, y, extra } = *operands;
        let mut numbers = vec![X, W, Y];
        let mut addresses = vec![Address(x.address), Address(w.address), Address(y.address)];
        if let Some(extra) = extra {
            numbers.push(EXTRA);
            addresses.push(Address(extra.address));
        }
        let pack = Descriptor::new(Kind::CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR)?
            .with(Name::CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, &numbers)?
            .with(Name::CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, &addresses)?
            .with(Name::CUDNN_ATTR_VARIANT_PACK_WORKSPACE, &[Address(workspace.address)])?
            .finalized()?;
        // SAFETY: by this function's own condition.
        unsafe { self.plan.execute(handle, &pack) }
    }
}
