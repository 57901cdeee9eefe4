//! Texts continued under a plan.

use pyo3::prelude::*;
use vene::generation::{Continuation, End};
use vene::plan_file::GenerateSection;

use crate::compute::{Watch, compute};
use crate::error;
use crate::model::{GivenPrompt, Model};
use crate::plan::Plan;

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
            "end": match continuation.end {
                End::Stop => "stop",
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
    });
    Ok(texts.to_string())
}
