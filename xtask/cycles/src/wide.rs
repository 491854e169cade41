//! The 32-bit encodings.

use crate::{
    decode::{Instruction, Kind, Registers, register},
    float,
};

const PC: u16 = 15;

pub(crate) fn decode(first: u16, second: u16) -> Instruction {
    let op = first >> 4 & 0x7f;
    match first >> 11 & 3 {
        0b01 if op & 0x64 == 0 => many(first, second),
        0b01 if op & 0x64 == 4 => pair_or_exclusive(first, second),
        // Shifted register.
        0b01 if op & 0x60 == 0x20 => Instruction::of(Kind::Data, destination(first, second)),
        // Data processing with a constant.
        0b10 if second & 0x8000 == 0 => {
            let plain = op & 0x20 != 0;
            Instruction::of(Kind::Data, if plain { register(second >> 8) } else { destination(first, second) })
        }
        0b10 => branch_or_control(op, second),
        0b01 => float::decode(first, second),
        _ if op & 0x40 != 0 => float::decode(first, second),
        _ if op & 0x60 == 0 => single(first, second),
        _ if op & 0x70 == 0x20 => Instruction::of(Kind::Data, register(second >> 8)),
        _ => multiply(op, second),
    }
}

/// The register that data processing writes: none where TST, TEQ, CMN and CMP have their pc.
fn destination(first: u16, second: u16) -> Registers {
    let number = second >> 8 & 15;
    if number == PC && first & 0x10 != 0 { 0 } else { register(number) }
}

/// LDM and STM.
fn many(first: u16, second: u16) -> Instruction {
    let (registers, address) = (second.count_ones() as u8, register(first));
    match first & 0x10 {
        0 => Instruction { kind: Kind::StoreMany { registers }, address, ..Instruction::default() },
        _ => {
            let kind = Kind::LoadMany { registers, pc: second & 0x8000 != 0 };
            Instruction { kind, address, loaded: second & 0x7fff, ..Instruction::default() }
        }
    }
}

/// LDRD, STRD, exclusive accesses and table branches.
fn pair_or_exclusive(first: u16, second: u16) -> Instruction {
    let (load, base) = (first & 0x10 != 0, first & 15);
    let address = if base == PC { 0 } else { register(base) };
    let (one, two) = (register(second >> 12), register(second >> 8));
    if first & 0x0120 != 0 {
        return match load {
            true => Instruction { kind: Kind::LoadPair, address, loaded: one | two, ..Instruction::default() },
            false => Instruction { kind: Kind::StorePair, address, ..Instruction::default() },
        };
    }
    if first & 0x00f0 == 0x00d0 && second & 0x00e0 == 0 {
        return Instruction { kind: Kind::TableBranch, address: address | register(second), ..Instruction::default() };
    }
    match load {
        true => Instruction { kind: Kind::Load, address, loaded: one, ..Instruction::default() },
        false => Instruction { kind: Kind::Store { indexed: true }, address, ..Instruction::default() },
    }
}

fn branch_or_control(op: u16, second: u16) -> Instruction {
    match (second & 0x4000 != 0, second & 0x1000 != 0) {
        (true, _) => Instruction::of(Kind::Call, 0),
        (false, true) => Instruction::of(Kind::Branch, 0),
        (false, false) if op & 0x38 != 0x38 => Instruction::of(Kind::Branch, 0),
        _ => match op {
            0x38 | 0x39 => Instruction::of(Kind::Status, 0),
            0x3e | 0x3f => Instruction::of(Kind::Status, register(second >> 8)),
            0x3b if second >> 4 & 15 == 6 => Instruction::of(Kind::Refetch, 0),
            0x3b => Instruction::of(Kind::Barrier, 0),
            _ => Instruction::of(Kind::Hint, 0),
        },
    }
}

/// Loads and stores of a word, a halfword or a byte.
fn single(first: u16, second: u16) -> Instruction {
    let (base, target, width) = (first & 15, second >> 12, 1u8 << (first >> 5 & 3));
    if width > 4 {
        return Instruction::of(Kind::Other, 0);
    }
    let load = first & 0x10 != 0;
    let literal = load && base == PC;
    let indexed = first & 0x80 == 0 && second & 0x0fc0 == 0 && !literal;
    let mut address = if literal { 0 } else { register(base) };
    if indexed {
        address |= register(second);
    }
    match load {
        false => Instruction { kind: Kind::Store { indexed }, address, width, ..Instruction::default() },
        true if target == PC && width == 4 => Instruction { kind: Kind::LoadPc, address, ..Instruction::default() },
        true if target == PC => Instruction::of(Kind::Hint, 0),
        true => Instruction { kind: Kind::Load, address, loaded: register(target), width, ..Instruction::default() },
    }
}

fn multiply(op: u16, second: u16) -> Instruction {
    let (low, high, accumulator) = (register(second >> 12), register(second >> 8), second >> 12);
    match op & 0x7f {
        // MUL has no accumulator; MLS is beside MLA.
        0x30 if accumulator != PC => Instruction::of(Kind::MultiplyAdd, high),
        0x30..=0x37 => Instruction::of(Kind::Multiply, high),
        0x39 | 0x3b if second & 0xf0 == 0xf0 => Instruction::of(Kind::Divide, high),
        0x38 | 0x3a => Instruction::of(Kind::MultiplyLong, low | high),
        0x3c if second & 0xc0 == 0 => Instruction::of(Kind::MultiplyAddLong, low | high),
        0x3e => Instruction::of(Kind::MultiplyAddLong, low | high),
        // SMLALxy, SMLALD, SMLSLD: the DSP extension's.
        0x3c | 0x3d => Instruction::of(Kind::Multiply, low | high),
        _ => Instruction::of(Kind::Other, 0),
    }
}
