//! The 16-bit encodings.

use crate::decode::{Instruction, Kind, Registers, register};

const SP: Registers = 1 << 13;

pub(crate) fn decode(code: u16) -> Instruction {
    let (low, middle, high) = (register(code & 7), register(code >> 3 & 7), register(code >> 8 & 7));
    let data = |result| Instruction::of(Kind::Data, result);
    match code >> 11 {
        // Shifts by a constant, three-operand sums, MOV, ADD and SUB of a byte. CMP writes no register.
        0b00000..=0b00011 => data(low),
        0b00101 => data(0),
        0b00100 | 0b00110 | 0b00111 => data(high),
        0b01000 => registers(code),
        0b01001 => load(0, high, 4),
        0b01010 | 0b01011 => indexed(code, low, middle | register(code >> 6 & 7)),
        0b01100 | 0b01110 | 0b10000 => store(middle, width(code)),
        0b01101 | 0b01111 | 0b10001 => load(middle, low, width(code)),
        0b10010 => store(SP, 4),
        0b10011 => load(SP, high, 4),
        0b10100 | 0b10101 => data(high),
        0b10110 | 0b10111 => miscellaneous(code),
        0b11000 => {
            let kind = Kind::StoreMany { registers: (code & 0xff).count_ones() as u8 };
            Instruction { kind, address: high, ..Instruction::default() }
        }
        0b11001 => {
            let kind = Kind::LoadMany { registers: (code & 0xff).count_ones() as u8, pc: false };
            Instruction { kind, address: high, loaded: code & 0xff, ..Instruction::default() }
        }
        // UDF and SVC share the space of conditional branches.
        0b11011 if code & 0x0e00 == 0x0e00 => Instruction::of(Kind::Hint, 0),
        _ => Instruction::of(Kind::Branch, 0),
    }
}

/// Bytes of a load or store with a constant offset.
fn width(code: u16) -> u8 {
    match code >> 12 {
        0b0110 => 4,
        0b0111 => 1,
        _ => 2,
    }
}

fn load(address: Registers, loaded: Registers, width: u8) -> Instruction {
    Instruction { kind: Kind::Load, address, loaded, width, ..Instruction::default() }
}

fn store(address: Registers, width: u8) -> Instruction {
    Instruction { kind: Kind::Store { indexed: false }, address, width, ..Instruction::default() }
}

/// Loads and stores with a register as offset.
fn indexed(code: u16, loaded: Registers, address: Registers) -> Instruction {
    match code >> 9 & 7 {
        stored @ 0..=2 => {
            let width = [4, 2, 1][usize::from(stored)];
            Instruction { kind: Kind::Store { indexed: true }, address, width, ..Instruction::default() }
        }
        // LDRSB, LDR, LDRH, LDRB, LDRSH.
        other => load(address, loaded, [1, 4, 2, 1, 2][usize::from(other - 3)]),
    }
}

/// Data processing with two low registers, and the operations on any register.
fn registers(code: u16) -> Instruction {
    let low = register(code & 7);
    if code & 0x0400 == 0 {
        return match code >> 6 & 15 {
            // TST, CMP, CMN.
            0b1000 | 0b1010 | 0b1011 => Instruction::of(Kind::Data, 0),
            0b1101 => Instruction::of(Kind::Multiply, low),
            _ => Instruction::of(Kind::Data, low),
        };
    }
    let any = (code & 7) | (code >> 4 & 8);
    match code >> 8 & 3 {
        0b01 => Instruction::of(Kind::Data, 0),
        0b11 => Instruction::of(Kind::Jump, 0),
        _ if any == 15 => Instruction::of(Kind::Jump, 0),
        _ => Instruction::of(Kind::Data, register(any)),
    }
}

fn miscellaneous(code: u16) -> Instruction {
    match code >> 8 & 15 {
        0b0000 => Instruction::of(Kind::Data, SP),
        0b0001 | 0b0011 | 0b1001 | 0b1011 => Instruction::of(Kind::Branch, 0),
        0b0100 | 0b0101 => {
            let kind = Kind::StoreMany { registers: (code & 0x1ff).count_ones() as u8 };
            Instruction { kind, address: SP, ..Instruction::default() }
        }
        0b1100 | 0b1101 => {
            let kind = Kind::LoadMany { registers: (code & 0x1ff).count_ones() as u8, pc: code & 0x100 != 0 };
            Instruction { kind, address: SP, loaded: code & 0xff, ..Instruction::default() }
        }
        0b0110 => Instruction::of(Kind::Status, 0),
        0b1111 if code & 15 != 0 => Instruction::of(Kind::IfThen, 0),
        0b1110 | 0b1111 => Instruction::of(Kind::Hint, 0),
        // Extensions and reversals.
        _ => Instruction::of(Kind::Data, register(code & 7)),
    }
}
