//! Counts the operations in the host's file `cases.nwk`: for each the length of a blob in 16 bytes (little-endian), then
//! the blob.
//!
//! Prints `isa NAME`, `known INSTRUCTIONS TICKS EMPTY` for a loop of known length and for no work at all, and for each
//! operation `case KERNEL VIEW`: ticks of the kernel call alone, and of reading the operation from its record. The kernel
//! calls, the empty one first, lie between the functions `niwaki_count_begin` and `niwaki_count_end`.
#![cfg_attr(any(any_core_cortex_m, any_core_aarch64), no_std, no_main)]

#[cfg(not(any(any_core_cortex_m, any_core_aarch64)))]
fn main() {}

#[cfg(any(any_core_cortex_m, any_core_aarch64))]
any_core::start!(firmware::bench);

#[cfg(any(any_core_cortex_m, any_core_aarch64))]
mod firmware {
    use any_core::{File, KNOWN, Machine, aligned, ints, niwaki_count_begin, niwaki_count_end, print, read_blob};
    use core::hint::black_box;
    use niwaki_blob::{Blob, OpKind};
    use niwaki_kernels::{ALL_OPS, Isa, Operands};

    pub(super) fn bench() -> Result<(), &'static str> {
        let mut machine = Machine::take().ok_or("no machine")?;
        let mut file = File::open(c"cases.nwk").ok_or("no cases.nwk")?;
        let memory = aligned(machine.memory()).ok_or("no memory")?;
        print(format_args!("isa {:?}", Isa::current()));
        let known = machine.known_loop();
        let empty = machine.ticks(|| {
            niwaki_count_begin();
            niwaki_count_end();
        });
        print(format_args!("known {KNOWN} {known} {empty}"));
        while let Some((blob, arena)) = read_blob(&mut file, memory)? {
            let blob = Blob::read(blob).map_err(|_| "a blob that cannot be read")?;
            let [kernel, view] = count(&mut machine, &blob, arena).ok_or("an operation without a kernel")?;
            print(format_args!("case {kernel} {view}"));
        }
        Ok(())
    }

    /// Counts a blob's first operation, whose inputs lie before its output.
    fn count(machine: &mut Machine, blob: &Blob<'_>, arena: &mut [u8]) -> Option<[u64; 2]> {
        let record = blob.records().first()?;
        let op = blob.op(record)?;
        let (tensors, rest) = aligned(arena)?.split_at_mut_checked(blob.tensor_bytes())?;
        let scratch = ints(aligned(rest)?.get_mut(..record.scratch_range().len())?);
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
}
