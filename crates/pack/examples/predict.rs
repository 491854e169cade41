//! What a blob's layers take on a core: `cargo run -p niwaki-pack --example predict -- BLOB CORE`. The blob is plain, as
//! packing leaves it, or in the layouts of that core already.

use niwaki_blob::AlignedBytes;
use niwaki_pack::{Isa, cost::predict, repack_for};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, core] = arguments.as_slice() else { return Err("usage: predict BLOB CORE".into()) };
    let isa = match core.trim_end_matches('f') {
        "cortex-m0" | "cortex-m0plus" => Isa::V6m,
        "cortex-m3" => Isa::V7m,
        "cortex-m4" | "cortex-m7" | "cortex-m33" => Isa::Dsp,
        "cortex-m55" => Isa::Helium,
        "cortex-a53" | "cortex-a72" => Isa::Neon,
        _ => Isa::NeonDot,
    };
    let blob = repack_for(&AlignedBytes::new(&std::fs::read(path)?), isa, core)?;
    let layers = predict(&blob, core)?;
    for (at, cost) in layers.iter().enumerate() {
        println!("{at:3} {:12.0} instructions {:12.0} cycles", cost.instructions, cost.cycles.unwrap_or(f64::NAN));
    }
    println!("all {:12.0} instructions", layers.iter().map(|cost| cost.instructions).sum::<f64>());
    Ok(())
}
