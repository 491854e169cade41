//! Decides by target which kernels are built: stable Rust says nothing about most instruction sets of Cortex-M.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(niwaki_helium, niwaki_v7m, niwaki_v6m)");
    let target = std::env::var("TARGET").unwrap_or_default();
    let helium = target.starts_with("thumbv8m.main") && std::env::var_os("CARGO_FEATURE_HELIUM").is_some();
    for (on, name) in [
        (helium, "niwaki_helium"),
        (target.starts_with("thumbv7m"), "niwaki_v7m"),
        (target.starts_with("thumbv6m"), "niwaki_v6m"),
    ] {
        if on {
            println!("cargo::rustc-cfg={name}");
        }
    }
}
