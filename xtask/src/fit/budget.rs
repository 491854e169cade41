//! What a network may take, and how good it has to stay.

use crate::board::Board;
use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};

/// What a budget of work is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unit {
    /// Executed instructions.
    Instructions,
    /// Cycles: of silicon as it counts them, of an emulated core as they are estimated.
    Cycles,
}

impl std::fmt::Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Instructions => "instructions",
            Self::Cycles => "cycles",
        })
    }
}

/// What limits a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Limit {
    Work,
    Flash,
    Ram,
    Quality,
}

/// What a firmware with a network takes on a board.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Taken {
    /// Of the budget's unit, for an inference.
    pub(crate) work: u64,
    /// Bytes that have to be flashed; absent for a process.
    pub(crate) flash: Option<u64>,
    /// Bytes of RAM, the stack's included.
    pub(crate) ram: Option<u64>,
}

/// What a network with its firmware may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Budget {
    pub(crate) unit: Unit,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) work: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flash: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ram: Option<u64>,
}

/// The limits that a user may give.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct BudgetArgs {
    /// Cycles for an inference: of silicon as it counts them, of an emulated core as they are estimated
    #[arg(long, value_name = "N", conflicts_with_all = ["instructions", "ms"])]
    cycles: Option<u64>,
    /// Instructions for an inference, on an emulated board
    #[arg(long, value_name = "N", conflicts_with = "ms")]
    instructions: Option<u64>,
    /// Milliseconds for an inference, on a board whose clock and costs were measured on silicon
    #[arg(long, value_name = "X")]
    ms: Option<f64>,
    /// Bytes of flash for firmware and network, instead of what board.toml allows
    #[arg(long, value_name = "BYTES")]
    flash: Option<u64>,
    /// Bytes of RAM for firmware, network and stack, instead of what board.toml allows
    #[arg(long, value_name = "BYTES")]
    ram: Option<u64>,
}

impl BudgetArgs {
    /// With what the board allows where nothing else was said.
    ///
    /// # Errors
    /// If the board does not count what the budget is in.
    pub(crate) fn on(&self, board: &Board) -> anyhow::Result<Budget> {
        let name = board.full_name();
        let counts = !board.is_process();
        ensure!(
            counts,
            "{name} is a process, on which nothing is counted, so no budget can be held there; give a microcontroller \
             (cargo xtask boards)"
        );
        let emulated = board.emulated();
        let own = board.spec.budget;
        let cycles = match (self.cycles, self.ms) {
            (Some(cycles), _) => Some(cycles),
            (None, Some(ms)) => {
                let known = !emulated && board.spec.silicon;
                ensure!(
                    known,
                    "--ms: {name} {}, so nothing says how long anything takes; give --{} instead",
                    if emulated { "is emulated" } else { "was never measured on silicon" },
                    if emulated { "instructions or --cycles" } else { "cycles" },
                );
                ensure!(ms.is_finite() && ms > 0.0, "--ms {ms}: more than nothing, please");
                let hz = board.spec.clock_hz.with_context(|| format!("--ms: board.toml of {name} has no clock_hz"))?;
                Some((ms * hz as f64 / 1000.0) as u64)
            }
            (None, None) => None,
        };
        if self.instructions.is_some() && !emulated {
            bail!("--instructions: {name} counts cycles, not instructions; give --cycles");
        }
        let unit = if cycles.is_some() || !emulated { Unit::Cycles } else { Unit::Instructions };
        let work = cycles.or(self.instructions);
        for (option, value) in [("--cycles or --instructions", work), ("--flash", self.flash), ("--ram", self.ram)] {
            ensure!(value != Some(0), "{option} 0: nothing runs in nothing");
        }
        let flash = self.flash.or(own.map(|own| own.flash_bytes));
        let ram = self.ram.or(own.map(|own| own.ram_bytes));
        Ok(Budget { unit, work, flash, ram })
    }
}

impl Budget {
    /// The limits that are exceeded, each with what is taken and what is allowed.
    pub(crate) fn exceeded(&self, taken: &Taken) -> Vec<(Limit, u64, u64)> {
        let all = [
            (Limit::Work, Some(taken.work), self.work),
            (Limit::Flash, taken.flash, self.flash),
            (Limit::Ram, taken.ram, self.ram),
        ];
        let over = all.into_iter().filter_map(|(limit, taken, allowed)| Some((limit, taken?, allowed?)));
        over.filter(|(_, taken, allowed)| taken > allowed).collect()
    }

    /// What a limit is called, with its unit.
    pub(crate) fn name(&self, limit: Limit) -> String {
        match limit {
            Limit::Work => self.unit.to_string(),
            Limit::Flash => "bytes of flash".into(),
            Limit::Ram => "bytes of RAM".into(),
            Limit::Quality => "quality".into(),
        }
    }

    /// The option that sets a limit.
    pub(crate) fn option(&self, limit: Limit) -> &'static str {
        match (limit, self.unit) {
            (Limit::Work, Unit::Instructions) => "--instructions",
            (Limit::Work, Unit::Cycles) => "--cycles",
            (Limit::Flash, _) => "--flash",
            (Limit::Ram, _) => "--ram",
            (Limit::Quality, _) => "--floor",
        }
    }
}

/// A quality as a user types it: `0.97` or `97%`.
pub(crate) fn quality(text: &str) -> Result<f64, String> {
    let wrong = || format!("\"{text}\" is no quality; 0.97 or 97% would be one");
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let value = number.trim().parse::<f64>().map_err(|_| wrong())? / scale;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workplace::Workplace;

    fn on(board: &str, args: &BudgetArgs) -> anyhow::Result<Budget> {
        args.on(&Board::find(&Workplace::new(false), board).unwrap())
    }

    #[test]
    fn what_is_not_said_the_board_says() {
        let budget = on("microbit", &BudgetArgs::default()).unwrap();
        let wanted = Budget { unit: Unit::Instructions, work: None, flash: Some(262_144), ram: Some(16_384) };
        assert_eq!(budget, wanted);
        let budget = on("microbit", &BudgetArgs { cycles: Some(9), ram: Some(8000), ..Default::default() }).unwrap();
        assert_eq!((budget.unit, budget.work, budget.ram), (Unit::Cycles, Some(9), Some(8000)));
    }

    #[test]
    fn milliseconds_need_silicon() {
        let ms = BudgetArgs { ms: Some(3.0), ..Default::default() };
        let error = |board| on(board, &ms).unwrap_err().to_string();
        assert!(error("microbit").contains("is emulated, so nothing says how long"), "{}", error("microbit"));
        assert!(error("nucleo-l4r5zi").contains("never measured on silicon"), "{}", error("nucleo-l4r5zi"));
        assert!(error("host").contains("is a process"), "{}", error("host"));
        let instructions = BudgetArgs { instructions: Some(3), ..Default::default() };
        assert!(on("nucleo-l4r5zi", &instructions).unwrap_err().to_string().contains("give --cycles"));
    }

    #[test]
    fn what_is_exceeded_is_named() {
        let budget = Budget { unit: Unit::Cycles, work: Some(10), flash: Some(10), ram: None };
        let taken = Taken { work: 11, flash: Some(10), ram: Some(99) };
        assert_eq!(budget.exceeded(&taken), [(Limit::Work, 11, 10)]);
    }

    #[test]
    fn qualities_are_fractions_or_percentages() {
        assert_eq!((quality("0.97"), quality("97%"), quality("1")), (Ok(0.97), Ok(0.97), Ok(1.0)));
        assert!(quality("97").is_err_and(|error| error.contains("97%")) && quality("x").is_err());
    }
}
