//! Counts the operations in the host's file `cases.nwk`: for each the length of a blob in 16 bytes (little-endian), then
//! the blob.
//!
//! Prints `isa NAME`, `known INSTRUCTIONS TICKS EMPTY` for a loop of known length and for no work at all, and for each
//! operation `case KERNEL VIEW`: ticks of the kernel call alone, and of reading the operation from its record. The kernel
//! calls, the empty one first, lie between the functions `niwaki_count_begin` and `niwaki_count_end`.
#![cfg_attr(any(any_core_cortex_m, any_core_aarch64), no_std, no_main)]

#[cfg(not(any(any_core_cortex_m, any_core_aarch64)))]
fn main() {}

#[cfg(any_core_cortex_m)]
#[cortex_m_rt::entry]
fn main() -> ! {
    firmware::run()
}

#[cfg(any_core_aarch64)]
#[unsafe(no_mangle)]
extern "C" fn rust_start() -> ! {
    firmware::run()
}

#[cfg(any(any_core_cortex_m, any_core_aarch64))]
mod firmware {
    use any_core::{File, KNOWN, Machine, exit, niwaki_count_begin, niwaki_count_end, print};
    use core::hint::black_box;
    use niwaki_blob::{Blob, OpKind};
    use niwaki_kernels::{ALL_OPS, Isa, Operands};

    /// Blobs and arenas start on a boundary of so many bytes.
    const ALIGNMENT: usize = 16;

    pub(super) fn run() -> ! {
        let done = bench();
        if let Err(reason) = done {
            print(format_args!("stopped: {reason}"));
        }
        exit(done.is_ok())
    }

    fn bench() -> Result<(), &'static str> {
        let mut machine = Machine::take().ok_or("no machine")?;
        let mut file = File::open(c"cases.nwk").ok_or("no cases.nwk")?;
        let memory = machine.memory();
        let skipped = memory.as_ptr().align_offset(ALIGNMENT);
        let memory = memory.get_mut(skipped..).ok_or("no memory")?;
        print(format_args!("isa {:?}", Isa::current()));
        let known = machine.known_loop();
        let empty = machine.ticks(|| {
            niwaki_count_begin();
            niwaki_count_end();
        });
        print(format_args!("known {KNOWN} {known} {empty}"));
        loop {
            let mut head = [0; ALIGNMENT];
            if file.read(&mut head) < ALIGNMENT {
                return Ok(());
            }
            let [a, b, c, d, ..] = head;
            let bytes = u32::from_le_bytes([a, b, c, d]) as usize;
            let (blob, arena) = memory.split_at_mut_checked(bytes).ok_or("a blob larger than memory")?;
            if file.read(blob) < bytes {
                return Err("a cut off blob");
            }
            let blob = Blob::read(blob).map_err(|_| "a blob that cannot be read")?;
            let [kernel, view] = count(&mut machine, &blob, arena).ok_or("an operation without a kernel")?;
            print(format_args!("case {kernel} {view}"));
        }
    }

    /// Counts a blob's first operation, whose inputs lie before its output.
    fn count(machine: &mut Machine, blob: &Blob<'_>, arena: &mut [u8]) -> Option<[u64; 2]> {
        let record = blob.records().first()?;
        let op = blob.op(record)?;
        let skipped = arena.as_ptr().align_offset(ALIGNMENT);
        let (tensors, rest) = arena.get_mut(skipped..)?.split_at_mut_checked(blob.tensor_bytes())?;
        let skipped = rest.as_ptr().align_offset(ALIGNMENT);
        let scratch = ints(rest.get_mut(skipped..)?.get_mut(..record.scratch_range().len())?);
        let mut state = 1u32;
        for byte in tensors.iter_mut() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (state >> 24) as u8;
        }
        let target = blob.tensor(record.output).range();
        let (inputs, output) = tensors.split_at_mut_checked(target.start)?;
        let inputs = &*ints(inputs);
        let output = ints(output.get_mut(..target.len())?);
        let read = |tensor: u16| inputs.get(blob.tensor(tensor).range());
        let operands = match OpKind::from_u8(record.kind)?.operands() {
            0 => Operands::None,
            1 => Operands::One(read(record.inputs[0])?),
            _ => Operands::Two(read(record.inputs[0])?, read(record.inputs[1])?),
        };
        let mut done = false;
        let kernel = machine.ticks(|| {
            niwaki_count_begin();
            done = niwaki_kernels::run::<ALL_OPS>(Isa::current(), &op, operands, output, scratch);
            niwaki_count_end();
        });
        let view = machine.ticks(|| {
            black_box(blob.op(black_box(record)));
        });
        done.then_some([kernel, view])
    }

    fn ints(bytes: &mut [u8]) -> &mut [i8] {
        // SAFETY: i8 has the size, the alignment and the validity of u8.
        unsafe { &mut *(core::ptr::from_mut(bytes) as *mut [i8]) }
    }
}
