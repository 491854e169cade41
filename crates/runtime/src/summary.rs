//! What a model is, in one line for a log.

/// Identity and needs of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Summary<'a> {
    /// Its name.
    pub name: &'a str,
    /// Number of operations.
    pub ops: usize,
    /// Size of the blob in flash, in bytes.
    pub blob_bytes: usize,
    /// Part of the arena that activations use, in bytes.
    pub tensor_bytes: usize,
    /// Part of the arena that kernels use, in bytes.
    pub scratch_bytes: usize,
    /// The blob's checksum, which identifies it.
    pub crc: u32,
}

impl core::fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { name, ops, blob_bytes, tensor_bytes, scratch_bytes, crc } = self;
        let arena = tensor_bytes + scratch_bytes;
        write!(f, "{name} {crc:08x}: {ops} operations, {blob_bytes} bytes of flash, {arena} bytes of arena")
    }
}
