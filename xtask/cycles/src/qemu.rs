//! The part of QEMU's plugin interface that is used here, as `include/qemu/qemu-plugin.h` of QEMU 9 and 10 has it. An
//! enumeration there is an `int` here.

use std::ffi::{c_char, c_int, c_uint, c_void};

/// A plugin's number.
pub(crate) type Id = u64;

/// A block of translated code; QEMU's own.
#[repr(C)]
pub(crate) struct Block {
    _private: [u8; 0],
}

/// An instruction in such a block; QEMU's own.
#[repr(C)]
pub(crate) struct Instruction {
    _private: [u8; 0],
}

/// What QEMU says of itself: the beginning of it.
#[repr(C)]
pub(crate) struct Info {
    /// The emulated architecture.
    pub(crate) target_name: *const c_char,
    /// The oldest version of the interface that it speaks.
    pub(crate) oldest: c_int,
    /// The newest.
    pub(crate) newest: c_int,
}

/// Callbacks here look at no registers.
pub(crate) const NO_REGISTERS: c_int = 0;

/// Reads and writes of memory.
pub(crate) const READ_AND_WRITE: c_int = 3;

/// From this version of the interface on (QEMU 9.1), an instruction's bytes are copied to the caller; before, the
/// function takes the instruction alone and returns where they are.
pub(crate) const COPIES_DATA: c_int = 3;

unsafe extern "C" {
    pub(crate) fn qemu_plugin_register_vcpu_tb_trans_cb(id: Id, callback: extern "C" fn(Id, *mut Block));
    pub(crate) fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut Instruction,
        callback: extern "C" fn(c_uint, *mut c_void),
        flags: c_int,
        user: *mut c_void,
    );
    pub(crate) fn qemu_plugin_register_vcpu_mem_cb(
        instruction: *mut Instruction,
        callback: extern "C" fn(c_uint, u32, u64, *mut c_void),
        flags: c_int,
        which: c_int,
        user: *mut c_void,
    );
    pub(crate) fn qemu_plugin_register_atexit_cb(id: Id, callback: extern "C" fn(Id, *mut c_void), user: *mut c_void);
    pub(crate) fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    pub(crate) fn qemu_plugin_tb_get_insn(block: *const Block, index: usize) -> *mut Instruction;
    pub(crate) fn qemu_plugin_insn_vaddr(instruction: *const Instruction) -> u64;
    pub(crate) fn qemu_plugin_insn_size(instruction: *const Instruction) -> usize;
    pub(crate) fn qemu_plugin_insn_data(instruction: *const Instruction, to: *mut c_void, bytes: usize) -> usize;
}
