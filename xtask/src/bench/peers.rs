//! What peers take, as data/README.md says.

/// A layer of CMSIS-NN, or a sum of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Peer {
    core: String,
    model: String,
    layer: String,
    pub(crate) macs: u64,
    pub(crate) input_bytes: u64,
    pub(crate) output_bytes: u64,
    pub(crate) scratch_bytes: u64,
    pub(crate) instructions: u64,
    /// Estimated; 0 where it is not known.
    pub(crate) cycles: u64,
}

/// Both tables.
pub(crate) struct Peers {
    layers: Vec<Peer>,
    /// Core, model, instructions.
    models: Vec<(String, String, u64)>,
}

impl Peers {
    /// Reads the tables that are part of this program.
    pub(crate) fn read() -> Self {
        let rows = |text: &'static str| text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
        let number = |text: &str| text.parse().unwrap_or(0);
        let layer = |row: Vec<&str>| Peer {
            core: row[0].into(),
            model: row[2].into(),
            layer: row[4].into(),
            macs: number(row[6]),
            input_bytes: number(row[7]),
            output_bytes: number(row[8]),
            scratch_bytes: number(row[10]),
            instructions: number(row[11]),
            cycles: number(row[12]),
        };
        let model = |row: Vec<&str>| (row[1].to_string(), row[2].to_string(), number(row[3]));
        Self {
            layers: rows(include_str!("../../data/cmsis-nn.csv")).map(layer).collect(),
            models: rows(include_str!("../../data/litert.csv")).map(model).collect(),
        }
    }

    /// CMSIS-NN's layers of a model.
    pub(crate) fn layers(&self, core: &str, model: &str) -> impl Iterator<Item = &Peer> {
        let core = alike(core);
        self.layers.iter().filter(move |peer| peer.core == core && peer.model == model)
    }

    /// One of CMSIS-NN's layers.
    pub(crate) fn layer(&self, core: &str, model: &str, layer: &str) -> Option<&Peer> {
        self.layers(core, model).find(|peer| peer.layer == layer)
    }

    /// A whole model: the sum of CMSIS-NN's layers, or the better of LiteRT's two engines.
    pub(crate) fn model(&self, core: &str, model: &str) -> Option<Peer> {
        let sum = |mut sum: Peer, layer: &Peer| {
            sum.macs += layer.macs;
            sum.scratch_bytes = sum.scratch_bytes.max(layer.scratch_bytes);
            sum.instructions += layer.instructions;
            sum.cycles += layer.cycles;
            sum
        };
        if self.layers(core, model).next().is_some() {
            return Some(self.layers(core, model).fold(Peer::default(), sum));
        }
        let of = self.models.iter().filter(|(of, name, _)| of == core && name == model);
        let instructions = of.map(|(_, _, instructions)| *instructions).min()?;
        Some(Peer { instructions, ..Peer::default() })
    }

    /// Who it is that a core is compared with.
    pub(crate) fn name(core: &str) -> &'static str {
        if core.starts_with("cortex-a") { "LiteRT" } else { "CMSIS-NN" }
    }
}

/// The core in the table whose instructions a core executes.
fn alike(core: &str) -> &str {
    match core {
        "cortex-m0" => "cortex-m0plus",
        "cortex-m7" => "cortex-m4",
        core => core,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_models_are_sums() {
        let peers = Peers::read();
        let of = |core, model| peers.model(core, model).unwrap();
        assert_eq!(of("cortex-m4", "KWS").instructions, 7_226_105);
        assert_eq!(of("cortex-m4", "KWS").cycles, 9_045_418);
        assert_eq!(of("cortex-m4", "IC").scratch_bytes, 2304);
        assert_eq!(of("cortex-m0", "VWW").instructions, 86_870_822);
        assert_eq!(of("cortex-a72", "KWS").instructions, 1_402_184);
        assert_eq!(peers.model("cortex-x", "KWS"), None);
    }
}
