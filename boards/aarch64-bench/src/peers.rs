//! What the best known engine takes on each core: LiteRT 1.4.0, one thread, executed instructions per inference, the
//! better of its XNNPACK and its built-in kernels.

use core::arch::asm;

/// An emulated core and its peers.
pub(crate) struct Core {
    pub(crate) name: &'static str,
    /// The part number in MIDR_EL1.
    part: u64,
    peers: [(&'static str, u64); 4],
}

const CORES: [Core; 3] = [
    Core {
        name: "cortex-a53",
        part: 0xd03,
        peers: [("KWS", 1_314_827), ("IC", 4_909_187), ("VWW", 3_951_495), ("AD", 136_934)],
    },
    Core {
        name: "cortex-a72",
        part: 0xd08,
        peers: [("KWS", 1_402_184), ("IC", 4_303_586), ("VWW", 3_613_788), ("AD", 92_974)],
    },
    Core {
        name: "cortex-a76",
        part: 0xd0b,
        peers: [("KWS", 711_354), ("IC", 1_489_544), ("VWW", 1_927_963), ("AD", 43_704)],
    },
];

/// The core that this runs on, where it is in the table.
pub(crate) fn this_core() -> Option<&'static Core> {
    let id: u64;
    // SAFETY: reads a register that every core has.
    unsafe { asm!("mrs {}, midr_el1", out(reg) id) };
    CORES.iter().find(|core| core.part == (id >> 4) & 0xfff)
}

impl Core {
    /// Instructions of the peer for a model.
    pub(crate) fn peer(&self, model: &str) -> Option<u64> {
        self.peers.iter().find(|(name, _)| *name == model).map(|(_, instructions)| *instructions)
    }
}
