//! Instructions by class and estimated cycles of a network on an emulated microcontroller: the whole and each layer.

use crate::{
    board::Board,
    cycles::{Counts, Estimates, Estimator, Places},
    elf,
    logs::Logs,
    runner::Session,
    workplace::Workplace,
};
use anyhow::{Context, ensure};
use niwaki_link::Mode;
use std::{path::Path, process::Command};

/// The firmware's marks, in the order that [`Places`] has them: `boards/support/src/cortex_m/mark.rs`.
const MARKS: [&str; 3] = ["niwaki_mark_start", "niwaki_mark_layer", "niwaki_mark_stop"];
const START: usize = 0;
const LAYER: usize = 1;
const STOP: usize = 2;

/// The interrupt that the counter of most boards needs. It comes when it comes, so it is left out.
const INTERRUPT: &str = "SysTick";

/// What an inference takes.
#[derive(Clone, Debug)]
pub(crate) struct Estimate {
    /// Whether there are cycles, and not instructions only.
    pub(crate) priced: bool,
    /// What the cycles are.
    pub(crate) model: String,
    pub(crate) total: Counts,
    pub(crate) layers: Vec<Counts>,
}

/// Runs one inference as a whole and one layer by layer under the plugin. The inner error says why that cannot be.
pub(crate) fn estimate(
    work: &Workplace,
    board: &Board,
    firmware: &Path,
    blob: &Path,
    input: &[i8],
) -> anyhow::Result<Result<Estimate, String>> {
    if board.is_process() || !board.emulated() {
        return Ok(Err(format!("{} is no emulated microcontroller", board.name())));
    }
    let command = board.run_command(firmware, blob)?;
    let estimator = match Estimator::of(work, &board.spec.core, &command.get_program().to_string_lossy())? {
        Ok(estimator) => estimator,
        Err(reason) => return Ok(Err(reason)),
    };
    let symbol = |name: &str| elf::symbol(firmware, name);
    let mut places = Places::default();
    for name in MARKS {
        let place = symbol(name)?.with_context(|| format!("the firmware of {} has no {name}", board.name()))?;
        places.marks.push(place.start);
    }
    places.ignored.extend(symbol(INTERRUPT)?.map(|place| (place.start, place.end)));
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("cycles.json");
    let mut command = without_icount(&command);
    estimator.attach(&mut command, &places, &out);
    let logs = Logs::off();
    let mut session = Session::by(&mut command, board, &logs)?;
    let layers = usize::from(session.identity().layers);
    // Each twice: the second leaves out what happens once only.
    for mode in [Mode::Whole, Mode::Layers, Mode::Whole, Mode::Layers] {
        if let Err(error) = session.infer_untimed(input, mode) {
            return Ok(Err(format!("with this computer's clock, {error:#}")));
        }
    }
    drop(session);
    let estimates = Estimates::read(&out)?;
    let (total, layers) = parts(&estimates, layers)?;
    Ok(Ok(Estimate { priced: estimator.priced(), model: estimates.model, total, layers }))
}

/// The same command with this computer's clock: QEMU does not count instructions for plugins.
fn without_icount(command: &Command) -> Command {
    let mut other = Command::new(command.get_program());
    let mut arguments = command.get_args();
    while let Some(argument) = arguments.next() {
        if argument == "-icount" {
            arguments.next();
        } else {
            other.arg(argument);
        }
    }
    other
}

/// The whole and its layers, from the last runs, less what the marks themselves take. That is what the firmware shows at
/// its start, where it times nothing and two empty layers to learn what timing costs.
fn parts(estimates: &Estimates, layers: usize) -> anyhow::Result<(Counts, Vec<Counts>)> {
    let marks: Vec<usize> = estimates.marks().collect();
    let place = |text: &[usize], last: bool| {
        let mut windows = marks.windows(text.len());
        let found =
            if last { windows.rposition(|window| window == text) } else { windows.position(|window| window == text) };
        found.context("the firmware did not pass its marks as it should")
    };
    let run = |count: usize| [vec![START], vec![LAYER; count], vec![STOP]].concat();
    let (empty, laps) = (place(&run(0), false)?, place(&run(2), false)?);
    let (whole, observed) = (place(&run(0), true)?, place(&run(layers), true)?);
    ensure!(whole > laps && observed > laps, "the firmware ran nothing between its marks");
    let total = estimates.between(whole, whole + 1)?.less(&estimates.between(empty, empty + 1)?);
    let layer = |index: usize| {
        // The way into the first differs from that into the others.
        let idle = laps + index.min(1);
        let spent = estimates.between(observed + index, observed + index + 1)?;
        Ok(spent.less(&estimates.between(idle, idle + 1)?))
    };
    let layers: anyhow::Result<Vec<Counts>> = (0..layers).map(layer).collect();
    Ok((total, layers?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_gets_this_computers_clock() {
        let mut command = Command::new("qemu-system-arm");
        command.args(["-machine", "m", "-icount", "shift=8", "-kernel", "f"]);
        let other = without_icount(&command);
        assert_eq!(other.get_program(), "qemu-system-arm");
        assert_eq!(other.get_args().collect::<Vec<_>>(), ["-machine", "m", "-kernel", "f"]);
    }

    /// A run of the marks, in which each passing comes so many instructions after the one before.
    fn passed(steps: &[(usize, u64)]) -> Estimates {
        let mut text = String::from("{\"core\":\"c\",\"model\":\"m\",\"classes\":[\"data\"]}\n");
        let mut sum = 0;
        for (mark, step) in steps {
            sum += step;
            text += &format!("{{\"mark\":{mark},\"taken\":0,\"instructions\":[{sum}],\"cycles\":[{}]}}\n", 2 * sum);
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("out"), text).unwrap();
        Estimates::read(&folder.path().join("out")).unwrap()
    }

    #[test]
    fn what_marks_take_is_taken_off() {
        // Nothing, two empty layers, a whole of two layers, its layers.
        let mut steps = vec![(START, 9), (STOP, 3), (START, 9), (LAYER, 5), (LAYER, 7), (STOP, 8)];
        steps.extend([(START, 90), (STOP, 1003), (START, 9), (LAYER, 405), (LAYER, 607), (STOP, 8)]);
        let (total, layers) = parts(&passed(&steps), 2).unwrap();
        assert_eq!((total.instructions, total.cycles), (1000, 2000));
        assert_eq!(layers.iter().map(|layer| layer.instructions).collect::<Vec<_>>(), [400, 600]);
        assert!(parts(&passed(&steps[..6]), 2).is_err(), "nothing was run");
        assert!(parts(&passed(&steps), 3).is_err(), "another number of layers");
    }
}
