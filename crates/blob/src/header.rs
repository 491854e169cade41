//! The fixed header: 64 bytes that say what follows.

use bytemuck::{Pod, Zeroable};

/// First four bytes of every blob.
pub const MAGIC: [u8; 4] = *b"NWK1";

/// Format version that this crate reads and writes.
pub const VERSION: u16 = 4;

/// Size of the header, and alignment-preserving offset of the first section.
pub const HEADER_BYTES: usize = 64;

/// Where a section lies in the blob.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Section {
    pub(crate) offset: u32,
    pub(crate) len: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) magic: [u8; 4],
    pub(crate) version: u16,
    pub(crate) header_bytes: u16,
    pub(crate) total_bytes: u32,
    pub(crate) crc: u32,
    pub(crate) op_set: u32,
    pub(crate) arena_bytes: u32,
    pub(crate) scratch_bytes: u32,
    pub(crate) reserved: u32,
    pub(crate) manifest: Section,
    pub(crate) tensors: Section,
    pub(crate) ops: Section,
    pub(crate) data: Section,
}

/// First byte that the checksum covers.
pub(crate) const CRC_START: usize = 16;

/// CRC-32/ISO-HDLC, table-free: a blob is checked once, and a table would cost a kilobyte of flash.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    const CRC: crc::Crc<u32, crc::NoTable> = crc::Crc::<u32, crc::NoTable>::new(&crc::CRC_32_ISO_HDLC);
    CRC.checksum(bytes)
}

/// Arena that a blob needs, tensors and scratch, in bytes: for sizing a static at compile time. 0 if the bytes are too
/// short to be a blob; [`crate::Blob::read`] says what is wrong with them.
pub const fn arena_bytes(blob: &[u8]) -> usize {
    (word(blob, 20) as usize).saturating_add(word(blob, 24) as usize)
}

/// Which operations a blob uses, one bit per [`crate::OpKind`]: for linking only their kernels. 0 if the bytes are too
/// short to be a blob.
pub const fn op_set(blob: &[u8]) -> u32 {
    word(blob, 16)
}

const fn word(blob: &[u8], at: usize) -> u32 {
    if blob.len() < HEADER_BYTES {
        return 0;
    }
    u32::from_le_bytes([blob[at], blob[at + 1], blob[at + 2], blob[at + 3]])
}
