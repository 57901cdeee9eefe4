//! `vene collect`: activations of prompts into a safetensors file.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use candle_core::{DType, Tensor};
use clap::Args;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::json;
use vene::plan::ResolvedPlan;
use vene::{Component, Example, Forked, Model, Outline, Plan, PlanError, Positions, Prompt};

use crate::arguments::{Given, must_end_with, prompt_text, read};
use crate::folder::OutputFile;
use crate::model::{self, ModelArgument, RunArguments};
use crate::selection::{self, Places};
use crate::terminal;

/// Activations of prompts, into a safetensors file
#[derive(Args)]
#[command(
    long_about = "\
Runs prompts and keeps what components show, as 32-bit floats in one safetensors file: tensor \
`{prompt}/{component}/{layer}` (`0/mlp_output/3`; `0/final_norm` for components that a model has once), of \
shape [position, width], or [head, query, key] for attention_score and attention_weight. Its metadata has one \
entry, `vene`: JSON with the prompts, their token ids and texts, the positions, and the model with the SHA-256 of \
its weights.",
    after_help = "\
Examples:
  vene collect --component mlp_output --layers 0..4 \"The capital of Spain is\" \\
    --out spain.safetensors
  vene collect --component block_output,attention_weight \"One prompt\" \"Another\" \\
    --out two.safetensors

A prompt `@FILE` is the text of a file, `-` that of standard input (without the line break at its end), and `@@`
stands for a text's own @."
)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArgument,

    /// What is kept, e.g. mlp_output,attention_weight (`vene sites` lists them)
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', required = true)]
    component: Vec<String>,

    /// In which layers: 0..12 (0 to 11), 0,3,5, -1 (the last), or a mix [default: all]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    layers: Option<String>,

    /// At which positions: all, last, 0,3,-1 or 0..4; attention patterns only whole
    #[arg(long, value_name = "LIST", default_value = "all", allow_hyphen_values = true)]
    positions: String,

    #[command(flatten)]
    run: RunArguments,

    /// The file to write, NAME.safetensors
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Overwrite the file if it is there already
    #[arg(long)]
    force: bool,

    /// The texts to be run
    #[arg(required = true, value_name = "PROMPT", value_parser = prompt_text)]
    prompts: Vec<String>,
}

/// A site's name in the file, and its values.
type Named = (String, Tensor);

impl Arguments {
    pub fn run(&self, given: &Given) -> anyhow::Result<()> {
        let file = claim(read!(given, self => out), *read!(given, self => force))?;
        let texts = read!(given, self => prompts);
        let bos = *read!(given, self.run => bos);
        let precision = *read!(given, self.run => precision);
        let outline = self.model.read(given).open()?;
        let sites = self.sites(given, &outline)?;
        let positions = read!(given, self => positions);
        let positions = selection::positions(positions, outline.config().context)?;
        given.check("a collection of activations", &[])?;
        let plans = texts
            .iter()
            .enumerate()
            .map(|(index, text)| {
                let prompt =
                    outline.prompt_with(text, bos).with_context(|| format!("prompt {index}"))?;
                model::warn_about_bos(&outline, &prompt);
                let plan = plan(&sites, &positions);
                let plan = plan.resolve(&outline, &[Example::new(prompt.clone())]);
                Ok((prompt, plan.map_err(|error| of_prompt(index, error))?))
            })
            .collect::<anyhow::Result<Vec<(Prompt, ResolvedPlan)>>>()?;
        let model = model::load(outline, precision)?;

        let bar = terminal::bar(plans.len(), "prompts");
        let mut kept = Vec::new();
        for (index, (_, plan)) in plans.iter().enumerate() {
            kept.extend(collect(&model, &sites, index, plan)?);
            bar.inc(1);
        }
        bar.finish_and_clear();
        let bytes = serialize(&kept, self.description(&model, &plans)?)?;
        file.write(|file| Ok(file.write_all(&bytes)?))?;
        let mut text = format!("Written: {}\n", self.out.display());
        for (name, tensor) in &kept {
            text.push_str(&format!("  {name} {:?}\n", tensor.dims()));
        }
        terminal::print(&text)
    }

    fn sites(
        &self,
        given: &Given,
        outline: &Outline,
    ) -> anyhow::Result<Vec<(Component, Option<usize>)>> {
        let components = read!(given, self => component);
        let layers = read!(given, self => layers).as_deref();
        let places = Places::named(components, layers, outline.config())?;
        let sites = places.components.iter().flat_map(|&component| {
            let layers: Vec<Option<usize>> = match component.per_layer() {
                true => places.layers.iter().copied().map(Some).collect(),
                false => vec![None],
            };
            layers.into_iter().map(move |layer| (component, layer))
        });
        Ok(sites.collect())
    }

    fn description(
        &self,
        model: &Model,
        plans: &[(Prompt, ResolvedPlan)],
    ) -> anyhow::Result<String> {
        let prompts = plans.iter().map(|(prompt, _)| {
            json!({
                "text": prompt.text(),
                "bos": prompt.has_bos(),
                "token_ids": prompt.tokens(),
                "tokens": prompt.tokens().iter().map(|&id| model::token_text(model, id)).collect::<Vec<_>>(),
            })
        });
        Ok(json!({
            "vene": env!("CARGO_PKG_VERSION"),
            "model": model::record(model, &self.model.model)?,
            "prompts": prompts.collect::<Vec<_>>(),
            "positions": self.positions,
            "precision": self.run.precision.name(),
        })
        .to_string())
    }
}

/// The file, in a folder that is made where there is none.
fn claim(out: &Path, force: bool) -> anyhow::Result<OutputFile> {
    if out.file_name().is_some() {
        must_end_with(out, &["safetensors"])?;
    }
    OutputFile::claim_in_new_folder(out, force)
}

/// What is wrong with a prompt's plan, which knows it as the base of its only example.
fn of_prompt(index: usize, error: PlanError) -> anyhow::Error {
    match error {
        PlanError::Position { error, .. } => {
            anyhow::Error::new(error).context(format!("prompt {index}"))
        }
        error => error.into(),
    }
}

fn plan(sites: &[(Component, Option<usize>)], positions: &Positions) -> Plan {
    sites.iter().fold(Plan::new(), |plan, &(component, layer)| {
        plan.collect(component, layer, positions.clone())
    })
}

fn collect(
    model: &Model,
    sites: &[(Component, Option<usize>)],
    index: usize,
    plan: &ResolvedPlan,
) -> anyhow::Result<Vec<Named>> {
    let outcome = Forked::new(model).run(plan)?;
    let collected = outcome.examples.into_iter().flat_map(|example| example.collected);
    let named = sites.iter().zip(collected).map(|((component, layer), tensor)| {
        let name = match layer {
            Some(layer) => format!("{index}/{component}/{layer}"),
            None => format!("{index}/{component}"),
        };
        (name, tensor)
    });
    Ok(named.collect())
}

/// The file's bytes. All notes stand in one entry: safetensors keeps its entries in no order, and
/// the same run should give the same file.
fn serialize(kept: &[Named], description: String) -> anyhow::Result<Vec<u8>> {
    let values = kept
        .iter()
        .map(|(name, tensor)| {
            let values: Vec<f32> = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            Ok((name, tensor.dims().to_vec(), bytes))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let views = values
        .iter()
        .map(|(name, shape, bytes)| {
            Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let notes = HashMap::from([("vene".to_owned(), description)]);
    Ok(safetensors::serialize(views, Some(notes))?)
}
