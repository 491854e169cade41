//! Costs are predicted from measurements: whole models within a few percent, and the choice of a layout is the measured
//! best one or as good as.

use niwaki_pack::cost::{CORES, Cost, Sample, Set, Table};

/// The four models whose layers were measured apart.
use std::env;

const MODELS: [&str; 4] = ["KWS", "IC", "VWW", "AD"];

fn tables() -> impl Iterator<Item = (&'static str, &'static Table)> {
    CORES
        .into_iter()
        .filter(|c| env::var("CORE").is_ok_and(|x| x == "all" || &x == c))
        .map(|core| (core, Table::of(core).unwrap_or_else(|| panic!("{core} was not measured"))))
}

/// What counts on a core: cycles where they were estimated.
fn value(cost: Cost) -> f64 {
    cost.cycles.unwrap_or(cost.instructions)
}

/// The form that is planned for a layer, by its number.
fn planned<'a>(table: &Table, forms: &[&'a Sample]) -> &'a Sample {
    let jobs: Vec<_> = forms.iter().map(|sample| sample.job.clone()).collect();
    forms[table.choose(&jobs).unwrap()]
}

#[test]
fn errors_of_kernels() {
    for (core, table) in tables() {
        let mut kernels: std::collections::BTreeMap<String, Vec<(f64, &Sample)>> = Default::default();
        for sample in table.samples() {
            let predicted = table.kernel(&sample.job);
            let error = predicted.map_or(f64::NAN, |p| value(p) / value(sample.cost()) - 1.0);
            let set = if sample.set == Set::Fit { "" } else { "CHECK " };
            kernels.entry(format!("{set}{}", sample.job.kernel())).or_default().push((error, sample));
        }
        for (name, errors) in kernels {
            let rms = (errors.iter().map(|(e, _)| e * e).sum::<f64>() / errors.len() as f64).sqrt();
            let worst = errors.iter().max_by(|a, b| a.0.abs().total_cmp(&b.0.abs())).unwrap();
            println!(
                "{core} {name}: {} rms {:.1} % worst {:.1} % {}",
                errors.len(),
                rms * 100.0,
                worst.0 * 100.0,
                worst.1.line()
            );
        }
    }
}

/// Of every layer in its best form, as planned; dense, and with a quarter of the blocks.
#[test]
fn whole_models_are_predicted_within_five_percent() {
    let mut wrong = Vec::new();
    for (core, table) in tables() {
        for model in MODELS {
            for density in [100.0, 50.0, 25.0] {
                let set = Set::Model(model.into());
                let groups = table.alternatives();
                let layers = groups.iter().filter(|forms| forms[0].set == set);
                let (mut measured, mut predicted) = (0.0, 0.0);
                for forms in layers.filter(|forms| forms[0].density == density || forms[0].density == 100.0) {
                    // A layer without weights has one density.
                    let denser = forms[0].density == 100.0 && density < 100.0;
                    if denser
                        && !["add", "avg", "max", "softmax", "depthwise"]
                            .iter()
                            .any(|kind| forms[0].job.kernel().contains(kind))
                    {
                        continue;
                    }
                    let sample = planned(table, forms);
                    measured += value(sample.cost()) * sample.times as f64;
                    predicted += value(table.kernel(&sample.job).unwrap()) * sample.times as f64;
                }
                let error = predicted / measured - 1.0;
                println!("{core} {model} {density} %: {measured:.0} {predicted:.0} {:.1} %", error * 100.0);
                if error.abs() > 0.05 {
                    wrong.push(format!("{core} {model} at {density} %: {:.1} %", error * 100.0));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The form that is chosen takes at most a hundredth more than the best.
#[test]
fn the_choice_is_never_the_slower_one() {
    let (mut wrong, mut choices) = (Vec::new(), 0);
    for (core, table) in tables() {
        for forms in table.alternatives().iter().filter(|forms| forms.len() > 1 && forms[0].set != Set::Fit) {
            choices += 1;
            let chosen = planned(table, forms);
            let fastest = forms.iter().min_by(|a, b| a.cost().compare(&b.cost())).unwrap();
            let loss = value(chosen.cost()) / value(fastest.cost()) - 1.0;
            if loss > 0.01 {
                wrong.push(format!(
                    "{core}: {:.1} % more than needed: {} instead of {}",
                    loss * 100.0,
                    chosen.line(),
                    fastest.line()
                ));
            }
        }
    }
    println!("{choices} choices");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
