//! Decides by target which kernels are built: stable Rust says nothing about most instruction sets of Cortex-M.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!(
        "cargo::rustc-check-cfg=cfg(niwaki_dsp, niwaki_armv8m, niwaki_helium, niwaki_v7m, niwaki_v6m, niwaki_neon32)"
    );
    let target = std::env::var("TARGET").unwrap_or_default();
    // What Armv8-M leaves to the core, a feature says.
    let armv8m = |feature: &str| target.starts_with("thumbv8m.main") && std::env::var_os(feature).is_some();
    let helium = armv8m("CARGO_FEATURE_HELIUM");
    for (on, name) in [
        (!helium && (target.starts_with("thumbv7em") || armv8m("CARGO_FEATURE_DSP")), "niwaki_dsp"),
        (target.starts_with("thumbv8m.main"), "niwaki_armv8m"),
        (helium, "niwaki_helium"),
        (target.starts_with("thumbv7m"), "niwaki_v7m"),
        (target.starts_with("thumbv6m"), "niwaki_v6m"),
        (
            (target.starts_with("armv7") || target.starts_with("thumbv7neon")) && target.contains("linux"),
            "niwaki_neon32",
        ),
    ] {
        if on {
            println!("cargo::rustc-cfg={name}");
        }
    }
}
