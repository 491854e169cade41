//! Solving a problem, and holding one instruction set's solution against the scalar one.

use super::Problem;
use crate::{ALL_OPS, Isa, Operands, run, scratch_bytes};
use alloc::{format, string::String, vec, vec::Vec};
use niwaki_blob::OpKind;

/// Bytes before and after what a kernel may write.
const GUARD: usize = 32;

/// What those bytes hold, and what outputs hold before.
const UNTOUCHED: i8 = 0x5a;

impl Problem {
    /// The output as the kernels of an instruction set compute it.
    ///
    /// # Errors
    /// Says so if a kernel writes outside its output or its scratch, or there is none.
    pub fn solve(&self, isa: Isa) -> Result<Vec<i8>, String> {
        self.solve_at(isa, 0)
    }

    /// Whether the kernels of an instruction set agree with the scalar ones bit for bit, whatever the alignment of the
    /// operands. Packed weights have to give what the plain ones do.
    ///
    /// # Errors
    /// Says where they differ.
    pub fn check(&self, isa: Isa) -> Result<(), String> {
        let expected = self.plain.as_deref().unwrap_or(self).solve(Isa::Scalar)?;
        for offset in 0..4 {
            let found = self.solve_at(isa, offset)?;
            if let Some(at) = expected.iter().zip(&found).position(|(expected, found)| expected != found) {
                let (expected, found) = (expected[at], found[at]);
                let name = &self.name;
                return Err(format!("{name}: {isa:?} at alignment {offset}: [{at}] is {found}, not {expected}"));
            }
        }
        Ok(())
    }

    /// Solves with operands `offset` bytes after where an allocation starts.
    fn solve_at(&self, isa: Isa, offset: usize) -> Result<Vec<i8>, String> {
        let op = self.op();
        let len = self.output.elements();
        let moved = |values: &[i8]| [&vec![UNTOUCHED; offset], values].concat();
        let (a, b) = (moved(&self.a), moved(&self.b));
        let mut output = vec![UNTOUCHED; GUARD + offset + len + GUARD];
        let place = GUARD + offset..GUARD + offset + len;
        if self.in_place {
            output[place.clone()].copy_from_slice(&self.a);
        }
        let scratch_len = scratch_bytes(isa, &op);
        let mut scratch = vec![UNTOUCHED; scratch_len + GUARD];
        let operands = match (self.in_place, self.kind) {
            (true, OpKind::Add | OpKind::Mul) => Operands::InPlaceWith(&b[offset..]),
            (true, _) => Operands::InPlace,
            (false, OpKind::Constant) => Operands::None,
            (false, OpKind::Add | OpKind::Mul | OpKind::MatMul) => Operands::Two(&a[offset..], &b[offset..]),
            (false, _) => Operands::One(&a[offset..]),
        };
        let done = run::<ALL_OPS>(isa, &op, operands, &mut output[place.clone()], &mut scratch[..scratch_len]);
        let (before, after) = (&output[..place.start], &output[place.end..]);
        let intact = before.iter().chain(after).chain(&scratch[scratch_len..]).all(|byte| *byte == UNTOUCHED);
        match (done, intact) {
            (true, true) => Ok(output[place].to_vec()),
            (false, _) => Err(format!("{}: {isa:?} has no kernel", self.name)),
            (_, false) => Err(format!("{}: {isa:?} writes outside its output or scratch", self.name)),
        }
    }
}
