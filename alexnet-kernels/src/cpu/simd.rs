//! Plain loops that the compiler vectorises for several instruction sets; the best is chosen at run
//! time.

/// Runs `kernel` with the best instruction set of this machine (AVX-512, AVX2, NEON, or the
/// target's baseline).
///
/// Only code that is inlined here is compiled for that instruction set. The compiler does not
/// inline by itself, because `kernel` is called once for each set and looks expensive. So the
/// closure given to this function, and all that it calls, needs `#[inline(always)]`; without it a
/// kernel silently runs ten times slower. Rust never fuses a product and a sum into one rounding,
/// so the result has the same bits with every instruction set.
#[inline(always)]
pub(crate) fn vectorized<R>(kernel: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(kernel)
}
