//! Texts continued under a plan.

use pyo3::prelude::*;
use vene::generation::{Continuation, End};
use vene::plan_file::GenerateSection;
use vene::{Generator, Sampling};

use crate::compute::{Watch, compute};
use crate::error;
use crate::model::{GivenPrompt, Model};
use crate::plan::{GivenExample, Plan};

/// Continues a prompt; `section` is what `[generate]` has in a file, as JSON. The texts, and where the plan wants them
/// (`original` in `[read]`) those without edits, as JSON. `each(token_text)` is called for every token of the first text.
/// Ctrl-C stops it.
#[pyfunction]
#[pyo3(signature = (model, plan, base, sources, section, each = None))]
pub fn generate(
    python: Python<'_>,
    model: &Model,
    plan: &Plan,
    base: GivenPrompt,
    sources: Vec<GivenPrompt>,
    section: &str,
    each: Option<Py<PyAny>>,
) -> PyResult<String> {
    let section: GenerateSection = serde_json::from_str(section).map_err(error::of_plan)?;
    let generator = section.generator(&model.inner).map_err(error::of_input)?;
    let resolved = plan.resolve(model, &base, &sources)?;
    let write = |watch: &Watch| {
        generator.run(&model.inner, &resolved, &mut |new| {
            watch.tell(|python| {
                if let (Some(each), false, 0) = (&each, new.is_original, new.sample) {
                    each.call1(python, (new.token,))?;
                }
                Ok(())
            })
        })
    };
    let generation = compute(python, write, error::of_run)?;
    let told = |continuation: &Continuation| -> PyResult<serde_json::Value> {
        let text = continuation.text(&model.inner, &resolved).map_err(error::of_run)?;
        Ok(serde_json::json!({
            "text": text,
            "tokens": continuation.tokens,
            "log_probabilities": continuation.log_probabilities,
            "likeliest": continuation.likeliest.iter().map(|step| {
                step.iter().map(|likely| (likely.token, likely.log_probability)).collect::<Vec<_>>()
            }).collect::<Vec<_>>(),
            "stop_text": continuation.stop_text,
            "end": match continuation.end {
                End::Stop => "stop",
                End::StopText => "stop_text",
                End::Enough => "enough",
                End::ContextFull => "context_full",
                End::BrokenOff => "broken_off",
            },
        }))
    };
    let all = |texts: &[Continuation]| texts.iter().map(told).collect::<PyResult<Vec<_>>>();
    let texts = serde_json::json!({
        "texts": all(&generation.continuations)?,
        "originals": all(&generation.originals)?,
        "disregarded": section.disregarded(&model.inner),
    });
    Ok(texts.to_string())
}

/// Continues the bases of examples, each by its most likely tokens or by draws: the new tokens of each example's samples, one
/// example after the other. `temperature` and the cuts are of draws (`samples` of each); a token of `stop` ends a text and is
/// its last. Ctrl-C stops it.
#[pyfunction]
#[pyo3(signature = (model, plan, examples, max_new_tokens, stop, sampling = None, seed = 0, samples = 1))]
#[expect(clippy::too_many_arguments)]
pub fn generate_all(
    python: Python<'_>,
    model: &Model,
    plan: &Plan,
    examples: Vec<GivenExample>,
    max_new_tokens: usize,
    stop: Vec<u32>,
    sampling: Option<(f64, Option<usize>, Option<f64>)>,
    seed: u64,
    samples: usize,
) -> PyResult<Vec<Vec<u32>>> {
    let sampling = sampling.map(|(temperature, top_k, top_p)| Sampling {
        temperature,
        top_k,
        top_p,
        min_p: None,
    });
    let stop = Some(stop);
    let generator =
        Generator { max_new_tokens, stop, sampling, seed, samples, ..Generator::default() };
    let resolved = plan.resolve_all(model, &examples)?;
    let run =
        |watch: &Watch| generator.run(&model.inner, &resolved, &mut |_| watch.tell(|_| Ok(())));
    let generation = compute(python, run, error::of_run)?;
    Ok(generation.continuations.into_iter().map(|text| text.tokens).collect())
}
