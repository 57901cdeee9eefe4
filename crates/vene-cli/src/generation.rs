//! A generation that was checked: run, printed, recorded.

pub mod folder;

use std::collections::HashSet;
use std::ops::ControlFlow;

use serde_json::{Value, json};
use vene::generation::{Continuation, End, NewToken, StepReceipt, StopStream};
use vene::plan::{Outcome, ResolvedPlan};
use vene::{Generation, Generator, Model, Outline};

use crate::model;
use crate::prompts;
use crate::terminal;

/// How many edits that changed nothing are named one by one.
const NAMED: usize = 8;

/// What is asked for, checked before a weight is read.
pub struct Job {
    pub prompt: String,
    pub generator: Generator,
    pub plan: ResolvedPlan,
    pub with_original: bool,
}

impl Job {
    /// Prints the first text as it comes, and the others behind it; `each` is told of every token, and may break off.
    pub fn stream(
        &self,
        model: &Model,
        each: &mut dyn FnMut(&NewToken<'_>) -> ControlFlow<()>,
    ) -> anyhow::Result<Generation> {
        let is_alone = self.generator.samples == 1 && !self.with_original;
        let title = |what: String| match is_alone {
            true => String::new(),
            false => format!("# {what}\n"),
        };
        let before = self.before(model);
        terminal::print(&format!("{}{before}", title(self.name(0, false))))?;
        let (base, stops) = (&self.plan.examples()[0].base, &self.generator.stop_texts);
        let mut text = StopStream::new(model, base, stops);
        let mut printed = Ok(());
        let generation = self.generator.run(model, &self.plan, &mut |token| {
            if each(token).is_break() {
                return ControlFlow::Break(());
            }
            if token.sample > 0 || token.is_original {
                return ControlFlow::Continue(());
            }
            printed = print_next(&mut text, token);
            match printed {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        })?;
        printed?;
        let originals = generation.originals.iter().map(|text| (true, text));
        let others = generation.continuations.iter().skip(1).map(|text| (false, text));
        for (is_original, continuation) in others.chain(originals) {
            let title = title(self.name(continuation.sample, is_original));
            let text = continuation.text(model, &self.plan)?;
            terminal::print(&format!("{title}{before}{text}\n"))?;
        }
        Ok(generation)
    }

    /// What is printed before a text: the prompt, but that in a conversation the answer stands for itself.
    fn before(&self, model: &Model) -> String {
        let base = &self.plan.examples()[0].base;
        if base.is_conversation() { String::new() } else { prompts::shown(model, base) }
    }

    /// What a text is called among several.
    fn name(&self, sample: usize, is_original: bool) -> String {
        let kind = match (self.with_original, is_original) {
            (_, true) => "original",
            (true, false) => "edited",
            (false, false) => "text",
        };
        match self.generator.samples {
            1 => kind.to_owned(),
            _ => format!("{kind}, sample {sample}"),
        }
    }

    /// What came of it as data, with the model.
    pub fn record(
        &self,
        model: &Model,
        given: &str,
        generation: &Generation,
    ) -> anyhow::Result<Value> {
        let mut record = json!({ "model": model::record(model, given)? });
        if let (Value::Object(record), Value::Object(result)) =
            (&mut record, self.result(model, generation)?)
        {
            record.extend(result);
        }
        Ok(record)
    }

    /// What came of it as data.
    pub fn result(&self, model: &Model, generation: &Generation) -> anyhow::Result<Value> {
        let texts = |continuations: &[Continuation]| {
            let text = |continuation: &Continuation| text_record(model, &self.plan, continuation);
            continuations.iter().map(text).collect::<anyhow::Result<Vec<Value>>>()
        };
        Ok(json!({
            "prompt": self.prompt,
            "text": self.plan.examples()[0].base.text(),
            "token_ids": self.plan.examples()[0].base.tokens(),
            "continuations": texts(&generation.continuations)?,
            "originals": texts(&generation.originals)?,
            "receipts": generation.receipts.iter().map(receipt_record).collect::<Vec<_>>(),
        }))
    }

    /// Says where texts ended for no reason of their own, and which edits changed nothing.
    pub fn warn(&self, outline: &Outline, generation: &Generation) {
        let full = |text: &&Continuation| text.end == End::ContextFull;
        for text in generation.continuations.iter().chain(&generation.originals).filter(full) {
            terminal::warn(format!(
                "a text ends behind {} tokens, since the model's context of {} is full",
                text.tokens.len(),
                outline.config().context
            ));
        }
        let receipts = generation.receipts.iter();
        let changed: HashSet<usize> = receipts
            .filter(|made| matches!(made.receipt.outcome, Outcome::Changed(_)))
            .map(|made| made.receipt.edit)
            .collect();
        let unchanged: Vec<_> =
            self.plan.edits().iter().filter(|edit| !changed.contains(&edit.index)).collect();
        for edit in unchanged.iter().take(NAMED) {
            terminal::warn(format!("edit {} ({}) changed nothing", edit.index, edit.site));
        }
        if unchanged.len() > NAMED {
            terminal::warn(format!("{} more edits changed nothing", unchanged.len() - NAMED));
        }
    }
}

/// Prints what has become certain of the text, to its end and a line break.
fn print_next(text: &mut StopStream<'_>, token: &NewToken<'_>) -> anyhow::Result<()> {
    let mut next = match token.end {
        Some(End::Stop) => String::new(),
        _ => text.push(token.token)?,
    };
    if token.end.is_some() {
        next.push_str(&text.finish()?);
        next.push('\n');
    }
    if next.is_empty() { Ok(()) } else { terminal::print(&next) }
}

/// A text as data.
fn text_record(
    model: &Model,
    plan: &ResolvedPlan,
    continuation: &Continuation,
) -> anyhow::Result<Value> {
    let tokens = continuation.tokens.iter().zip(&continuation.log_probabilities).enumerate();
    let tokens = tokens.map(|(step, (&id, log_probability))| {
        let token = json!({
            "token": model::token_text(model, id),
            "id": id,
            "log_probability": log_probability,
        });
        match (token, continuation.likeliest.get(step)) {
            (Value::Object(mut token), Some(likeliest)) => {
                let likeliest = likeliest.iter().map(|likely| {
                    json!({
                        "token": model::token_text(model, likely.token),
                        "id": likely.token,
                        "log_probability": likely.log_probability,
                    })
                });
                token.insert("top".to_owned(), likeliest.collect());
                Value::Object(token)
            }
            (token, _) => token,
        }
    });
    Ok(json!({
        "sample": continuation.sample,
        "text": continuation.text(model, plan)?,
        "end": end_name(continuation.end),
        "stop_text": continuation.stop_text,
        "tokens": tokens.collect::<Vec<_>>(),
    }))
}

fn end_name(end: End) -> &'static str {
    match end {
        End::Stop => "stop",
        End::StopText => "stop_text",
        End::Enough => "enough",
        End::ContextFull => "context_full",
        End::BrokenOff => "broken_off",
    }
}

/// What an edit did, as data.
fn receipt_record(made: &StepReceipt) -> Value {
    let (outcome, change) = match &made.receipt.outcome {
        Outcome::Changed(change) => ("changed", Some(change)),
        Outcome::SharedPrefix => ("shared_prefix", None),
        Outcome::SameValues => ("same_values", None),
        Outcome::NotEdited => ("not_edited", None),
    };
    json!({
        "step": made.step,
        "sample": made.sample,
        "edit": made.receipt.edit,
        "intervention": made.receipt.intervention,
        "component": made.receipt.site.component().name(),
        "layer": made.receipt.site.layer(),
        "positions": made.receipt.positions,
        "outcome": outcome,
        "root_mean_square": change.map(|change| change.root_mean_square),
    })
}
