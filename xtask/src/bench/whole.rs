//! A whole network on a 64-bit core without an operating system, where what a board's process takes cannot be counted.

use super::rig::{Rig, counts};
use crate::{measure::Unit, timing::Timed, workplace::Workplace};
use anyhow::{Context, ensure};

impl Rig {
    /// Counts an inference and its layers; the core must yield `output`, as the host did.
    pub(crate) fn network(&self, work: &Workplace, blob: &[u8], input: &[i8], output: &[i8]) -> anyhow::Result<Timed> {
        let firmware = self.built(work, "network", |_| ())?;
        let folder = tempfile::tempdir()?;
        let mut file = (blob.len() as u32).to_le_bytes().to_vec();
        file.extend([0; 12]);
        file.extend_from_slice(blob);
        file.extend(input.iter().map(|byte| *byte as u8));
        std::fs::write(folder.path().join("network.nwk"), file).context("network.nwk")?;
        let said = self.run(&firmware, folder.path(), |command| {
            command.args(["-icount", self.icount]);
        })?;
        let all = counts(&said).with_context(|| format!("{} said: {}", self.core, said.trim()))?;
        let (whole, layers) = all.split_first().context("the firmware counted nothing")?;
        let bytes = said.lines().filter_map(|line| line.strip_prefix("output ")?.parse::<i8>().ok());
        ensure!(bytes.eq(output.iter().copied()), "{} yields another output than the host", self.core);
        let layers: Vec<u64> = layers.iter().map(|layer| layer.instructions).collect();
        let (sum, whole) = (layers.iter().sum::<u64>(), whole.instructions);
        ensure!(
            sum.abs_diff(whole) * 50 <= whole,
            "the layers on {} add up to {sum} instructions and the whole inference took {whole}: more than 2 % apart",
            self.core
        );
        Ok(Timed { unit: Unit::Instructions, hz: 0, totals: vec![whole], layers: vec![layers] })
    }
}
