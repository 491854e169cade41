//! Build script: which machine the firmware is for, its memories, and the linker's arguments.
//!
//! A Cortex-M has those of the board whose folder NIWAKI_MEMORY names; 64-bit Arm is QEMU's machine virt.

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-env-changed=NIWAKI_MEMORY");
    println!("cargo::rustc-check-cfg=cfg(any_core_cortex_m, any_core_aarch64, any_core_v6m)");
    match env::var("TARGET").unwrap_or_default().as_str() {
        "aarch64-unknown-linux-musl" => aarch64(),
        target if target.starts_with("thumb") => cortex_m(target),
        // Nothing: a host only looks whether it compiles.
        _ => {}
    }
}

fn cortex_m(target: &str) {
    println!("cargo::rustc-cfg=any_core_cortex_m");
    if target.starts_with("thumbv6m") {
        println!("cargo::rustc-cfg=any_core_v6m");
    }
    let Ok(folder) = env::var("NIWAKI_MEMORY") else {
        println!("cargo::error=set NIWAKI_MEMORY to the absolute path of a folder with a memory.x");
        return;
    };
    println!("cargo::rerun-if-changed={folder}/memory.x");
    println!("cargo::rustc-link-search={folder}");
    for argument in ["--nmagic", "-Tlink.x", "-Tdefmt.x"] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}

/// Without an operating system, for a Linux target: its code generation is what is to be measured.
fn aarch64() {
    println!("cargo::rustc-cfg=any_core_aarch64");
    println!("cargo::rerun-if-changed=aarch64.x");
    let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    // memcpy and memset are those of musl, which the tool-chain brings along.
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let sysroot = Command::new(rustc).args(["--print", "sysroot"]).output().map(|output| output.stdout);
    let sysroot = String::from_utf8(sysroot.unwrap_or_default()).unwrap_or_default();
    let libraries = format!("{}/lib/rustlib/aarch64-unknown-linux-musl/lib/self-contained", sysroot.trim());
    for argument in
        [&format!("-T{folder}/aarch64.x"), "-nostdlib", "--no-dynamic-linker", &format!("-L{libraries}"), "-lc"]
    {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
