//! A model at work: its activations in an arena.

use crate::{Error, Model, Observer};
use core::ops::Range;
use niwaki_blob::{Blob, Op, OpKind, OpRecord};
use niwaki_kernels::{Isa, Operands};

/// A model with memory to run in. Running it again needs no preparation; inputs stay in place only as far as the plan
/// keeps them, so fill them before every run.
#[derive(Debug)]
pub struct Session<'s, const OPS: u32> {
    model: &'s Model<'s, OPS>,
    arena: &'s mut [i8],
    #[cfg(feature = "threads")]
    threads: Option<&'s crate::Threads>,
}

impl<'s, const OPS: u32> Session<'s, OPS> {
    pub(crate) fn new(model: &'s Model<'s, OPS>, arena: &'s mut [i8]) -> Result<Self, Error> {
        // Kernels of some instruction sets read words: the arena starts at the first boundary.
        let skipped = arena.as_ptr().align_offset(16);
        let arena = arena.get_mut(skipped..).unwrap_or_default();
        let needed = model.arena_bytes();
        let available = arena.len();
        let too_small = Error::ArenaTooSmall { needed, available };
        let arena = arena.get_mut(..needed).ok_or(too_small)?;
        Ok(Self {
            model,
            arena,
            #[cfg(feature = "threads")]
            threads: None,
        })
    }

    /// Shares large operations among threads from now on, instead of running all on the caller's. Outputs are the same
    /// bytes.
    #[cfg(feature = "threads")]
    pub fn on_threads(self, threads: &'s crate::Threads) -> Self {
        Self { threads: Some(threads), ..self }
    }

    /// The model.
    pub fn model(&self) -> &'s Model<'s, OPS> {
        self.model
    }

    /// An input, to be filled: int8 in the order height, width, channels. Empty if the network has fewer.
    pub fn input_mut(&mut self, index: usize) -> &mut [i8] {
        let tensor = self.model.blob().inputs().get(index);
        let range = tensor.map(|tensor| self.model.blob().tensor(*tensor).range());
        range.and_then(|range| self.arena.get_mut(range)).unwrap_or_default()
    }

    /// An output, after a run: int8 in the order height, width, channels. Empty if the network has fewer.
    pub fn output(&self, index: usize) -> &[i8] {
        let tensor = self.model.blob().outputs().get(index);
        let range = tensor.map(|tensor| self.model.blob().tensor(*tensor).range());
        range.and_then(|range| self.arena.get(range)).unwrap_or_default()
    }

    /// Fills an input with quantised real numbers, as far as the shorter of the two goes.
    pub fn quantise_input(&mut self, index: usize, reals: &[f32]) {
        if let Some(port) = self.model.input(index) {
            port.quantisation.quantise_into(reals, self.input_mut(index));
        }
    }

    /// Reads an output as real numbers, as far as the shorter of the two goes.
    pub fn dequantise_output(&self, index: usize, reals: &mut [f32]) {
        if let Some(port) = self.model.output(index) {
            port.quantisation.dequantise_into(self.output(index), reals);
        }
    }

    /// Runs the network once.
    ///
    /// # Errors
    /// None with a model that was read; see [`Error::Op`].
    pub fn run(&mut self) -> Result<(), Error> {
        self.run_observed(&mut ())
    }

    /// Runs the network once, with one call to the observer after every operation.
    ///
    /// # Errors
    /// Those of [`Session::run`].
    pub fn run_observed(&mut self, observer: &mut impl Observer) -> Result<(), Error> {
        let blob = self.model.blob();
        for (index, record) in blob.records().iter().enumerate() {
            let done = self.step(blob, record).map(|(kind, output)| observer.layer(index, kind, output));
            done.ok_or(Error::Op { index: index as u16 })?;
        }
        Ok(())
    }

    /// Runs one operation and returns its output.
    #[inline(always)]
    fn step(&mut self, blob: &Blob<'_>, record: &OpRecord) -> Option<(OpKind, &[i8])> {
        let kind = OpKind::from_u8(record.kind)?;
        let op = blob.op(record)?;
        let target = blob.tensor(record.output).range();
        let Parts { output, scratch, rest: [before, between, after] } =
            Parts::of(self.arena, target.clone(), record.scratch_range())?;
        let read = |tensor: u16| -> Option<&[i8]> {
            let range = blob.tensor(tensor).range();
            // In the last part that does not start behind its first byte.
            let within = |start: usize| range.start - start..range.end - start;
            if range.start >= after.0 {
                return after.1.get(within(after.0));
            }
            let (start, bytes) = if range.start >= between.0 { between } else { before };
            bytes.get(within(start))
        };
        let in_place = blob.tensor(record.inputs[0]).range() == target;
        let operands = match (&op, in_place) {
            (Op::Add(_) | Op::Mul(_), true) => Operands::InPlaceWith(read(record.inputs[1])?),
            (Op::Add(_) | Op::Mul(_) | Op::MatMul(_), false) => {
                Operands::Two(read(record.inputs[0])?, read(record.inputs[1])?)
            }
            (Op::Constant(_), _) => Operands::None,
            (_, true) => Operands::InPlace,
            (_, false) => Operands::One(read(record.inputs[0])?),
        };
        #[cfg(feature = "threads")]
        if let Some(threads) = self.threads {
            return threads.run::<OPS>(&op, operands, output, scratch).then_some((kind, output));
        }
        let done = niwaki_kernels::run::<OPS>(Isa::current(), &op, operands, output, scratch);
        done.then_some((kind, output))
    }
}

/// An arena cut along what an operation writes.
struct Parts<'a> {
    output: &'a mut [i8],
    scratch: &'a mut [i8],
    /// What is left, each with its first byte's place in the arena, in order.
    rest: [(usize, &'a [i8]); 3],
}

impl<'a> Parts<'a> {
    /// `None` where the two overlap, or do not lie inside.
    #[inline(always)]
    fn of(arena: &'a mut [i8], output: Range<usize>, scratch: Range<usize>) -> Option<Self> {
        // Without scratch nothing is cut for it, wherever it is said to lie.
        let scratch = if scratch.is_empty() { output.end..output.end } else { scratch };
        let first_is_output = output.start <= scratch.start;
        let [first, second] = if first_is_output { [output, scratch] } else { [scratch, output] };
        let (before, rest) = arena.split_at_mut_checked(first.start)?;
        let (a, rest) = rest.split_at_mut_checked(first.len())?;
        let (between, rest) = rest.split_at_mut_checked(second.start.checked_sub(first.end)?)?;
        let (b, after) = rest.split_at_mut_checked(second.len())?;
        let (output, scratch) = if first_is_output { (a, b) } else { (b, a) };
        Some(Self { output, scratch, rest: [(0, &*before), (first.end, &*between), (second.end, &*after)] })
    }
}
