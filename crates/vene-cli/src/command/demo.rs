//! `vene demo`: the tutorial's experiment, end to end, on the model that ships inside.

use std::path::{Path, PathBuf};

use clap::Args;
use vene::plan_file::{DataSection, ExperimentKind, Sections, SweepSection};
use vene::{Executor, Forked};

use super::top;
use crate::arguments::{Given, read};
use crate::experiment::{self, Experiment};
use crate::folder::{Folder, Purpose, named_by_time};
use crate::record::Kind;
use crate::terminal;

const BASE: &str = "The capital of Spain is";
const SOURCE: &str = "The capital of Italy is";

/// The tutorial's experiment on the model that ships inside: nothing to download
#[derive(Args)]
#[command(long_about = "\
The factual-recall experiment of pyvene's tutorial, on the small model that ships inside vene.

The model completes \"The capital of Spain is\" and \"The capital of Italy is\". Then, layer by layer \
and position by position, what the MLP gave (mlp_output) or what attention read (attention_input) in \
the run on Italy replaces what it was in the run on Spain: where does Madrid become Rome? It writes a \
table, two figures and a record.")]
pub struct Arguments {
    /// The folder for table, figures and record [default: vene-out/demo- and the time]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Replace the run that is in the folder, if there is one
    #[arg(long)]
    force: bool,
}

impl Arguments {
    pub fn run(&self, given: &Given) -> anyhow::Result<()> {
        let (out, force) = (read!(given, self => out), *read!(given, self => force));
        given.check("the demo", &[])?;
        let out = out.clone().map_or_else(|| named_by_time(Path::new("demo")), Ok)?;
        let folder = Folder::claim(&out, Purpose::New { kind: Kind::Demo, force })?;
        let run = experiment::of_pair(&mut tutorial()?)?;
        run.run_in(Kind::Demo, &folder, |finished, written| {
            let prompts = [finished.model.prompt(BASE)?, finished.model.prompt(SOURCE)?];
            let told = Forked::new(&finished.model).predict(&prompts.each_ref())?;
            let mut text = String::new();
            for (prompt, distribution) in prompts.iter().zip(&told) {
                text.push_str(&top::listing(&finished.model, prompt, distribution, 10));
                text.push('\n');
            }
            text.push_str(&finished.summary());
            text.push_str(&written.listing(&folder));
            text.push_str(NEXT);
            terminal::print(&text)
        })
    }
}

/// The tutorial's sweep.
fn tutorial() -> anyhow::Result<Experiment> {
    let mut experiment = Experiment::of_line(ExperimentKind::Sweep, Given::default())?;
    let texts = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
    experiment.sections = Sections {
        data: Some(DataSection {
            base: Some(BASE.to_owned()),
            sources: vec![SOURCE.to_owned()],
            ..DataSection::default()
        }),
        sweep: Some(SweepSection {
            components: texts(["mlp_output", "attention_input"]),
            tokens: texts([" Madrid", " Rome"]),
            ..SweepSection::default()
        }),
        ..Sections::default()
    };
    Ok(experiment)
}

const NEXT: &str = "
To go on:
  vene top \"The currency of Japan is the\"        what does the model say next?
  vene sites                                     what can be read and edited, and what it is called elsewhere
  vene sweep --component head_attention_value_output --base \"The capital of Spain is\" \\
    --source \"The capital of Italy is\" --token \" Madrid\" --token \" Rome\" --out heads
                                                 which heads carry the capital?
  --model HuggingFaceTB/SmolLM2-135M             the same on a published model
";
