//! `vene models`: what `--model` takes, and what is here already.

use std::fmt::Write;

use clap::Args;
use serde_json::json;
use vene_model::EMBEDDED;
use vene_model::family::families;

use crate::arguments::{Given, read};
use crate::terminal;

/// The models that can be used: built in, in the cache, and which families
#[derive(Args)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const ACCEPTED: [(&str, &str); 5] = [
    (EMBEDDED, "the model that ships inside vene: a small GPT-2 that knows facts about countries"),
    (
        "FOLDER",
        "config.json, model.safetensors (or shards and their index), tokenizer.json (or vocab.json and merges.txt)",
    ),
    (
        "FILE.gguf",
        "F32, F16, BF16, Q2_K to Q6_K, Q4_0 to Q8_0, IQ4_NL, IQ4_XS, MXFP4, NVFP4, TQ1_0, TQ2_0; computed in 32-bit floats",
    ),
    (
        "ID[@REVISION]",
        "a Hugging Face id, such as HuggingFaceTB/SmolLM2-135M; from the cache, or else fetched",
    ),
    ("ID:Q8_0", "a GGUF file there, by its quantisation; or by its name: ID/FILE.gguf"),
];

impl Arguments {
    pub fn run(&self, given: &Given) -> anyhow::Result<()> {
        let json = *read!(given, self => json);
        given.check("the list of models", &[])?;
        let (cache, cached) = vene_checkpoint::cached_models();
        if json {
            return terminal::print_json(&json!({
                "built_in": [EMBEDDED],
                "families": families()
                    .map(|family| json!({
                        "name": family.name,
                        "model_type": family.model_type,
                        "gguf": family.architecture,
                        "description": family.about,
                    }))
                    .collect::<Vec<_>>(),
                "cache": cache.display().to_string(),
                "cached": cached.iter()
                    .map(|model| json!({ "id": model.id, "revisions": model.revisions }))
                    .collect::<Vec<_>>(),
            }));
        }
        let mut text = String::from("--model takes\n");
        for (form, what) in ACCEPTED {
            let _ = writeln!(text, "  {form:<14} {what}");
        }
        text.push_str("\nFamilies\n");
        for family in families() {
            let _ = writeln!(text, "  {:<14} {}", family.name, family.about);
        }
        let _ = writeln!(text, "\nIn the Hugging Face cache ({})", cache.display());
        if cached.is_empty() {
            text.push_str("  none that is whole\n");
        }
        for model in cached {
            let _ = writeln!(text, "  {}  {}", model.id, model.revisions.join(", "));
        }
        text.push_str(
            "  (whether a cached model is of a known family is seen when it is opened)\n",
        );
        terminal::print(&text)
    }
}
