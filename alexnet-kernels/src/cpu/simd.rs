//! Plain loops that the compiler vectorises for several instruction sets; the best is chosen at run
//! time.

/// Runs loops with the best instruction set of this machine (AVX-512, AVX2, NEON, or the target's
/// baseline).
///
/// Only code that is inlined here is compiled for that instruction set. The compiler does not
/// inline by itself, because the code is called once for each set and looks expensive. So all
/// functions and closures that the loops call need `#[inline(always)]`; without it they silently
/// run ten times slower. Rust never fuses a product and a sum into one rounding, so the result has
/// the same bits with every instruction set.
macro_rules! vectorized {
    ($loops:expr) => {
        $crate::cpu::simd::dispatch(
            #[inline(always)]
            || $loops,
        )
    };
}
pub(crate) use vectorized;

/// For [`vectorized`]: a closure that its caller gives to `pulp` directly is not inlined, as
/// measured; one that comes through here is.
#[inline(always)]
pub(crate) fn dispatch<R>(kernel: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(kernel)
}
