//! Building a blob: sections are filled, then laid out, checked and summed.

use crate::{
    Blob, HEADER_BYTES, MAGIC, Manifest, OpKind, OpRecord, ReadError, TensorRecord, VERSION,
    header::{self, CRC_START, Header, Section},
};
use std::{vec, vec::Vec};

/// A blob that cannot be written.
#[derive(Debug, PartialEq)]
pub enum WriteError {
    /// The manifest does not encode.
    Manifest(postcard::Error),
    /// A section passes 4 GiB.
    TooLarge,
    /// What was written does not pass the reader's check: the caller's records are wrong.
    Rejected(ReadError),
}

impl core::fmt::Display for WriteError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Manifest(error) => write!(f, "the manifest does not encode: {error}"),
            Self::TooLarge => f.write_str("a blob cannot pass 4 GiB"),
            Self::Rejected(error) => write!(f, "the blob would not be readable: {error}"),
        }
    }
}

impl core::error::Error for WriteError {}

/// A blob under construction.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    tensors: Vec<TensorRecord>,
    ops: Vec<OpRecord>,
    data: Vec<u8>,
}

impl Writer {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tensor and returns its index.
    pub fn tensor(&mut self, record: TensorRecord) -> u16 {
        self.tensors.push(record);
        (self.tensors.len() - 1) as u16
    }

    /// Adds an operation.
    pub fn op(&mut self, record: OpRecord) {
        self.ops.push(record);
    }

    /// Adds numbers to the data section, on a 16-byte boundary, and returns their offset in it.
    pub fn data<T: bytemuck::Pod>(&mut self, values: &[T]) -> u32 {
        pad(&mut self.data);
        let offset = self.data.len() as u32;
        self.data.extend_from_slice(bytemuck::cast_slice(values));
        offset
    }

    /// Lays the blob out and checks it as a reader would. `arena_bytes` is what activations need, `scratch_bytes` how
    /// far scratch reaches behind them.
    pub fn finish(
        mut self,
        manifest: &Manifest<'_>,
        arena_bytes: u32,
        scratch_bytes: u32,
    ) -> Result<AlignedBytes, WriteError> {
        let mut buffer = vec![0; 4096];
        let manifest = postcard::to_slice(manifest, &mut buffer).map_err(WriteError::Manifest)?;
        let mut bytes = vec![0; HEADER_BYTES];
        let mut section = |content: &[u8]| {
            pad(&mut bytes);
            let offset = bytes.len() as u32;
            bytes.extend_from_slice(content);
            Section { offset, len: content.len() as u32 }
        };
        pad(&mut self.data);
        let mut header = Header {
            magic: MAGIC,
            version: VERSION,
            header_bytes: HEADER_BYTES as u16,
            total_bytes: 0,
            crc: 0,
            op_set: self.ops.iter().filter_map(|op| OpKind::from_u8(op.kind)).fold(0, |set, kind| set | kind.bit()),
            arena_bytes,
            scratch_bytes,
            reserved: 0,
            manifest: section(manifest),
            tensors: section(bytemuck::cast_slice(&self.tensors)),
            ops: section(bytemuck::cast_slice(&self.ops)),
            data: section(&self.data),
        };
        pad(&mut bytes);
        header.total_bytes = u32::try_from(bytes.len()).map_err(|_| WriteError::TooLarge)?;
        bytes[..HEADER_BYTES].copy_from_slice(bytemuck::bytes_of(&header));
        header.crc = header::checksum(&bytes[CRC_START..]);
        bytes[..HEADER_BYTES].copy_from_slice(bytemuck::bytes_of(&header));
        let bytes = AlignedBytes::new(&bytes);
        Blob::read(&bytes).map_err(WriteError::Rejected)?;
        Ok(bytes)
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(16), 0);
}

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(16))]
struct Line([u8; 16]);

/// Bytes on the heap that start on a 16-byte boundary, as [`Blob::read`] wants them.
#[derive(Clone)]
pub struct AlignedBytes {
    lines: Vec<Line>,
    len: usize,
}

impl AlignedBytes {
    /// An aligned copy.
    pub fn new(bytes: &[u8]) -> Self {
        let mut lines = vec![Line([0; 16]); bytes.len().div_ceil(16)];
        bytemuck::cast_slice_mut(&mut lines)[..bytes.len()].copy_from_slice(bytes);
        Self { lines, len: bytes.len() }
    }
}

impl core::ops::Deref for AlignedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl core::ops::DerefMut for AlignedBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

impl core::fmt::Debug for AlignedBytes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "AlignedBytes({} bytes)", self.len)
    }
}
