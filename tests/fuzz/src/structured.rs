//! How structured input is read from bytes. The derive macro of `arbitrary` would do as well; asking for it changes a feature on
//! which wasmtime's compiler depends, and all of it would be compiled again.

/// Implements `Arbitrary` for types by the names of their fields and variants.
macro_rules! structured {
    () => {};
    (struct $name:ident { $($field:ident),* $(,)? } $($rest:tt)*) => {
        impl<'a> arbitrary::Arbitrary<'a> for $name {
            fn arbitrary(bytes: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
                Ok(Self { $($field: bytes.arbitrary()?),* })
            }
        }
        structured! { $($rest)* }
    };
    (enum $name:ident { $($variant:ident $(($($field:ident),*))?),* $(,)? } $($rest:tt)*) => {
        impl<'a> arbitrary::Arbitrary<'a> for $name {
            fn arbitrary(bytes: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
                type Make<'a> = fn(&mut arbitrary::Unstructured<'a>) -> arbitrary::Result<$name>;
                let variants: &[Make<'a>] = &[$(|_bytes| {
                    $($(let $field = _bytes.arbitrary()?;)*)?
                    Ok(Self::$variant $(($($field),*))?)
                }),*];
                bytes.choose(variants)?(bytes)
            }
        }
        structured! { $($rest)* }
    };
}
