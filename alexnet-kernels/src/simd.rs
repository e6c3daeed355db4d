//! Plain loops compiled for the widest vectors the processor has, chosen when the program runs.

/// Runs `kernel` with the best instruction set of this machine (AVX-512, AVX2, NEON, or the
/// target's baseline).
///
/// The compiler vectorises what it can inline into `kernel`, so inner functions are
/// `#[inline(always)]`. Rust never contracts a product and a sum into one rounding, so the
/// result has the same bits whatever is chosen.
#[inline(always)]
pub(crate) fn vectorized<R>(kernel: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(kernel)
}
