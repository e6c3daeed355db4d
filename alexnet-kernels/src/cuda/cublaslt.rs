//! Matmuls by cuBLASLt, with a bias and a ReLU as their epilogue where asked.
//!
//! cuBLASLt takes matrices column-major and our tensors are row-major, so each matmul here is the
//! transposed one: a row-major (n, m) in memory is cuBLASLt's column-major (m, n).

use std::mem::MaybeUninit;

use candle_core::cuda::WrapErr;
use candle_core::cuda::cudarc::cublas::sys::cublasOperation_t;
use candle_core::cuda::cudarc::cublaslt::result::{self, CublasError};
use candle_core::cuda::cudarc::cublaslt::sys;
use candle_core::{Result, bail};

use super::context::{self, CudaContext};
use super::gpu::Gpu;
use super::launch::{Span, Storage};
use crate::device::precision::Precision;

/// What cuBLASLt does to a result before it stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Epilogue {
    None,
    /// A bias for each column of the row-major result, f32.
    Bias,
    /// The bias, then a ReLU.
    BiasRelu,
}

/// One matmul, column-major: the result (m, n) of `a` (m, k) and `b` (k, n).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Matmul {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    /// Whether `a` lies in memory as (k, m), and `b` as (n, k).
    pub(crate) transposed: [bool; 2],
    pub(crate) storage: Storage,
    pub(crate) epilogue: Epilogue,
}

/// What an algorithm is chosen for: a matmul, and the alignment in bytes of `a`, `b`, the result
/// and the bias.
pub(crate) type MatmulKey = (Matmul, [u32; 4]);

/// The alignment of `address` in bytes, at most the 256 that cuBLASLt distinguishes.
fn alignment(address: u64) -> u32 {
    const MOST: u32 = 256;
    1 << address.trailing_zeros().min(MOST.trailing_zeros())
}

/// How a matmul runs: its descriptors and the chosen algorithm.
pub(crate) struct MatmulPlan {
    matmul: sys::cublasLtMatmulDesc_t,
    matrices: [sys::cublasLtMatrixLayout_t; 3],
    algorithm: sys::cublasLtMatmulAlgo_t,
    workspace: usize,
}

// SAFETY: descriptors are plain memory of the library, not tied to a thread; the only part that
// changes, the pointer to the bias, is set under the context's lock.
unsafe impl Send for MatmulPlan {}
// SAFETY: as above.
unsafe impl Sync for MatmulPlan {}

impl Drop for MatmulPlan {
    fn drop(&mut self) {
        // SAFETY: `describe` created the descriptors, and nothing else uses them.
        unsafe {
            let _ = result::destroy_matmul_desc(self.matmul);
            for matrix in self.matrices.into_iter().filter(|matrix| !matrix.is_null()) {
                let _ = result::destroy_matrix_layout(matrix);
            }
        }
    }
}

fn said<T>(what: &str, result: std::result::Result<T, CublasError>) -> Result<T> {
    match result {
        Ok(value) => Ok(value),
        Err(error) => bail!("cuBLASLt: {what}: {:?}", error.0),
    }
}

/// The workspace that algorithms may ask for, in bytes: what cuBLAS itself takes on Hopper.
const WORKSPACE: usize = 32 << 20;

/// How many algorithms are measured, and how often each of them.
const CANDIDATES: usize = 8;
const REPEATS: usize = 3;

/// Queues the matmul of `a` and `b` with its result in `c`.
pub(crate) fn matmul(
    gpu: &Gpu,
    matmul: &Matmul,
    [a, b, c]: [Span; 3],
    bias: Option<Span>,
) -> Result<()> {
    if (matmul.epilogue != Epilogue::None) != bias.is_some() {
        bail!("a matmul with epilogue {:?} and bias {bias:?}", matmul.epilogue)
    }
    let addresses = [a.address, b.address, c.address, bias.map_or(0, |bias| bias.address)];
    let key = (*matmul, addresses.map(alignment));
    context::with(gpu, |context| {
        let plan = context.plan(key, |context, key| choose(gpu, context, key, [a, b, c], bias))?;
        let workspace = context.workspace(gpu, plan.workspace)?;
        // SAFETY: the spans have the sizes of the matmul, and the caller keeps their memory alive.
        unsafe { plan.run(gpu, context.blas, [a, b, c], bias, workspace) }
    })
}

impl MatmulPlan {
    /// Sets the pointer to the bias.
    fn set_bias(&self, bias: Option<Span>) -> Result<()> {
        let attribute = sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_BIAS_POINTER;
        match bias {
            // SAFETY: the attribute is a device pointer of 8 bytes.
            Some(bias) => unsafe { set(self.matmul, attribute, &bias.address) },
            None => Ok(()),
        }
    }

    /// # Safety
    ///
    /// The spans are live memory of the matmul's sizes, and the workspace has what the algorithm
    /// asked for.
    unsafe fn run(
        &self,
        gpu: &Gpu,
        handle: sys::cublasLtHandle_t,
        [a, b, c]: [Span; 3],
        bias: Option<Span>,
        workspace: Span,
    ) -> Result<()> {
        self.set_bias(bias)?;
        let (one, zero) = (1f32, 0f32);
        let (one, zero) = ((&raw const one).cast(), (&raw const zero).cast());
        let (what, [of_a, of_b, of_c]) = (self.matmul, self.matrices);
        let (a, b, c) = (a.address as *const _, b.address as *const _, c.address as *mut _);
        let (how, stream) = (&raw const self.algorithm, gpu.stream.cu_stream().cast());
        let (space, bytes) = (workspace.address as *mut _, self.workspace);
        // SAFETY: by this function's own condition; `c` is the result, and also the matrix that is
        // added with factor 0.
        said("a matmul", unsafe {
            result::matmul(
                handle, what, one, zero, a, of_a, b, of_b, c, of_c, c, of_c, how, space, bytes,
                stream,
            )
        })
    }
}

/// # Safety
///
/// `value` has the type of the attribute.
unsafe fn set<T>(
    matmul: sys::cublasLtMatmulDesc_t,
    attribute: sys::cublasLtMatmulDescAttributes_t,
    value: &T,
) -> Result<()> {
    let value = (&raw const *value).cast();
    // SAFETY: by this function's own condition.
    said("describing a matmul", unsafe {
        result::set_matmul_desc_attribute(matmul, attribute, value, size_of::<T>())
    })
}

/// # Safety
///
/// `value` has the type of the attribute.
unsafe fn prefer<T>(
    preference: sys::cublasLtMatmulPreference_t,
    attribute: sys::cublasLtMatmulPreferenceAttributes_t,
    value: &T,
) -> std::result::Result<(), CublasError> {
    let value = (&raw const *value).cast();
    // SAFETY: by this function's own condition.
    unsafe { result::set_matmul_pref_attribute(preference, attribute, value, size_of::<T>()) }
}

/// The descriptors of a matmul; the algorithm is still to be chosen.
fn describe(matmul: &Matmul, precision: Precision) -> Result<MatmulPlan> {
    use sys::cublasLtMatmulDescAttributes_t as Attribute;
    let what = "describing a matmul";
    let compute = match (matmul.storage, precision) {
        (Storage::F32, Precision::F32) => sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
        (Storage::F32, _) => sys::cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_TF32,
        (Storage::Bf16, _) => sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
    };
    let data = match matmul.storage {
        Storage::F32 => sys::cudaDataType_t::CUDA_R_32F,
        Storage::Bf16 => sys::cudaDataType_t::CUDA_R_16BF,
    };
    let Matmul { m, n, k, transposed, epilogue, .. } = *matmul;
    let matrix = |rows: usize, columns: usize, transposed: bool| {
        let (rows, columns) = if transposed { (columns, rows) } else { (rows, columns) };
        said(what, result::create_matrix_layout(data, rows as u64, columns as u64, rows as i64))
    };
    // From here on `plan` owns the descriptors, and destroys them if a later step fails.
    let mut plan = MatmulPlan {
        matmul: said(what, result::create_matmul_desc(compute, sys::cudaDataType_t::CUDA_R_32F))?,
        matrices: [std::ptr::null_mut(); 3],
        // SAFETY: eight integers, for which any bits are values; `choose` writes them before they
        // are used.
        algorithm: unsafe { std::mem::zeroed() },
        workspace: 0,
    };
    plan.matrices =
        [matrix(m, k, transposed[0])?, matrix(k, n, transposed[1])?, matrix(m, n, false)?];
    let operation = |transposed| {
        if transposed { cublasOperation_t::CUBLAS_OP_T } else { cublasOperation_t::CUBLAS_OP_N }
    };
    let library_epilogue = match epilogue {
        Epilogue::None => sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_DEFAULT,
        Epilogue::Bias => sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_BIAS,
        Epilogue::BiasRelu => sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_RELU_BIAS,
    };
    // SAFETY: the first two attributes are operations, the third is an epilogue.
    unsafe {
        let [a, b] = transposed.map(operation);
        set(plan.matmul, Attribute::CUBLASLT_MATMUL_DESC_TRANSA, &a)?;
        set(plan.matmul, Attribute::CUBLASLT_MATMUL_DESC_TRANSB, &b)?;
        set(plan.matmul, Attribute::CUBLASLT_MATMUL_DESC_EPILOGUE, &library_epilogue)?;
    }
    Ok(plan)
}

/// Describes a matmul and chooses its algorithm: the fastest measured one, or, where runs must be
/// deterministic, the first of the heuristic's list, which depends on no clock.
fn choose(
    gpu: &Gpu,
    context: &mut CudaContext,
    (matmul, alignments): &MatmulKey,
    spans: [Span; 3],
    bias: Option<Span>,
) -> Result<MatmulPlan> {
    let mut plan = describe(matmul, context.options.precision)?;
    plan.set_bias(bias)?; // first, because the heuristic looks at it
    let found = candidates(context.blas, &plan, alignments)?;
    let Some(first) = found.first() else { bail!("cuBLASLt has no algorithm for {matmul:?}") };
    (plan.algorithm, plan.workspace) = (first.algo, first.workspaceSize);
    if context.options.deterministic {
        return Ok(plan);
    }
    let workspace = context.workspace(gpu, WORKSPACE)?;
    let mut fastest = (f32::INFINITY, plan.algorithm, plan.workspace);
    let timing = Some(candle_core::cuda::cudarc::driver::sys::CUevent_flags::CU_EVENT_DEFAULT);
    for candidate in &found {
        (plan.algorithm, plan.workspace) = (candidate.algo, candidate.workspaceSize);
        // SAFETY: as in `matmul`. The first run is not timed because it loads the kernel.
        if unsafe { plan.run(gpu, context.blas, spans, bias, workspace) }.is_err() {
            continue; // the heuristic may list an algorithm that then does not run
        }
        let start = gpu.stream.record_event(timing).w()?;
        for _ in 0..REPEATS {
            // SAFETY: as above.
            unsafe { plan.run(gpu, context.blas, spans, bias, workspace)? };
        }
        let end = gpu.stream.record_event(timing).w()?;
        let time = start.elapsed_ms(&end).w()?;
        if time < fastest.0 {
            fastest = (time, plan.algorithm, plan.workspace);
        }
    }
    (_, plan.algorithm, plan.workspace) = fastest;
    Ok(plan)
}

/// The algorithms that cuBLASLt's heuristic lists for operands of these alignments, the fastest by
/// its estimate first.
fn candidates(
    handle: sys::cublasLtHandle_t,
    plan: &MatmulPlan,
    &[of_a, of_b, of_c, _]: &[u32; 4],
) -> Result<Vec<sys::cublasLtMatmulHeuristicResult_t>> {
    use sys::cublasLtMatmulPreferenceAttributes_t as Preference;
    let what = "listing the algorithms of a matmul";
    let preference = said(what, result::create_matmul_pref())?;
    let mut results = [MaybeUninit::<sys::cublasLtMatmulHeuristicResult_t>::uninit(); CANDIDATES];
    let mut count = 0;
    let [a, b, c] = plan.matrices;
    // Without these attributes cuBLASLt assumes that every matrix is aligned to 256 bytes.
    let aligned = [
        (Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, of_a),
        (Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, of_b),
        (Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, of_c),
        (Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, of_c),
    ];
    // SAFETY: all descriptors are live, the attributes have the types that the library documents,
    // and there is room for `CANDIDATES` results.
    let listed = unsafe {
        let most = Preference::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
        let limited = prefer(preference, most, &WORKSPACE);
        let told = aligned.iter().try_for_each(|(which, bytes)| prefer(preference, *which, bytes));
        limited.and(told).and_then(|()| {
            let (matmul, room) = (plan.matmul, CANDIDATES as i32);
            let (first, count) = (results.as_mut_ptr().cast(), &raw mut count);
            sys::cublasLtMatmulAlgoGetHeuristic(
                handle, matmul, a, b, c, c, preference, room, first, count,
            )
            .result()
        })
    };
    // SAFETY: it was created above.
    let _ = unsafe { result::destroy_matmul_pref(preference) };
    said(what, listed)?;
    let count = usize::try_from(count).unwrap_or(0).min(CANDIDATES);
    // SAFETY: cuBLASLt has written the first `count` results.
    let results = results[..count].iter().map(|result| unsafe { result.assume_init() });
    Ok(results.filter(|r| r.state == sys::cublasStatus_t::CUBLAS_STATUS_SUCCESS).collect())
}
