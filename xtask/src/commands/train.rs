//! `train`: trains a model from scratch and leaves its weights.

use crate::{
    model::{Model, ModelArgs},
    output,
    workplace::Workplace,
};

/// Train a model from scratch, by its recipe
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
}

pub(crate) fn run(work: &Workplace, args: &Args) -> anyhow::Result<()> {
    let model = Model::find(work, &args.model.model)?;
    let result = model.step(work, "train", &args.model)?;
    // What it wrote has been said.
    output::result(work, &result, String::new)
}
