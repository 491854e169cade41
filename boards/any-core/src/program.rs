//! What programs share that take blobs from a file of the host.

use crate::{File, exit, print};

/// Blobs and arenas start on a boundary of so many bytes; so long is what stands before a blob in a file.
pub const ALIGNMENT: usize = 16;

/// Runs a program to the end of the emulation; prints why it stopped.
pub fn run(program: fn() -> Result<(), &'static str>) -> ! {
    let done = program();
    if let Err(reason) = done {
        print(format_args!("stopped: {reason}"));
    }
    exit(done.is_ok())
}

/// Memory from the next boundary on.
pub fn aligned(memory: &mut [u8]) -> Option<&mut [u8]> {
    let skipped = memory.as_ptr().align_offset(ALIGNMENT);
    memory.get_mut(skipped..)
}

/// A blob, and the memory behind it.
type Loaded<'m> = (&'m mut [u8], &'m mut [u8]);

/// Reads a blob with the length before it to the start of memory, and gives what is left behind it; `None` at the file's
/// end.
pub fn read_blob<'m>(file: &mut File, memory: &'m mut [u8]) -> Result<Option<Loaded<'m>>, &'static str> {
    let mut head = [0; ALIGNMENT];
    if file.read(&mut head) < ALIGNMENT {
        return Ok(None);
    }
    let [a, b, c, d, ..] = head;
    let bytes = u32::from_le_bytes([a, b, c, d]) as usize;
    let (blob, rest) = memory.split_at_mut_checked(bytes).ok_or("a blob larger than memory")?;
    if file.read(blob) < bytes {
        return Err("a cut off blob");
    }
    Ok(Some((blob, rest)))
}

/// Bytes as signed ones.
pub fn ints(bytes: &mut [u8]) -> &mut [i8] {
    // SAFETY: i8 has the size, the alignment and the validity of u8.
    unsafe { &mut *(core::ptr::from_mut(bytes) as *mut [i8]) }
}

/// Starts a function of type `fn() -> Result<(), &'static str>` on every core that there is firmware for.
#[macro_export]
macro_rules! start {
    ($program:path) => {
        #[cfg(any_core_cortex_m)]
        #[cortex_m_rt::entry]
        fn main() -> ! {
            $crate::run($program)
        }

        #[cfg(any_core_aarch64)]
        #[unsafe(no_mangle)]
        extern "C" fn rust_start() -> ! {
            $crate::run($program)
        }
    };
}
