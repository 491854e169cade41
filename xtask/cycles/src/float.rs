//! The encodings of the floating-point unit. What is neither is a coprocessor's or Helium's.

use crate::decode::{Instruction, Kind, register};

pub(crate) fn decode(first: u16, second: u16) -> Instruction {
    // The floating-point unit is coprocessors 10 and 11; with bit 12 set, the space is Helium's or has other operations.
    if second & 0x0e00 != 0x0a00 || first & 0x1000 != 0 && first & 0x0f00 != 0x0e00 {
        return Instruction::of(Kind::Other, 0);
    }
    let double = second & 0x0100 != 0;
    if first & 0xffe0 == 0xec40 {
        let to_core = first & 0x10 != 0;
        let written = if to_core { register(second >> 12) | register(first) } else { 0 };
        return Instruction::of(Kind::FloatMovePair, written);
    }
    if first & 0xfe00 == 0xec00 {
        return memory(first, second, double);
    }
    let numbers = Numbers::of(first, second, double);
    if second & 0x10 != 0 && first & 0x1000 == 0 {
        let to_core = first & 0x10 != 0;
        let special = first & 0xe0 == 0xe0;
        let written = if to_core && second >> 12 != 15 { register(second >> 12) } else { 0 };
        let float_operands = if to_core && !special { numbers.n } else { 0 };
        return Instruction { float_operands, ..Instruction::of(Kind::FloatMove, written) };
    }
    arithmetic(first, second, &numbers)
}

/// Single-precision registers in the three places of an instruction; nothing for double precision.
struct Numbers {
    d: u32,
    n: u32,
    m: u32,
}

impl Numbers {
    fn of(first: u16, second: u16, double: bool) -> Self {
        let single = |high: u16, low: u16| if double { 0 } else { 1 << ((high & 15) << 1 | low & 1) };
        Self { d: single(second >> 12, first >> 6), n: single(first, second >> 7), m: single(second, second >> 5) }
    }
}

fn memory(first: u16, second: u16, double: bool) -> Instruction {
    let (load, base) = (first & 0x10 != 0, first & 15);
    let address = if base == 15 { 0 } else { register(base) };
    let one = first & 0x0100 != 0 && first & 0x20 == 0;
    let words = if one { 1 + u8::from(double) } else { (second & 0xff) as u8 };
    let kind = match (one, load) {
        (true, true) => Kind::FloatLoad { words },
        (true, false) => Kind::FloatStore { words },
        (false, true) => Kind::FloatLoadMany { words },
        (false, false) => Kind::FloatStoreMany { words },
    };
    let float_operands = if one && !load { Numbers::of(first, second, double).d } else { 0 };
    Instruction { kind, address, float_operands, ..Instruction::default() }
}

fn arithmetic(first: u16, second: u16, numbers: &Numbers) -> Instruction {
    let Numbers { d, n, m } = *numbers;
    let of = |kind, float_result, float_operands| Instruction {
        kind,
        float_result,
        float_operands,
        ..Instruction::default()
    };
    if first & 0x1000 != 0 {
        // VSEL, VMAXNM, VRINT and their kind.
        return of(Kind::Float, d, n | m);
    }
    match first >> 4 & 0b1011 {
        // The addend is read a cycle later.
        0b0000 | 0b0001 | 0b1001 | 0b1010 => of(Kind::FloatMultiplyAdd, d, n | m),
        0b0010 | 0b0011 => of(Kind::Float, d, n | m),
        0b1000 => of(Kind::FloatDivide, d, n | m),
        _ => {
            let (op, more) = (first & 15, second >> 6 & 3);
            match (op, more) {
                (1, 3) => of(Kind::FloatDivide, d, m),
                // VCMP compares its destination.
                (4, _) => of(Kind::Float, 0, d | m),
                (5, _) => of(Kind::Float, 0, d),
                // VMOV of a constant reads nothing.
                (_, 0 | 2) => of(Kind::Float, 0, 0),
                _ => of(Kind::Float, 0, m),
            }
        }
    }
}
