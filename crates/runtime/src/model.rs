//! A blob that this program can run.

use crate::{Arena, Error, Quantisation, Session, Summary};
use niwaki_blob::{Blob, OpKind, Shape};
use niwaki_kernels::{ALL_OPS, Isa, scratch_bytes};

/// A checked network. It borrows its blob and copies nothing out of it.
///
/// `OPS` is the set of operations whose kernels are linked, one [`OpKind::bit`] each.
#[derive(Clone, Debug)]
pub struct Model<'a, const OPS: u32 = ALL_OPS> {
    blob: Blob<'a>,
}

/// One input or output of a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Port {
    /// Shape in memory order: height, width, channels.
    pub shape: Shape,
    /// What its int8 values stand for.
    pub quantisation: Quantisation,
}

impl<'a> Model<'a> {
    /// Checks a blob, which starts on a 16-byte boundary ([`crate::include_blob!`] sees to it). Links every kernel.
    ///
    /// # Errors
    /// Whatever is wrong with the blob. Bytes from any source may be passed.
    pub fn read(blob: &'a [u8]) -> Result<Self, Error> {
        Self::read_linked(blob)
    }
}

impl<'a, const OPS: u32> Model<'a, OPS> {
    /// [`Model::read`] for a program with the kernels of `OPS` only:
    /// `Model::<{ niwaki::op_set(BLOB) }>::read_linked(BLOB)`.
    ///
    /// # Errors
    /// Those of [`Model::read`], and [`Error::NotLinked`].
    pub fn read_linked(blob: &'a [u8]) -> Result<Self, Error> {
        let blob = Blob::read(blob)?;
        for (index, record) in blob.records().iter().enumerate() {
            let index = index as u16;
            let kind = OpKind::from_u8(record.kind).ok_or(Error::Op { index })?;
            if OPS & kind.bit() == 0 {
                return Err(Error::NotLinked { index, kind });
            }
            let op = blob.op(record).ok_or(Error::Op { index })?;
            let needed = scratch_bytes(Isa::current(), &op);
            let planned = record.scratch_range().len();
            if needed > planned {
                return Err(Error::Scratch { index, needed, planned });
            }
        }
        Ok(Self { blob })
    }

    /// Begins a session in an arena of at least [`crate::arena_bytes`] bytes.
    ///
    /// # Errors
    /// [`Error::ArenaTooSmall`].
    pub fn session<'s, const BYTES: usize>(&'s self, arena: &'s mut Arena<BYTES>) -> Result<Session<'s, OPS>, Error> {
        self.session_in(arena.as_mut_slice())
    }

    /// Begins a session in memory whose size is known at run time. The arena starts at its first 16-byte boundary:
    /// allow 15 bytes more where the memory may lie anywhere.
    ///
    /// # Errors
    /// [`Error::ArenaTooSmall`].
    pub fn session_in<'s>(&'s self, arena: &'s mut [i8]) -> Result<Session<'s, OPS>, Error> {
        Session::new(self, arena)
    }

    /// The blob.
    pub fn blob(&self) -> &Blob<'a> {
        &self.blob
    }

    /// Bytes of arena that a session needs.
    pub fn arena_bytes(&self) -> usize {
        self.blob.tensor_bytes() + self.blob.scratch_bytes()
    }

    /// An input of the network; `None` if it has fewer.
    pub fn input(&self, index: usize) -> Option<Port> {
        self.blob.inputs().get(index).map(|tensor| self.port(*tensor))
    }

    /// An output of the network; `None` if it has fewer.
    pub fn output(&self, index: usize) -> Option<Port> {
        self.blob.outputs().get(index).map(|tensor| self.port(*tensor))
    }

    /// What the model is and what it needs.
    pub fn summary(&self) -> Summary<'a> {
        Summary {
            name: self.blob.manifest().map_or("", |manifest| manifest.name),
            ops: self.blob.records().len(),
            blob_bytes: self.blob.bytes().len(),
            tensor_bytes: self.blob.tensor_bytes(),
            scratch_bytes: self.blob.scratch_bytes(),
            crc: self.blob.crc(),
        }
    }

    fn port(&self, tensor: u16) -> Port {
        let tensor = self.blob.tensor(tensor);
        let quantisation = Quantisation { scale: tensor.scale, zero_point: tensor.zero_point };
        Port { shape: tensor.shape, quantisation }
    }
}
