//! Build script: the memories of the board whose folder NIWAKI_MEMORY names, and the linker's arguments.

use std::env;

fn main() {
    println!("cargo::rerun-if-env-changed=NIWAKI_MEMORY");
    println!("cargo::rustc-check-cfg=cfg(any_core_v6m)");
    if env::var("TARGET").is_ok_and(|target| target.starts_with("thumbv6m")) {
        println!("cargo::rustc-cfg=any_core_v6m");
    }
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system != "none") {
        return;
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
