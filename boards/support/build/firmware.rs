//! Build script of every board's firmware: the blob's path, memory.x and the linker's arguments.

use std::{env, path::Path};

fn main() {
    println!("cargo::rerun-if-env-changed=NIWAKI_BLOB");
    println!("cargo::rerun-if-changed=memory.x");
    let Some(blob) = env::var("NIWAKI_BLOB").ok().filter(|path| Path::new(path).is_absolute()) else {
        println!("cargo::error=set NIWAKI_BLOB to the absolute path of the .nwk blob that goes into the firmware");
        return;
    };
    println!("cargo::rerun-if-changed={blob}");
    println!("cargo::rustc-env=NIWAKI_BLOB={blob}");
    // memory.x lies beside the board's Cargo.toml.
    println!("cargo::rustc-link-search={}", env::var("CARGO_MANIFEST_DIR").unwrap_or_default());
    // Without paging there is no reason to align sections to pages.
    for argument in ["--nmagic", "-Tlink.x", "-Tdefmt.x"] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
