//! The logit lens: what the model would say next if its residual stream went to the output from where it is now.
//!
//! The last norm and the unembedding are applied to the residual stream as it enters the first block and after each block
//! (nostalgebraist 2020, "interpreting GPT: the logit lens"). After the last block this is the model's own answer. The norm
//! is computed anew at each depth, of what the stream is there, and a final soft cap is applied.
//!
//! Under edits both the stream and the answer that it is compared with are those of the edited run.

use candle_core::{DType, Tensor};
use rayon::prelude::*;
use vene_engine::{Distribution, RunPlans};
use vene_files::check_interrupt;
use vene_model::{Component, DecoderConfig, Model, OperationError, Outline};
use vene_table::Table;

use crate::collected::{Collected, SiteOf, Wanted, collect, rows_of, stream};
use crate::subject::{CHUNK, chunks_within, pieces};
use crate::{Asked, InspectError, Subject};

/// The columns of [`Lens::numbers`] that tell the cells of a data set apart.
pub const KEYS: [&str; 4] = ["component", "layer", "role", "asked"];

/// The columns of [`Lens::numbers`] that are measured.
pub const METRICS: [&str; 5] = ["logit", "probability", "rank", "kl", "entropy"];

/// How the token is called that the run itself finds likeliest at the end, where none is asked about.
pub const PREDICTION: &str = "prediction";

/// Bytes that logits may take at once.
const LOGITS: usize = 64 << 20;

/// What the lens shows.
#[derive(Clone, Debug)]
pub struct Lens {
    /// A row for each subject, position, depth and token that is asked about: see [`lens`].
    pub numbers: Table,
    /// A row for each subject, position, depth and place among the likeliest tokens: `place` (from 0), `token` (text), `id`,
    /// `logit`, `probability`. Empty where none were wanted.
    pub likeliest: Table,
}

/// Bytes that a subject takes while it is looked at.
pub fn bytes(config: &DecoderConfig, subject: &Subject) -> usize {
    let stream = 4 * (config.layers.len() + 1) * config.d_model;
    subject.seen.len() * (stream + 8 * config.vocabulary)
}

/// Looks through the lens at subjects, and lists the `likeliest` tokens at each depth.
///
/// The columns of [`Lens::numbers`]: `row` (of a data set), `position`, `role` (of a data set), `input` (the token at the
/// position), `component` and `layer` (`embedding`, or `block_output` of each layer), `asked` (what the token is: `target`,
/// `foil`, its text, or `prediction`), `token` (its text), `logit`, `probability`, `rank` (how many tokens are likelier, and
/// half of the equally likely), `kl` (Σ p log(p/q) in nats, of the lens' distribution q from the run's own p), `entropy` (of
/// the lens' distribution, in nats), `top` (its likeliest token), `top_probability`.
///
/// Where a subject asks about no token, it is the one that its run finds likeliest in the end.
///
/// # Errors
/// A network that is no transformer, a token that the model lacks; failures of the run.
pub fn lens(model: &Model, subjects: &[Subject], likeliest: usize) -> Result<Lens, InspectError> {
    let config = model.config();
    if !config.layers.iter().enumerate().all(|(layer, _)| !config.recurs(layer)) {
        return Err(InspectError::NotATransformer {
            what: "the logit lens",
            family: config.family,
        });
    }
    crate::attribution::check_tokens(model, subjects)?;
    within(model, subjects, likeliest, CHUNK)
}

/// The lens in passes whose activations take about so many bytes.
fn within(
    model: &Model,
    subjects: &[Subject],
    likeliest: usize,
    budget: usize,
) -> Result<Lens, InspectError> {
    let bytes = |subject: &Subject| bytes(model.config(), subject);
    let subjects = pieces(subjects, budget, bytes);
    let (mut all, mut lists) = (Vec::new(), Vec::new());
    for range in chunks_within(&subjects, budget, bytes) {
        let Lens { numbers, likeliest } = at_once(model, &subjects[range], likeliest)?;
        all.push(numbers);
        lists.push(likeliest);
    }
    Ok(Lens {
        numbers: Table::concatenate(&all, &[])?,
        likeliest: Table::concatenate(&lists, &[])?,
    })
}

fn at_once(model: &Model, subjects: &[Subject], likeliest: usize) -> Result<Lens, InspectError> {
    let config = model.config();
    let sites = stream(model);
    let runs = collect(model, subjects, &sites, &[], Wanted::Distributions)?;
    let mut looks = Vec::new();
    for (subject, run) in subjects.iter().zip(&runs) {
        looks.extend(looks_of(subject, run, &sites)?);
    }
    let rows_at_once = (LOGITS / (16 * config.vocabulary.max(1))).max(1);
    let mut seen = Vec::with_capacity(looks.len());
    for some in looks.chunks(rows_at_once) {
        check_interrupt()
            .map_err(|stop| OperationError(candle_core::Error::wrap(stop)))
            .map_err(vene_engine::RunError::from)?;
        let rows: Vec<Tensor> = some.iter().map(|look| look.residual.clone()).collect();
        let logits = model.logits_of_residual(&Tensor::stack(&rows, 0)?)?;
        let logits: Vec<Vec<f64>> = logits.to_dtype(DType::F64)?.to_vec2()?;
        let each =
            logits.into_par_iter().zip(some).map(|(logits, look)| look.read(logits, likeliest));
        seen.extend(each.collect::<Vec<Read>>());
    }
    Ok(Lens { numbers: numbers(model, &looks, &seen)?, likeliest: listed(model, &looks, &seen)? })
}

/// One depth at one position of one subject.
struct Look<'s> {
    subject: &'s Subject,
    /// Which of its positions.
    seen: usize,
    site: SiteOf,
    /// `[d_model]`.
    residual: Tensor,
    /// What the run says there in the end.
    end: &'s Distribution,
    asked: Vec<Asked>,
}

/// What is read off at one depth.
struct Read {
    tokens: Vec<TokenRead>,
    kl: f64,
    entropy: f64,
    top: TokenRead,
    likeliest: Vec<TokenRead>,
}

struct TokenRead {
    token: u32,
    logit: f64,
    probability: f64,
    rank: f64,
}

fn looks_of<'s>(
    subject: &'s Subject,
    run: &'s Collected,
    sites: &[SiteOf],
) -> Result<Vec<Look<'s>>, InspectError> {
    let rows = rows_of(subject);
    let mut looks = Vec::new();
    for (seen, &row) in rows.iter().enumerate() {
        let end = run.distributions.get(row);
        let end = end.ok_or_else(|| InspectError::Missing { what: "a distribution".to_owned() })?;
        let asked = if subject.asked.is_empty() {
            vec![Asked { name: PREDICTION.to_owned(), token: end.likeliest() }]
        } else {
            subject.asked.clone()
        };
        for &site in sites {
            let residual = run.tensor(site)?.get(row)?;
            looks.push(Look { subject, seen, site, residual, end, asked: asked.clone() });
        }
    }
    Ok(looks)
}

impl Look<'_> {
    fn read(&self, logits: Vec<f64>, likeliest: usize) -> Read {
        let here = Distribution::new(logits);
        let of = |token: u32| TokenRead {
            token,
            logit: here.logit(token).unwrap_or(f64::NAN),
            probability: here.probability(token).unwrap_or(f64::NAN),
            rank: here.standing(token).map_or(f64::NAN, |standing| standing.rank()),
        };
        Read {
            tokens: self.asked.iter().map(|asked| of(asked.token)).collect(),
            kl: divergence(self.end, &here),
            entropy: entropy(&here),
            top: of(here.likeliest()),
            likeliest: here.top(likeliest).into_iter().map(of).collect(),
        }
    }
}

/// Σ p log(p / q) in nats; never below 0, whatever the rounding.
fn divergence(p: &Distribution, q: &Distribution) -> f64 {
    let shift = q.log_normaliser() - p.log_normaliser();
    let term =
        |(&of_p, &of_q): (&f64, &f64)| (of_p - p.log_normaliser()).exp() * (of_p - of_q + shift);
    p.logits().iter().zip(q.logits()).map(term).sum::<f64>().max(0.0)
}

/// −Σ p log p in nats.
fn entropy(p: &Distribution) -> f64 {
    let terms = p.logits().iter().map(|logit| {
        let log = logit - p.log_normaliser();
        -log.exp() * log
    });
    terms.sum::<f64>().max(0.0)
}

fn numbers(outline: &Outline, looks: &[Look<'_>], seen: &[Read]) -> Result<Table, InspectError> {
    let lines: Vec<(&Look<'_>, &Read, usize)> = looks
        .iter()
        .zip(seen)
        .flat_map(|(look, read)| (0..read.tokens.len()).map(move |asked| (look, read, asked)))
        .collect();
    let text = |token| outline.tokenizer().display(token);
    let float =
        |of: &dyn Fn(&(&Look<'_>, &Read, usize)) -> f64| lines.iter().map(of).collect::<Vec<f64>>();
    let table = places(outline, lines.iter().map(|(look, ..)| *look));
    let names: Vec<&str> =
        lines.iter().map(|(look, _, asked)| look.asked[*asked].name.as_str()).collect();
    let tokens: Vec<String> =
        lines.iter().map(|(_, read, asked)| text(read.tokens[*asked].token)).collect();
    Ok(table
        .column("asked", names)
        .column("token", tokens)
        .column("logit", float(&|(_, read, asked)| read.tokens[*asked].logit))
        .column("probability", float(&|(_, read, asked)| read.tokens[*asked].probability))
        .column("rank", float(&|(_, read, asked)| read.tokens[*asked].rank))
        .column("kl", float(&|(_, read, _)| read.kl))
        .column("entropy", float(&|(_, read, _)| read.entropy))
        .column("top", lines.iter().map(|(_, read, _)| text(read.top.token)).collect::<Vec<_>>())
        .column("top_probability", float(&|(_, read, _)| read.top.probability))
        .build()?)
}

fn listed(outline: &Outline, looks: &[Look<'_>], seen: &[Read]) -> Result<Table, InspectError> {
    let lines: Vec<(&Look<'_>, usize, &TokenRead)> = looks
        .iter()
        .zip(seen)
        .flat_map(|(look, read)| {
            read.likeliest.iter().enumerate().map(move |(place, token)| (look, place, token))
        })
        .collect();
    let text = |token| outline.tokenizer().display(token);
    Ok(places(outline, lines.iter().map(|(look, ..)| *look))
        .column("place", lines.iter().map(|(_, place, _)| *place).collect::<Vec<_>>())
        .column("token", lines.iter().map(|(.., read)| text(read.token)).collect::<Vec<_>>())
        .column("id", lines.iter().map(|(.., read)| read.token).collect::<Vec<_>>())
        .column("logit", lines.iter().map(|(.., read)| read.logit).collect::<Vec<_>>())
        .column("probability", lines.iter().map(|(.., read)| read.probability).collect::<Vec<_>>())
        .build()?)
}

/// The columns that say where a line is about.
fn places<'l>(
    outline: &Outline,
    lines: impl Iterator<Item = &'l Look<'l>> + Clone,
) -> vene_table::TableBuilder {
    let spots = lines.clone().map(|look| (look.subject, look.seen));
    crate::subject::place_columns(outline, spots)
        .column("component", lines.clone().map(|look| look.site.0.to_string()).collect::<Vec<_>>())
        .column("layer", lines.map(|look| look.site.1).collect::<Vec<_>>())
}

/// How a depth is called: `embedding`, or the layer's number.
pub fn depth(component: Component, layer: Option<usize>) -> String {
    layer.map_or_else(|| component.to_string(), |layer| layer.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A prompt that does not fit is looked at some positions at a time, with the same numbers.
    #[test]
    fn a_small_budget_changes_nothing() {
        let model = Model::load("embedded").unwrap();
        let subject = |text: &str| Subject::new(model.prompt(text).unwrap());
        let subjects = [subject("The capital of Spain is"), subject("The capital of Peru is")];
        let whole = within(&model, &subjects, 2, CHUNK).unwrap();
        let two = 2 * bytes(model.config(), &subjects[0]) / subjects[0].seen.len();
        for budget in [1, two] {
            let parts = within(&model, &subjects, 2, budget).unwrap();
            assert_eq!((&parts.numbers, &parts.likeliest), (&whole.numbers, &whole.likeliest));
        }
    }
}
