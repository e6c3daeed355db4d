//! Plain loops compiled for the widest vectors the processor has, chosen when the program runs.

/// Runs `kernel` with the best instruction set of this machine (AVX-512, AVX2, NEON, or the
/// target's baseline).
///
/// Only what is inlined here is compiled for that instruction set, and the compiler does not do
/// that by itself: `kernel` is called from one place for each set, so it looks expensive to
/// inline. Hence `#[inline(always)]` on the closure given to this function and on all that it
/// calls; without it a kernel quietly runs ten times slower. Rust never contracts a product and a sum into one rounding, so the
/// result has the same bits whatever is chosen.
#[inline(always)]
pub(crate) fn vectorized<R>(kernel: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(kernel)
}
