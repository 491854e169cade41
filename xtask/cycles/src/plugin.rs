//! What QEMU calls.

use crate::{
    price::{Core, model},
    qemu::{self, Block, Id, Info},
    tally::CLASSES,
    trace::{Placed, Places, Trace},
};
use std::{
    ffi::{CStr, c_char, c_int, c_uint, c_void},
    fs::File,
    io::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The version of the plugin interface that this is written for: QEMU 9.0's.
// SAFETY: the name is the one that QEMU looks for, and nothing else in this library has it.
#[unsafe(no_mangle)]
pub(crate) static qemu_plugin_version: c_int = 2;

struct State {
    trace: Trace,
    out: File,
    /// QEMU's version of the interface.
    version: c_int,
}

static STATE: Mutex<Option<State>> = Mutex::new(None);

fn state() -> MutexGuard<'static, Option<State>> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Called once, when the plugin is loaded. Anything but 0 makes QEMU stop.
// SAFETY: the name is the one that QEMU looks for, and the signature is that of its documentation.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn qemu_plugin_install(
    id: u64,
    info: *const c_void,
    count: c_int,
    arguments: *mut *mut c_char,
) -> c_int {
    // SAFETY: QEMU hands over a structure that begins as `Info` does.
    let version = unsafe { (*info.cast::<Info>()).newest };
    let argument = |at: usize| {
        // SAFETY: QEMU hands over `count` strings that end with a zero byte.
        let text = unsafe { CStr::from_ptr(*arguments.add(at)) };
        text.to_string_lossy().into_owned()
    };
    let arguments: Vec<String> = (0..usize::try_from(count).unwrap_or(0)).map(argument).collect();
    match start(&arguments, version) {
        Ok(new) => *state() = Some(new),
        Err(reason) => {
            eprintln!("niwaki-cycles: {reason}");
            return 1;
        }
    }
    // SAFETY: `id` is this plugin's, and both functions live as long as the library.
    unsafe {
        qemu::qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
        qemu::qemu_plugin_register_atexit_cb(id, ended, std::ptr::null_mut());
    }
    0
}

fn start(arguments: &[String], version: c_int) -> Result<State, String> {
    let (mut core, mut out, mut places) = (None, None, Places::default());
    for argument in arguments {
        let (name, value) = argument.split_once('=').ok_or(format!("what is {argument}?"))?;
        let wrong = || format!("{name} cannot be {value}");
        let address = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).map_err(|_| wrong());
        match name {
            "core" => core = Some((value, Core::named(value).ok_or_else(wrong)?)),
            "out" => out = Some(File::create(value).map_err(|error| format!("{value}: {error}"))?),
            "mark" => places.marks.push(address(value)?),
            "ignore" => {
                let (start, end) = value.split_once('-').ok_or_else(wrong)?;
                places.ignored.push((address(start)?, address(end)?));
            }
            _ => return Err(format!("there is no option {name}")),
        }
    }
    let ((name, core), mut out) = core.zip(out).ok_or("core= and out= are needed")?;
    let classes = CLASSES.map(|class| format!("\"{class}\"")).join(",");
    let header = format!("{{\"core\":\"{name}\",\"model\":\"{}\",\"classes\":[{classes}]}}\n", model(name));
    out.write_all(header.as_bytes()).map_err(|error| error.to_string())?;
    Ok(State { trace: Trace::new(core, places), out, version })
}

/// What a callback is given: a number, in the place of a pointer.
fn number(value: usize) -> *mut c_void {
    std::ptr::without_provenance_mut(value)
}

extern "C" fn translated(_id: Id, block: *mut Block) {
    let mut state = state();
    let Some(state) = state.as_mut() else { return };
    // SAFETY: QEMU hands over a block that is valid during this call, and so are its instructions.
    let instructions: Vec<*mut qemu::Instruction> = unsafe {
        let count = qemu::qemu_plugin_tb_n_insns(block);
        (0..count).map(|at| qemu::qemu_plugin_tb_get_insn(block, at)).collect()
    };
    let placed: Vec<Placed> = instructions.iter().map(|instruction| place(*instruction, state.version)).collect();
    for (instruction, watch) in instructions.into_iter().zip(state.trace.translate(&placed)) {
        // SAFETY: the instruction is valid, the functions live as long as the library, and what they are given is a
        // number.
        unsafe {
            if let Some(piece) = watch.piece {
                let user = number(piece);
                qemu::qemu_plugin_register_vcpu_insn_exec_cb(instruction, entered, qemu::NO_REGISTERS, user);
            }
            if let Some(access) = watch.access {
                let (flags, which) = (qemu::NO_REGISTERS, qemu::READ_AND_WRITE);
                qemu::qemu_plugin_register_vcpu_mem_cb(instruction, accessed, flags, which, number(access));
            }
        }
    }
}

fn place(instruction: *mut qemu::Instruction, version: c_int) -> Placed {
    let mut bytes = [0u8; 4];
    // SAFETY: the instruction is valid; no more than its own bytes, and no more than there is room for, are copied. Before
    // `COPIES_DATA` the function is one that takes the instruction and returns the address of its bytes.
    let (address, size) = unsafe {
        let size = qemu::qemu_plugin_insn_size(instruction).min(bytes.len());
        if version >= qemu::COPIES_DATA {
            qemu::qemu_plugin_insn_data(instruction, bytes.as_mut_ptr().cast(), size);
        } else {
            type Older = unsafe extern "C" fn(*const qemu::Instruction) -> *const u8;
            let data = std::mem::transmute::<*const (), Older>(qemu::qemu_plugin_insn_data as *const ());
            data(instruction).copy_to_nonoverlapping(bytes.as_mut_ptr(), size);
        }
        (qemu::qemu_plugin_insn_vaddr(instruction), size)
    };
    let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    Placed { address, code: [half(0), half(2)], long: size == 4 }
}

extern "C" fn entered(_cpu: c_uint, user: *mut c_void) {
    let mut state = state();
    let Some(State { trace, out, .. }) = state.as_mut() else { return };
    if let Some((mark, total)) = trace.enter(user.addr()) {
        put(out, &total.line(Some(mark)));
    }
}

extern "C" fn accessed(_cpu: c_uint, _info: u32, address: u64, user: *mut c_void) {
    if let Some(state) = state().as_mut() {
        state.trace.access(user.addr(), address);
    }
}

extern "C" fn ended(_id: Id, _user: *mut c_void) {
    if let Some(State { trace, out, .. }) = state().as_mut() {
        put(out, &trace.total.line(None));
    }
}

/// A file that cannot be written leaves lines out, which whoever reads it notices.
fn put(out: &mut File, line: &str) {
    let done: io::Result<()> = out.write_all(line.as_bytes());
    if let Err(error) = done {
        eprintln!("niwaki-cycles: {error}");
    }
}
