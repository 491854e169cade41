//! What a model's command line shows without pruning for good: a dry run, sensitivity, tables, quantisation errors.

use crate::engine::{self, Amount, Cell, Keep, LayerError, Row, Stage};
use crate::{CompileError, Context, Project, fit::Target, hash, street};
use burn::module::Module;
use niwaki_graph::Graph;
use niwaki_prune::{Curves, Importance, Report, Structure, groups, live_macs, lossless, sites};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// What could be pruned, what that saves on a core, and what the recipe's first stage would remove in one step.
pub(crate) fn dry_run<M: Module>(
    project: &Project<M>,
    context: &mut Context,
    target: &Target,
) -> Result<serde_json::Value, CompileError> {
    let data = (project.data)().map_err(CompileError::Data)?;
    let (unpruned, _) = street::trained(project, context, &data)?;
    let (_, dead) = lossless(&unpruned)?;
    let stage = first_stage(context)?;
    let tile = context.recipe.prune.tile;
    // One step of the engine, without training.
    context.recipe.fine_tune.epochs = 0;
    context.recipe.prune.floor = None;
    let (start, mut bench) = street::bench(project, context, &data, &unpruned)?;
    bench.teacher = Some(unpruned.clone());
    let coupled = groups(&start)?;
    let found = sites(&start, stage.structure)?;
    eprintln!(
        "dead, and removed exactly: {} channels that are zero or unread, {} that are constant\n",
        dead.silent, dead.constant
    );
    eprintln!("coupled groups:\n{coupled}");
    let (instructions, freed) = engine::freed_instructions(&start, &coupled, tile, target)?;
    eprintln!("instructions on {}, predicted: {instructions}; of these would leave", target.core);
    for freed in &freed {
        let percent = 100.0 * freed.instructions as f64 / instructions.max(1) as f64;
        eprintln!("  with {} units of {}: {} ({percent:.1} %)", freed.units, freed.group, freed.instructions);
    }
    eprintln!();
    if !matches!(stage.structure, Structure::Channels | Structure::Neurons) {
        eprintln!("{}:\n{found}", stage.structure);
    }
    let once = Stage { steps: 1, ..stage.clone() };
    let scores = match bench.scores.take() {
        Some(saved) => saved.for_sites(&found)?,
        None => engine::score(&start, &found, once.importance, 0.5, &mut bench)?,
    };
    eprintln!("scores by {}:", once.importance);
    for (site, scores) in found.sites.iter().zip(&scores.groups) {
        eprintln!("{}: {}", site.name, spread(scores));
    }
    let pruned = engine::prune(&start, &[once], &mut bench, None)?;
    let report = Report::new(&unpruned, &pruned.graph);
    eprintln!("\n{report}");
    let (before, after) = (live_macs(&unpruned), live_macs(&pruned.graph));
    eprintln!("multiply-accumulates by weights that are not zero: {before} -> {after}");
    let freed = serde_json::json!({ "core": target.core, "before": instructions, "groups": freed });
    Ok(serde_json::json!({
        "groups": coupled, "instructions": freed, "report": report, "live_macs": [before, after]
    }))
}

fn spread(scores: &[f32]) -> String {
    let mut sorted = scores.to_vec();
    sorted.sort_by(f32::total_cmp);
    match sorted.as_slice() {
        [] => "none".into(),
        all => format!("least {:.4}, median {:.4}, most {:.4}", all[0], all[all.len() / 2], all[all.len() - 1]),
    }
}

fn first_stage(context: &Context) -> Result<Stage, CompileError> {
    let stages = context.recipe.prune.stages();
    Ok(stages.into_iter().next().unwrap_or_else(|| Stage { amount: Amount::Ratio(0.0), ..Stage::ratio(0.0) }))
}

/// `sensitivity.json`.
#[derive(Serialize, Deserialize)]
struct SavedCurves {
    key: String,
    structure: Structure,
    importance: Importance,
    curves: Curves,
}

/// Measures the sensitivity of every layer, or shows what was measured before of the same network.
pub(crate) fn sensitivity<M: Module>(
    project: &Project<M>,
    context: &mut Context,
) -> Result<serde_json::Value, CompileError> {
    let data = (project.data)().map_err(CompileError::Data)?;
    let (unpruned, _) = street::trained(project, context, &data)?;
    let stage = first_stage(context)?;
    let key = hash::keyed(&hash::recipe_hash(project, context, &unpruned, &data));
    let file = context.out.join("sensitivity.json");
    let stored = std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice::<SavedCurves>(&bytes).ok());
    let saved = match stored.filter(|saved| saved.key == key) {
        Some(saved) => saved,
        None => {
            let (start, mut bench) = street::bench(project, context, &data, &unpruned)?;
            bench.teacher = Some(unpruned.clone());
            let found = sites(&start, stage.structure)?;
            let scores = engine::score(&start, &found, stage.importance, 0.5, &mut bench)?;
            let curves = engine::sensitivity(&start, &found, &scores, &bench)?;
            SavedCurves { key, structure: stage.structure, importance: stage.importance, curves }
        }
    };
    let json = serde_json::to_vec_pretty(&saved).expect("curves have string keys only");
    niwaki_pack::artefact::write_atomically(&file, &json)?;
    eprintln!("loss {:.4}; with this share of one layer's {} gone:", saved.curves.loss, saved.structure);
    for (site, curve) in &saved.curves.sites {
        let points: Vec<String> = curve.iter().map(|(ratio, loss)| format!("{ratio:.2}: {loss:.4}")).collect();
        eprintln!("{site}: {}", points.join(", "));
    }
    Ok(serde_json::json!({ "sensitivity": saved.curves, "written": [file] }))
}

/// What a table is made of.
pub(crate) struct Grid {
    pub(crate) importances: Vec<Importance>,
    /// Structures one after the other, joined by `+`.
    pub(crate) structures: Vec<Vec<Structure>>,
    /// Shares of the multiply-accumulates left.
    pub(crate) left: Vec<f64>,
}

/// Quality against multiply-accumulates left.
pub(crate) fn table<M: Module>(
    project: &Project<M>,
    context: &mut Context,
    grid: &Grid,
) -> Result<serde_json::Value, CompileError> {
    let data = (project.data)().map_err(CompileError::Data)?;
    let (unpruned, _) = street::trained(project, context, &data)?;
    let template = first_stage(context)?;
    // Each stop goes on from the one before, so none may be undone; and scores of one stop are not those of another.
    (context.recipe.prune.floor, context.recipe.prune.scores) = (None, None);
    let key = hash::keyed(&hash::recipe_hash(project, context, &unpruned, &data));
    let folder = context.out.clone();
    let quantise = context.recipe.quantise.clone();
    let mut rows = Vec::new();
    for structures in &grid.structures {
        rows.extend(
            grid.importances.iter().map(|importance| Row { importance: *importance, structures: structures.clone() }),
        );
    }
    let (start, mut bench) = street::bench(project, context, &data, &unpruned)?;
    let keep = Keep { folder: &folder, key: &key };
    eprintln!(
        "{:<18} {:<16} {:>7} {:>7} {:>6} {:>8} {:>8} {:>8}",
        "importance", "structures", "asked", "left", "epochs", "float", "int8", "seconds"
    );
    let mut done = |cell: &Cell| eprintln!("{}", line(cell));
    let cells = engine::table(&start, (&rows, &grid.left), &template, (&data, &quantise), &mut bench, keep, &mut done)?;
    Ok(serde_json::json!({ "table": cells, "written": [folder.join("table.json")] }))
}

fn line(cell: &Cell) -> String {
    let structures: Vec<String> = cell.row.structures.iter().map(Structure::to_string).collect();
    let mut line = format!(
        "{:<18} {:<16} {:>5.0} % {:>5.1} % {:>6} {:>6.2} % {:>6.2} % {:>8.0}",
        cell.row.importance.to_string(),
        structures.join("+"),
        100.0 * cell.wanted,
        100.0 * cell.left,
        cell.epochs,
        100.0 * cell.float,
        100.0 * cell.int8,
        cell.seconds
    );
    for more in &cell.more {
        let (float, int8) = (100.0 * more.float, 100.0 * more.int8);
        line += &format!("\n  {} ({}): float {float:.2} %, int8 {int8:.2} %", more.name, more.samples);
    }
    line
}

/// Each layer's quantisation error, its own and accumulated, of the network before and after pruning.
pub(crate) fn explain<M: Module>(
    project: &Project<M>,
    context: &mut Context,
) -> Result<serde_json::Value, CompileError> {
    let data = (project.data)().map_err(CompileError::Data)?;
    street::prune(project, context)?;
    let mut all: BTreeMap<&str, Vec<LayerError>> = BTreeMap::new();
    for (name, file) in [("unpruned", street::UNPRUNED_GRAPH), ("pruned", street::PRUNED_GRAPH)] {
        let path: PathBuf = context.out.join(file);
        let errors = engine::explain(&Graph::load(&path)?, &data, &context.recipe.quantise, &context.device)?;
        eprintln!(
            "{name}: relative error of int8, per layer\n{:<28} {:<10} {:>9} {:>12}",
            "layer", "op", "own", "accumulated"
        );
        for error in &errors {
            let (own, accumulated) = (100.0 * error.own, 100.0 * error.accumulated);
            eprintln!("{:<28} {:<10} {own:>7.3} % {accumulated:>10.3} %", error.layer, error.kind);
        }
        all.insert(name, errors);
    }
    Ok(serde_json::json!({ "errors": all }))
}
