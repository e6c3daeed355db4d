//! Products of matrices by cuBLASLt, with a bias and a ReLU behind them where asked.
//!
//! cuBLASLt sees columns where memory has rows, so each product here is the transposed one: of a row-major result
//! (n, m) it makes the column-major (m, n).

use std::ffi::c_void;
use std::sync::Arc;

use candle_core::cuda::WrapErr;
use candle_core::cuda::cudarc::cublas::sys::cublasOperation_t;
use candle_core::cuda::cudarc::cublaslt::result::{self, CublasError};
use candle_core::cuda::cudarc::cublaslt::sys;
use candle_core::{Result, bail};

use super::context::{self, CudaContext};
use super::launch::{Span, Storage};
use crate::cuda::gpu::Gpu;
use crate::device::precision::Precision;

/// What is behind a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Tail {
    Nothing,
    /// A bias for each column of the row-major result, f32.
    Bias,
    /// The same and a ReLU.
    BiasRelu,
}

/// One product, column-major: the result (m, n) of `a` (m, k) and `b` (k, n).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Product {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    /// Whether `a` lies as (k, m), and `b` as (n, k).
    pub(crate) transposed: [bool; 2],
    pub(crate) storage: Storage,
    pub(crate) tail: Tail,
}

/// What an algorithm is chosen for: a product, and the alignment of `a`, `b`, the result and the bias.
pub(crate) type ProductKey = (Product, [u32; 4]);

/// Bytes by which `address` is aligned, at most as many as cuBLASLt asks about.
fn alignment(address: u64) -> u32 {
    const MOST: u32 = 256;
    1 << address.trailing_zeros().min(MOST.trailing_zeros())
}

/// How a product is made.
pub(crate) struct ProductPlan {
    product: sys::cublasLtMatmulDesc_t,
    matrices: [sys::cublasLtMatrixLayout_t; 3],
    algorithm: sys::cublasLtMatmulAlgo_t,
    workspace: usize,
}

// SAFETY: descriptors are plain memory of the library's, not tied to a thread; the bias pointer, the one thing that
// changes, is set under the context's lock.
unsafe impl Send for ProductPlan {}
// SAFETY: as above.
unsafe impl Sync for ProductPlan {}

impl Drop for ProductPlan {
    fn drop(&mut self) {
        // SAFETY: made by `Planner`, and nobody else has them.
        unsafe {
            let _ = result::destroy_matmul_desc(self.product);
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

/// What algorithms may use: what cuBLAS itself takes on Hopper.
const WORKSPACE: usize = 32 << 20;

/// Algorithms that are measured, and how often each.
const CANDIDATES: usize = 8;
const REPEATS: usize = 3;

/// Puts `product` of `[a, b]` into the stream, with its result to `c`.
pub(crate) fn multiply(
    gpu: &Gpu,
    product: &Product,
    [a, b, c]: [Span; 3],
    bias: Option<Span>,
) -> Result<()> {
    if (product.tail != Tail::Nothing) != bias.is_some() {
        bail!("a product with {:?} and a bias {bias:?}", product.tail)
    }
    let addresses = [a.address, b.address, c.address, bias.map_or(0, |bias| bias.address)];
    let key = (*product, addresses.map(alignment));
    context::with(gpu, |context| {
        let plan = match context.plans::<ProductKey, ProductPlan>().get(&key) {
            Some(plan) => plan.clone(),
            None => {
                let plan = Arc::new(choose(gpu, context, &key, [a, b, c], bias)?);
                context.plans().insert(key, plan.clone());
                plan
            }
        };
        let workspace = context.workspace(gpu, plan.workspace)?;
        // SAFETY: the spans are of the sizes of the product, in memory that the caller holds.
        unsafe { plan.run(gpu, context.blas, [a, b, c], bias, workspace) }
    })
}

impl ProductPlan {
    /// Says where the bias is.
    fn point_at(&self, bias: Option<Span>) -> Result<()> {
        let attribute = sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_BIAS_POINTER;
        match bias {
            // SAFETY: the attribute is a device pointer of 8 bytes.
            Some(bias) => unsafe { set(self.product, attribute, &bias.address) },
            None => Ok(()),
        }
    }

    /// # Safety
    ///
    /// The spans are live memory of the product's sizes, and the workspace has what the algorithm asked for.
    unsafe fn run(
        &self,
        gpu: &Gpu,
        handle: sys::cublasLtHandle_t,
        [a, b, c]: [Span; 3],
        bias: Option<Span>,
        workspace: Span,
    ) -> Result<()> {
        let (one, zero) = (1f32, 0f32);
        let [of_a, of_b, of_c] = self.matrices;
        self.point_at(bias)?;
        // SAFETY: by this function's own condition; c is both what is added, times 0, and the result.
        said("multiplying", unsafe {
            result::matmul(
                handle,
                self.product,
                (&raw const one).cast(),
                (&raw const zero).cast(),
                a.address as *const c_void,
                of_a,
                b.address as *const c_void,
                of_b,
                c.address as *const c_void,
                of_c,
                c.address as *mut c_void,
                of_c,
                &raw const self.algorithm,
                workspace.address as *mut c_void,
                self.workspace,
                gpu.stream.cu_stream().cast(),
            )
        })
    }
}

/// # Safety
///
/// `value` has the type of the attribute.
unsafe fn set<T>(
    product: sys::cublasLtMatmulDesc_t,
    attribute: sys::cublasLtMatmulDescAttributes_t,
    value: &T,
) -> Result<()> {
    let value = (&raw const *value).cast();
    // SAFETY: by this function's own condition.
    said("describing a product", unsafe {
        result::set_matmul_desc_attribute(product, attribute, value, size_of::<T>())
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

/// A product described, without an algorithm yet.
fn describe(product: &Product, precision: Precision) -> Result<ProductPlan> {
    use sys::cublasLtMatmulDescAttributes_t as Attribute;
    let what = "describing a product";
    let compute = match (product.storage, precision) {
        (Storage::F32, Precision::F32) => sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
        (Storage::F32, _) => sys::cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_TF32,
        (Storage::Bf16, _) => sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
    };
    let data = match product.storage {
        Storage::F32 => sys::cudaDataType_t::CUDA_R_32F,
        Storage::Bf16 => sys::cudaDataType_t::CUDA_R_16BF,
    };
    let Product { m, n, k, transposed, tail, .. } = *product;
    let matrix = |rows: usize, columns: usize, turned: bool| {
        let (rows, columns) = if turned { (columns, rows) } else { (rows, columns) };
        said(what, result::create_matrix_layout(data, rows as u64, columns as u64, rows as i64))
    };
    // From here on `plan` owns what there is.
    let mut plan = ProductPlan {
        product: said(what, result::create_matmul_desc(compute, sys::cudaDataType_t::CUDA_R_32F))?,
        matrices: [std::ptr::null_mut(); 3],
        // SAFETY: eight words of any value; `choose` fills them in before they are used.
        algorithm: unsafe { std::mem::zeroed() },
        workspace: 0,
    };
    plan.matrices =
        [matrix(m, k, transposed[0])?, matrix(k, n, transposed[1])?, matrix(m, n, false)?];
    let operation = |turned| {
        if turned { cublasOperation_t::CUBLAS_OP_T } else { cublasOperation_t::CUBLAS_OP_N }
    };
    let epilogue = match tail {
        Tail::Nothing => sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_DEFAULT,
        Tail::Bias => sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_BIAS,
        Tail::BiasRelu => sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_RELU_BIAS,
    };
    // SAFETY: the attributes are an operation each, and an epilogue.
    unsafe {
        let [a, b] = transposed.map(operation);
        set(plan.product, Attribute::CUBLASLT_MATMUL_DESC_TRANSA, &a)?;
        set(plan.product, Attribute::CUBLASLT_MATMUL_DESC_TRANSB, &b)?;
        set(plan.product, Attribute::CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue)?;
    }
    Ok(plan)
}

fn choose(
    gpu: &Gpu,
    context: &mut CudaContext,
    (product, alignments): &ProductKey,
    spans: [Span; 3],
    bias: Option<Span>,
) -> Result<ProductPlan> {
    let mut plan = describe(product, context.options.precision)?;
    plan.point_at(bias)?; // before the list is asked for: cuBLASLt looks at it
    let found = candidates(context.blas, &plan, alignments)?;
    let Some(first) = found.first() else { bail!("cuBLASLt has no algorithm for {product:?}") };
    (plan.algorithm, plan.workspace) = (first.algo, first.workspaceSize);
    if context.options.deterministic {
        return Ok(plan); // the list knows no clock
    }
    let workspace = context.workspace(gpu, WORKSPACE)?;
    let mut fastest = (f32::INFINITY, plan.algorithm, plan.workspace);
    let timing = Some(candle_core::cuda::cudarc::driver::sys::CUevent_flags::CU_EVENT_DEFAULT);
    for candidate in &found {
        (plan.algorithm, plan.workspace) = (candidate.algo, candidate.workspaceSize);
        // SAFETY: as in `multiply`. The first run is not timed: it loads the kernel.
        if unsafe { plan.run(gpu, context.blas, spans, bias, workspace) }.is_err() {
            continue; // an algorithm that is listed and does not run is not taken
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

/// Algorithms in the order in which cuBLASLt expects them to be fast, for memory aligned as `alignments` say.
fn candidates(
    handle: sys::cublasLtHandle_t,
    plan: &ProductPlan,
    &[of_a, of_b, of_c, _]: &[u32; 4],
) -> Result<Vec<sys::cublasLtMatmulHeuristicResult_t>> {
    use sys::cublasLtMatmulPreferenceAttributes_t as Preference;
    let what = "listing the algorithms of a product";
    let preference = said(what, result::create_matmul_pref())?;
    let mut results = [std::mem::MaybeUninit::uninit(); CANDIDATES];
    let mut count = 0;
    let [a, b, c] = plan.matrices;
    // Unless it is told, cuBLASLt takes every matrix for one that is aligned to 256 bytes.
    let aligned = [
        (Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, of_a),
        (Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, of_b),
        (Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, of_c),
        (Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, of_c),
    ];
    // SAFETY: all descriptors are live, the attributes are a number of bytes each, of the types the library's
    // documentation gives them, and `CANDIDATES` results fit.
    let listed = unsafe {
        let most = Preference::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
        let limited = prefer(preference, most, &WORKSPACE);
        let told = aligned.iter().try_for_each(|(which, bytes)| prefer(preference, *which, bytes));
        limited.and(told).and_then(|()| {
            let first = results.as_mut_ptr().cast();
            let n = CANDIDATES as i32;
            sys::cublasLtMatmulAlgoGetHeuristic(
                handle,
                plan.product,
                a,
                b,
                c,
                c,
                preference,
                n,
                first,
                &mut count,
            )
            .result()
        })
    };
    // SAFETY: made above.
    let _ = unsafe { result::destroy_matmul_pref(preference) };
    said(what, listed)?;
    let count = usize::try_from(count).unwrap_or(0).min(CANDIDATES);
    let results = results[..count].iter().map(
        |result: &std::mem::MaybeUninit<sys::cublasLtMatmulHeuristicResult_t>| {
            // SAFETY: cuBLASLt has written the first `count` results.
            unsafe { result.assume_init() }
        },
    );
    let works = |r: &sys::cublasLtMatmulHeuristicResult_t| {
        r.state == sys::cublasStatus_t::CUBLAS_STATUS_SUCCESS
    };
    Ok(results.filter(works).collect())
}
