//! Costs are predicted from measurements: whole models within a few percent, and of a layer's forms the one is chosen
//! that was measured best, or as good as.

use niwaki_pack::cost::{CORES, Cost, Job, Sample, Set, Table, predict};

/// The models whose layers were measured apart from what costs are fitted to.
const MODELS: [&str; 4] = ["KWS", "IC", "VWW", "AD"];

fn tables() -> impl Iterator<Item = (&'static str, &'static Table)> {
    CORES.into_iter().map(|core| (core, Table::of(core).unwrap_or_else(|| panic!("{core} was not measured"))))
}

/// How far off a prediction of a whole model may be.
const ERROR: f64 = 0.05;

/// How much more than the best form the planned one may take.
const LOSS: f64 = 0.03;

/// What counts on a core: cycles where they were estimated.
fn value(cost: Cost) -> f64 {
    cost.cycles.unwrap_or(cost.instructions)
}

/// The form that is planned for a layer.
fn planned<'a>(table: &Table, forms: &[&'a Sample]) -> &'a Sample {
    let jobs: Vec<Job> = forms.iter().map(|sample| sample.job.clone()).collect();
    forms[table.choose(&jobs).unwrap()]
}

/// Measured and predicted cost of a model whose convolutions and fully connected layers have this percentage of blocks.
fn model(table: &Table, name: &str, density: f64) -> [f64; 2] {
    let groups = table.alternatives();
    let of = |forms: &&Vec<&Sample>| forms[0].set == Set::Model(name.into());
    let mut sums = [0.0; 2];
    for forms in groups.iter().filter(of) {
        // Layers whose weights have no blocks were measured once.
        let kernel = forms[0].job.kernel();
        let blocks = forms[0].job.terms() > 0 && !kernel.contains("depthwise");
        if forms[0].density != if blocks { density } else { 100.0 } {
            continue;
        }
        let sample = planned(table, forms);
        let predicted = table.kernel(&sample.job).unwrap();
        for (sum, cost) in sums.iter_mut().zip([sample.cost(), predicted]) {
            *sum += value(cost) * sample.times as f64;
        }
    }
    sums
}

#[test]
fn whole_models_are_predicted() {
    let mut wrong = Vec::new();
    for (core, table) in tables() {
        for name in MODELS {
            for density in [100.0, 50.0, 25.0] {
                let [measured, predicted] = model(table, name, density);
                let error = predicted / measured - 1.0;
                println!(
                    "{core} {name} at {density} %: {measured:.0}, predicted {predicted:.0}, {:.1} %",
                    error * 100.0
                );
                if measured == 0.0 || error.abs() > ERROR {
                    wrong.push(format!("{core} {name} at {density} %: {:.1} %", error * 100.0));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What there is to choose from: of a model's layer all forms, of another the dense ones and one with fewer blocks, as each
/// form's own blocks were dropped.
fn choices_of<'a>(forms: &[&'a Sample]) -> Vec<Vec<&'a Sample>> {
    if forms[0].set != Set::Fit {
        return if forms.len() > 1 { vec![forms.to_vec()] } else { Vec::new() };
    }
    let (dense, sparse): (Vec<&Sample>, Vec<&Sample>) = forms.iter().partition(|sample| sample.job.blocks.is_none());
    sparse.into_iter().map(|one| dense.iter().copied().chain([one]).collect()).collect()
}

/// But for what predictions cannot tell: a few percent, or a hundred instructions or cycles.
#[test]
fn the_slower_form_is_never_planned() {
    let (mut wrong, mut choices, mut sparse) = (Vec::new(), 0, 0);
    for (core, table) in tables() {
        for forms in table.alternatives().iter().flat_map(|forms| choices_of(forms)) {
            let forms = &forms;
            let chosen = planned(table, forms);
            let fastest = forms.iter().min_by(|a, b| a.cost().compare(&b.cost())).unwrap();
            let (taken, best) = (value(chosen.cost()), value(fastest.cost()));
            choices += 1;
            sparse += usize::from(chosen.job.blocks.is_some());
            if taken > best * (1.0 + LOSS) && taken > best + 100.0 {
                wrong.push(format!("{core}: {} instead of {}", chosen.line(), fastest.line()));
            }
        }
    }
    // Both happen, or this would prove nothing.
    assert!(sparse > 50 && choices - sparse > 50, "{sparse} of {choices} are sparse");
    assert!(wrong.is_empty(), "{} of {choices}: {wrong:#?}", wrong.len());
}

#[test]
fn what_is_not_known_is_said() {
    let error = predict(&[], "cortex-x").unwrap_err().to_string();
    assert!(error.contains("cortex-x") && error.contains("cortex-m4"), "{error}");
    assert!(predict(&[], "cortex-m4f").unwrap_err().to_string().contains("cannot be read"));
    let none = Table::parse("cortex-m4", "# core: cortex-m4\n");
    assert_eq!((none.head("core"), none.samples().len()), (Some("cortex-m4"), 0));
}

#[test]
fn a_line_of_a_table_is_read_as_it_was_written() {
    let (_, table) = tables().next().unwrap();
    let text: String = table.samples().iter().map(|sample| sample.line() + "\n").collect();
    assert_eq!(Table::parse("x", &text).samples(), table.samples());
}
