//! Links a program without an operating system for a Linux target, whose code generation is what is to be measured.

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=link.x");
    if env::var("CARGO_CFG_TARGET_ARCH").as_deref() != Ok("aarch64") {
        return;
    }
    let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    // memcpy and memset are those of musl, which the tool-chain brings along.
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let sysroot = Command::new(rustc).args(["--print", "sysroot"]).output().map(|output| output.stdout);
    let sysroot = String::from_utf8(sysroot.unwrap_or_default()).unwrap_or_default();
    let target = env::var("TARGET").unwrap_or_default();
    let libraries = format!("{}/lib/rustlib/{target}/lib/self-contained", sysroot.trim());
    for argument in
        [&format!("-T{folder}/link.x"), "-nostdlib", "--no-dynamic-linker", &format!("-L{libraries}"), "-lc"]
    {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
