//! A blob from a file, on the boundary that it needs.

/// Bytes on a 16-byte boundary.
#[doc(hidden)]
#[derive(Debug)]
#[repr(C, align(16))]
pub struct Aligned<T: ?Sized>(pub T);

/// The bytes of a blob file as a `&'static [u8]` on a 16-byte boundary, in flash on a device.
///
/// The path is relative to the file that it is written in, as with `include_bytes!`; `include_blob!(env!("MODEL_NWK"))`
/// takes it from the environment of the build.
#[macro_export]
macro_rules! include_blob {
    ($path:expr $(,)?) => {{
        const ALIGNED: &$crate::Aligned<[u8]> = &$crate::Aligned(*include_bytes!($path));
        &ALIGNED.0
    }};
}
