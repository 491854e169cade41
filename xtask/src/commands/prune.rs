//! `prune`: prunes a model, fine-tunes it, and leaves both float networks.

use crate::{
    model::{Model, ModelArgs},
    output,
    workplace::Workplace,
};

/// Prune a model and fine-tune it, by its recipe
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    let model = Model::find(work, &args.model.model)?;
    let result = model.step(work, "prune", &args.model)?;
    // What it wrote has been said.
    output::result(work, &result, String::new)
}
