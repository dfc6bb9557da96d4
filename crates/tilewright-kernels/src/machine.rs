//! What the machine's instructions are known to have, as values that only asking makes.

#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
use pulp::{Arch, WithSimd};

/// Runs plain loops, which name no vector of `pulp`'s, with the widest registers there are: AVX-512's too, which `pulp` leaves out in this workspace.
#[inline]
pub(crate) fn widest<T: WithSimd>(loops: T) -> T::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(found) = Avx512::found() {
        return found.run(loops);
    }
    Arch::new().dispatch(loops)
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use pulp::{Scalar, WithSimd};

    /// A proof that the machine has AVX-512 (F, DQ and VL, with AVX2 and FMA): nothing else makes one.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512(());

    impl Avx512 {
        pub(crate) fn found() -> Option<Self> {
            let all = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma");
            all.then_some(Avx512(()))
        }

        pub(super) fn run<T: WithSimd>(self, loops: T) -> T::Output {
            #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
            fn inside<T: WithSimd>(loops: T) -> T::Output {
                loops.with_simd(Scalar::new())
            }
            // SAFETY: `self` exists, so the machine has these features.
            unsafe { inside(loops) }
        }
    }
}
