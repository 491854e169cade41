//! The one check of a blob: after it, views cannot fail and kernels cannot leave their buffers.

use crate::{
    Blob, HEADER_BYTES, MAGIC, Manifest, OpKind, OpRecord, VERSION,
    fits::fits,
    header::{self, CRC_START, Section},
    read,
};

/// Why bytes are not a blob that can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ReadError {
    /// Fewer bytes than the header says, or than a header needs: the file was cut off.
    Truncated,
    /// The first four bytes are not a blob's.
    NotABlob,
    /// Written for another version of the format.
    Version {
        /// The version in the blob; this reader knows [`VERSION`] only.
        found: u16,
    },
    /// The bytes changed since they were written.
    Checksum,
    /// The bytes do not start on a 16-byte boundary; [`HEADER_BYTES`]-sized sections would not either.
    Misaligned,
    /// A section lies outside the blob, overlaps another, is misaligned or has the wrong size.
    Section,
    /// The manifest does not decode, or names tensors that do not exist.
    Manifest,
    /// A tensor is empty or lies outside the arena.
    Tensor {
        /// Its index.
        index: u16,
    },
    /// An operation of a kind that this reader does not know.
    UnknownOp {
        /// Index of the operation.
        index: u16,
        /// The kind's number.
        kind: u8,
    },
    /// An operation whose tensors, geometry, parameters or place in the order do not fit.
    Op {
        /// Index of the operation.
        index: u16,
    },
}

impl core::fmt::Display for ReadError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Truncated => f.write_str("the blob is cut off"),
            Self::NotABlob => f.write_str("not a .nwk blob"),
            Self::Version { found } => write!(f, "blob of format version {found}; this reader knows version {VERSION}"),
            Self::Checksum => f.write_str("the blob is damaged: its checksum does not match"),
            Self::Misaligned => f.write_str("the blob does not start on a 16-byte boundary"),
            Self::Section => f.write_str("a section of the blob does not lie where it can"),
            Self::Manifest => f.write_str("the blob's manifest is damaged"),
            Self::Tensor { index } => write!(f, "tensor {index} is empty or lies outside the arena"),
            Self::UnknownOp { index, kind } => write!(f, "operation {index} is of the unknown kind {kind}"),
            Self::Op { index } => write!(f, "operation {index} does not fit its tensors or parameters"),
        }
    }
}

impl core::error::Error for ReadError {}

pub(crate) fn section(bytes: &[u8], section: Section) -> Option<&[u8]> {
    bytes.get(section.range()?)
}

pub(crate) fn read(bytes: &[u8]) -> Result<Blob<'_>, ReadError> {
    let header = read::header(bytes).ok_or(ReadError::Truncated)?;
    if header.magic != MAGIC {
        return Err(ReadError::NotABlob);
    }
    if header.version != VERSION {
        return Err(ReadError::Version { found: header.version });
    }
    if usize::from(header.header_bytes) != HEADER_BYTES {
        return Err(ReadError::Section);
    }
    let bytes = bytes.get(..header.total_bytes as usize).filter(|bytes| bytes.len() >= HEADER_BYTES);
    let bytes = bytes.ok_or(ReadError::Truncated)?;
    if header::checksum(bytes.get(CRC_START..).unwrap_or_default()) != header.crc {
        return Err(ReadError::Checksum);
    }
    if !(bytes.as_ptr() as usize).is_multiple_of(16) {
        return Err(ReadError::Misaligned);
    }
    let mut end = HEADER_BYTES;
    for part in [header.manifest, header.tensors, header.ops, header.data] {
        let range = part.range().filter(|range| range.start.is_multiple_of(16) && range.start >= end);
        end = range.ok_or(ReadError::Section)?.end;
    }
    if end > bytes.len() || header.reserved != 0 {
        return Err(ReadError::Section);
    }
    let part = |at| section(bytes, at).ok_or(ReadError::Section);
    let mut blob = Blob {
        bytes,
        header,
        tensors: bytemuck::try_cast_slice(part(header.tensors)?).map_err(|_| ReadError::Section)?,
        ops: bytemuck::try_cast_slice(part(header.ops)?).map_err(|_| ReadError::Section)?,
        data: part(header.data)?,
        inputs: heapless::Vec::new(),
        outputs: heapless::Vec::new(),
    };
    if blob.tensors.len() >= usize::from(u16::MAX) || blob.ops.len() > usize::from(u16::MAX) {
        return Err(ReadError::Section);
    }
    let arena = blob.header.arena_bytes.checked_add(blob.header.scratch_bytes);
    if arena.is_none_or(|bytes| bytes > i32::MAX as u32) {
        return Err(ReadError::Section);
    }
    check_tensors(&blob)?;
    check_manifest(&mut blob)?;
    check_ops(&blob)?;
    Ok(blob)
}

fn check_tensors(blob: &Blob<'_>) -> Result<(), ReadError> {
    for (index, record) in blob.tensors.iter().enumerate() {
        let elements = record.shape.iter().fold(1, |n, dim| n * u64::from(*dim));
        let inside = u64::from(record.offset) + elements <= u64::from(blob.header.arena_bytes);
        if elements == 0 || !inside || record.reserved != 0 || !(record.scale > 0.0 && record.scale.is_finite()) {
            return Err(ReadError::Tensor { index: index as u16 });
        }
    }
    Ok(())
}

fn check_manifest(blob: &mut Blob<'_>) -> Result<(), ReadError> {
    let manifest: Manifest<'_> = blob.manifest().ok_or(ReadError::Manifest)?;
    for (interfaces, list) in [(&manifest.inputs, &mut blob.inputs), (&manifest.outputs, &mut blob.outputs)] {
        for interface in interfaces {
            let tensor = blob.tensors.get(usize::from(interface.tensor)).ok_or(ReadError::Manifest)?;
            let elements = tensor.shape.iter().fold(1, |n, dim| n * u64::from(*dim));
            let declared = interface.shape.iter().try_fold(1u64, |n, dim| n.checked_mul(u64::from(*dim)));
            if declared != Some(elements) {
                return Err(ReadError::Manifest);
            }
            list.push(interface.tensor).map_err(|_| ReadError::Manifest)?;
        }
    }
    match manifest.inputs.is_empty() || manifest.outputs.is_empty() {
        true => Err(ReadError::Manifest),
        false => Ok(()),
    }
}

/// Operations in order: known kinds, existing tensors, inputs that something wrote before, parameters that are there.
fn check_ops(blob: &Blob<'_>) -> Result<(), ReadError> {
    let mut used = 0;
    for (index, record) in blob.ops.iter().enumerate() {
        let at = index as u16;
        let kind = OpKind::from_u8(record.kind).ok_or(ReadError::UnknownOp { index: at, kind: record.kind })?;
        used |= kind.bit();
        let operands = record.inputs.get(..kind.operands()).unwrap_or_default();
        let exists = |tensor: &u16| usize::from(*tensor) < blob.tensors.len();
        let written = |tensor: &u16| written_before(blob, index, *tensor);
        let good = operands.iter().all(|tensor| exists(tensor) && written(tensor))
            && exists(&record.output)
            && record.min <= record.max
            && record.shift < 31
            && record.reserved == 0
            && apart(blob, record, operands, kind)
            && scratch(blob, record, operands)
            && blob.op(record).is_some_and(|op| fits(blob, record, &op));
        if !good {
            return Err(ReadError::Op { index: at });
        }
    }
    let last = blob.ops.len();
    match blob.outputs.iter().all(|tensor| written_before(blob, last, *tensor)) {
        true if used == blob.header.op_set => Ok(()),
        _ => Err(ReadError::Manifest),
    }
}

/// Whether an input or an earlier operation fills the place of this tensor. Another tensor record at the same place
/// counts: a reshape is a second record.
fn written_before(blob: &Blob<'_>, op: usize, tensor: u16) -> bool {
    let range = blob.tensor(tensor).range();
    let earlier = blob.ops.iter().take(op).map(|record| record.output);
    blob.inputs.iter().copied().chain(earlier).any(|other| blob.tensor(other).range() == range)
}

/// Whether the output lies apart from the inputs, or exactly on the first where the operation works in place.
fn apart(blob: &Blob<'_>, record: &OpRecord, operands: &[u16], kind: OpKind) -> bool {
    let output = blob.tensor(record.output).range();
    operands.iter().enumerate().all(|(place, tensor)| {
        let input = blob.tensor(*tensor).range();
        let in_place = place == 0 && matches!(kind, OpKind::Lut | OpKind::Add | OpKind::Mul) && input == output;
        in_place || input.end <= output.start || output.end <= input.start
    })
}

/// Whether the scratch lies inside the arena, apart from the output and all operands.
fn scratch(blob: &Blob<'_>, record: &OpRecord, operands: &[u16]) -> bool {
    let scratch = record.scratch_range();
    let apart = |tensor: &u16| {
        let used = blob.tensor(*tensor).range();
        used.end <= scratch.start || scratch.end <= used.start
    };
    let inside = scratch.end <= blob.tensor_bytes() + blob.scratch_bytes();
    scratch.is_empty() || inside && operands.iter().chain([&record.output]).all(apart)
}
