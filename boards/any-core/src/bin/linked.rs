//! Links the kernels of one op set, and no others: what that takes, less what a link with none takes, is how much code the
//! kernels are. The set is the number in NIWAKI_OPS when this is built. It is never run.
#![cfg_attr(any_core_cortex_m, no_std, no_main)]

// Only microcontrollers count bytes of code.
#[cfg(not(any_core_cortex_m))]
fn main() {}

#[cfg(any_core_cortex_m)]
#[cortex_m_rt::entry]
fn main() -> ! {
    any_core::exit(firmware::run().is_some())
}

#[cfg(any_core_cortex_m)]
mod firmware {
    use any_core::Machine;
    use core::hint::black_box;
    use niwaki_blob::Blob;
    use niwaki_kernels::{Isa, Operands};

    /// The op set.
    const OPS: u32 = parsed(option_env!("NIWAKI_OPS"));

    const fn parsed(text: Option<&str>) -> u32 {
        let digits = match text {
            Some(text) => text.as_bytes(),
            None => &[],
        };
        let (mut number, mut at) = (0, 0);
        while at < digits.len() {
            number = number * 10 + (digits[at] - b'0') as u32;
            at += 1;
        }
        number
    }

    /// Runs an operation of which the compiler knows nothing, in every way that there is.
    pub(super) fn run() -> Option<()> {
        let mut machine = Machine::take()?;
        let (bytes, arena) = machine.memory().split_at_mut_checked(black_box(4096))?;
        let blob = Blob::read(bytes).ok()?;
        let op = blob.op(blob.records().first()?)?;
        // SAFETY: i8 has the size, the alignment and the validity of u8.
        let arena = unsafe { &mut *(core::ptr::from_mut(arena) as *mut [i8]) };
        let (output, rest) = arena.split_at_mut_checked(black_box(64))?;
        let (scratch, inputs) = rest.split_at_mut_checked(black_box(64))?;
        let (a, b) = inputs.split_at_checked(black_box(64))?;
        let operands = match black_box(0) {
            0 => Operands::None,
            1 => Operands::One(a),
            2 => Operands::Two(a, b),
            3 => Operands::InPlace,
            _ => Operands::InPlaceWith(b),
        };
        niwaki_kernels::run::<OPS>(Isa::current(), &op, operands, output, scratch).then_some(())
    }
}
