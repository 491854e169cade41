//! Decides by target which kernels are built: stable Rust says nothing about the DSP extension itself.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(niwaki_dsp)");
    let target = std::env::var("TARGET").unwrap_or_default();
    let optional = target.starts_with("thumbv8m.main") && std::env::var_os("CARGO_FEATURE_DSP").is_some();
    if target.starts_with("thumbv7em") || optional {
        println!("cargo::rustc-cfg=niwaki_dsp");
    }
}
