//! `pack`: quantises both networks and leaves a blob and test data for each.

use crate::{
    model::{Model, ModelArgs},
    output, report, variant,
    workplace::Workplace,
};

/// Quantise a model and pack it into blobs, before and after pruning
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    let model = Model::find(work, &args.model.model)?;
    let result = model.step(work, "pack", &args.model)?;
    let report = variant::report(work, &model)?;
    output::result(work, &result, || report::host(&report))
}
