//! Functions compiled for each width of vectors.

/// Defines a function that is compiled once for each width of vectors, and takes the widest that the processor has.
///
/// Vectors are used across elements, never to reorder a sum beyond what the source says, and a product is fused with a sum
/// only where the source says so: the result is the same with any instructions. Functions that are called have to be
/// `#[inline(always)]` to gain.
#[macro_export]
macro_rules! vectorised {
    (
        $(#[$meta:meta])*
        $vis:vis fn $name:ident $(<$($generic:ident : $bound:path),+>)? ($($argument:ident : $type:ty),* $(,)?)
        $(-> $result:ty)? $body:block
    ) => {
        $(#[$meta])*
        $vis fn $name $(<$($generic: $bound),+>)? ($($argument: $type),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code, reason = "instructions are used only where they were found")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2")]
                fn wide $(<$($generic: $bound),+>)? ($($argument: $type),*) $(-> $result)? $body
                #[target_feature(enable = "avx2,fma")]
                fn narrow $(<$($generic: $bound),+>)? ($($argument: $type),*) $(-> $result)? $body
                match $crate::f32_path() {
                    // SAFETY: the path says that the processor has these instructions.
                    $crate::F32Path::Avx512 => return unsafe { wide($($argument),*) },
                    // SAFETY: as above.
                    $crate::F32Path::Avx2 => return unsafe { narrow($($argument),*) },
                    $crate::F32Path::Portable => (),
                }
            }
            $body
        }
    };
}
