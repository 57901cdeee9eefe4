//! A prompt, continued under a plan.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, bail};
use vene::generation::NewToken;
use vene::plan::ResolvedPlan;
use vene::{Example, Generator, Outline, Plan, Prompt};

use super::{Delivery, Experiment, key};
use crate::arguments::{ReadBy, in_prompt, read};
use crate::generation::{Job, folder};
use crate::plan_given;
use crate::prompts;
use crate::record::{Kind, RECORD};
use crate::{interrupt, model, terminal};

/// What is read by what, where not all of it always is.
const READ_BY: &ReadBy = &[
    ("set", "with --plan"),
    ("force", "with --out, or where something is collected"),
    ("layers", "with --collect"),
    (
        "[model] another",
        "with a --plan that was made for another model of the same shape and tokenizer",
    ),
    ("[data] sources", "with --plan, as far as the plan's edits read sources"),
    ("[read] original", "with --plan"),
    ("[data] spans", "with a --plan whose positions are roles"),
    ("[data] source_spans", "with a --plan whose positions are roles, and a source"),
    ("[data] path", BY_TRAINING),
    ("[data] task", BY_TRAINING),
    ("[data] rows", BY_TRAINING),
    ("[data] seed", BY_TRAINING),
    ("[data] counterfactual", BY_TRAINING),
    ("[data] target", "by `vene run`, since a text has no answer"),
    ("[data] foil", "by `vene run`, since a text has no answer"),
    (
        "[read] positions",
        "by `vene train` and by programs, since a text goes on after its last token",
    ),
    ("[read] logits_of", "by `vene run`, and by programs (the library)"),
    ("[read] probabilities_of", "by `vene run`, and by programs (the library)"),
];

const BY_TRAINING: &str =
    "by `vene train`, since one prompt is continued: `base` in [data], or `prompt` in [generate]";

pub(super) fn run(mut experiment: Experiment, delivery: &Delivery) -> anyhow::Result<()> {
    account_of_plan(&experiment);
    let (name, outline) = experiment.open()?;
    let plan = experiment.plan(&outline)?;
    let job = job(&experiment, &outline, plan)?;
    let precision = key!(experiment, model.precision).unwrap_or_default();
    let json = *read!(experiment.given, delivery => json);
    // What is collected goes into a folder in any case.
    let has_folder =
        read!(experiment.given, delivery => out).is_some() || folder::collects(&job.plan);
    if !json && !has_folder && experiment.given.is_said_here("generate", "top_logprobs") {
        bail!(
            "--top-logprobs would change nothing in a text that is printed: it is read only with --json or --out; leave it out"
        );
    }
    let spec = experiment.spec(&name)?;
    let claimed =
        has_folder.then(|| delivery.claim_folder(&experiment, Kind::Generation)).transpose()?;
    experiment.given.check("a generation", READ_BY)?;
    refuse_same_texts(&job.plan)?;
    folder::check(&job.plan)?;
    let is_plan = |file: &Path| file.file_name().is_none_or(|name| name != RECORD);
    if experiment.file().is_some_and(is_plan) && job.plan.edits().is_empty() {
        terminal::warn(
            "the plan has no edits of the prompt's run ([[edit]]): the text is what the model writes anyway",
        );
    }
    if claimed.is_none() {
        interrupt::advise("the text ends here; a generation is begun anew".to_owned());
    }
    let model = model::load(outline, precision)?;
    let generation = if let Some(claimed) = claimed {
        folder::write(&job, &model, &spec, &claimed, json)?
    } else if json {
        let mut go_on = |_: &NewToken<'_>| ControlFlow::Continue(());
        let generation = job.generator.run(&model, &job.plan, &mut go_on)?;
        terminal::print_json(&job.record(&model, &name, &generation)?)?;
        generation
    } else {
        job.stream(&model, &mut |_| ControlFlow::Continue(()))?
    };
    job.warn(&model, &generation);
    Ok(())
}

/// Says what of a plan a generation reads whatever the prompt.
fn account_of_plan(experiment: &Experiment) {
    let given = &experiment.given;
    // The library refuses [grid] in its own words.
    for section in ["edit", "collect", "grid"] {
        given.read_section(section);
    }
    // Known to be for other commands.
    for section in ["measure", "statistics", "sweep", "tensors", "circuit"] {
        given.skip_section(section);
    }
    given.skip_of_plan("limits", &["executor"]);
    if experiment.file().is_some() {
        given.read_of_plan("read", &["original"]);
    }
    // [train] is for `vene train`, and with it what a plan is trained on and where its answers are read.
    if experiment.sections.train.is_some() {
        given.skip_section("train");
        given.skip_of_plan("data", &["path", "task", "rows", "seed", "counterfactual"]);
        given.skip_of_plan("read", &["positions"]);
    }
}

fn job(experiment: &Experiment, outline: &Outline, plan: Plan) -> anyhow::Result<Job> {
    let form = prompts::form(experiment);
    // Whichever of the two it is, the other one was looked for.
    let in_data = key!(experiment, data.base);
    let Some(prompt) = key!(experiment, generate.prompt).or(in_data) else {
        bail!("there is no prompt: give one, or name it in the plan ([generate], prompt)");
    };
    let prepared = |text: &str, whose: String| -> anyhow::Result<Prompt> {
        let prompt = outline.prompt_with(text, &form).context(whose)?;
        prompts::warn_about_bos(outline, &prompt);
        Ok(prompt)
    };
    let mut example = Example::new(prepared(&prompt, "the prompt".to_owned())?);
    let texts = experiment.sections.data.as_ref().map(|data| data.sources.clone());
    let texts = texts.unwrap_or_default();
    for (index, source) in texts.iter().enumerate() {
        example = example.source(prepared(source, format!("source {index}"))?);
    }
    let sections = &experiment.sections;
    experiment.given.read_section("generate");
    let section = sections.generate.clone().unwrap_or_default();
    let generator = section.generator(outline).context("--as-configured")?;
    if let Some(told) = section.disregarded(outline) {
        terminal::warn(told);
    }
    let generator = Generator { memory: key!(experiment, limits.memory), ..generator };
    let source = texts.first().map(String::as_str);
    let plan = in_prompt(
        plan,
        outline,
        (&prompt, source),
        &form,
        &|| key!(experiment, data.spans),
        &|| key!(experiment, data.source_spans),
    )?;
    let plan = plan.resolve(outline, &[example]).map_err(plan_given::with_option)?;
    let sources = plan_given::sources_read(&plan);
    experiment.given.read_values("data", "sources", sources, texts.len());
    generator.check(outline, &plan)?;
    let with_original = plan.wants_original();
    Ok(Job { prompt, generator, with_original, plan })
}

/// Refuses the original text beside that of a plan without edits: it would be the same text twice.
fn refuse_same_texts(plan: &ResolvedPlan) -> anyhow::Result<()> {
    if plan.wants_original() && plan.edits().is_empty() {
        bail!(
            "the plan has no edits of the prompt's run ([[edit]]), so that the text without them is the same: leave out \
             --with-original (in a plan's [read], `original`), or add edits"
        );
    }
    Ok(())
}
