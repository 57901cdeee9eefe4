//! The keys of `generation_config.json`: which change a text, and by which values they do not.

use serde_json::{Map, Value};

/// Keys that change a text only if tokens are drawn, each with the value that changes nothing.
pub(super) const DRAWING: [(&str, f64); 8] = [
    ("temperature", 1.0),
    ("top_k", 0.0),
    ("top_p", 1.0),
    ("top_h", 1.0),
    ("min_p", 0.0),
    ("typical_p", 1.0),
    ("epsilon_cutoff", 0.0),
    ("eta_cutoff", 0.0),
];

/// Keys that change a text in any case, each with the number (or truth value) that changes nothing.
pub(super) const CHANGING: [(&str, f64); 30] = [
    ("bad_words_ids", 0.0),
    ("begin_suppress_tokens", 0.0),
    ("constraints", 0.0),
    ("diversity_penalty", 0.0),
    ("dola_layers", 0.0),
    ("encoder_no_repeat_ngram_size", 0.0),
    ("encoder_repetition_penalty", 1.0),
    ("exponential_decay_length_penalty", 0.0),
    ("force_words_ids", 0.0),
    ("forced_bos_token_id", f64::NAN),
    ("forced_decoder_ids", 0.0),
    ("forced_eos_token_id", f64::NAN),
    ("guidance_scale", 1.0),
    ("max_length", 20.0),
    ("max_new_tokens", f64::NAN),
    ("max_time", f64::NAN),
    ("min_length", 0.0),
    ("min_new_tokens", 0.0),
    ("no_repeat_ngram_size", 0.0),
    ("num_beams", 1.0),
    ("num_return_sequences", 1.0),
    ("penalty_alpha", 0.0),
    ("remove_invalid_values", 0.0),
    ("renormalize_logits", 0.0),
    ("repetition_penalty", 1.0),
    ("sequence_bias", 0.0),
    ("stop_strings", 0.0),
    ("suppress_tokens", 0.0),
    ("token_healing", 0.0),
    ("watermarking_config", 0.0),
];

/// Keys about speed, about what a call returns, about other models, or about several beams (which
/// `num_beams` tells of).
const HARMLESS: [&str; 42] = [
    "_from_model_config",
    "_name_or_path",
    "assistant_confidence_threshold",
    "assistant_early_exit",
    "assistant_ensemble_weight",
    "assistant_lookbehind",
    "bos_token_id",
    "cache_config",
    "cache_implementation",
    "compile_config",
    "continuous_batching_config",
    "decoder_start_token_id",
    "disable_compile",
    "do_sample",
    "early_stopping",
    "eos_token_id",
    "generation_kwargs",
    "is_assistant",
    "length_penalty",
    "low_memory",
    "max_cache_len",
    "max_matching_ngram_size",
    "max_window_size",
    "num_assistant_tokens",
    "num_assistant_tokens_schedule",
    "num_beam_groups",
    "output_attentions",
    "output_hidden_states",
    "output_logits",
    "output_scores",
    "pad_token_id",
    "prefill_chunk_size",
    "prompt_lookup_num_tokens",
    "return_dict_in_generate",
    "return_legacy_cache",
    "speculation_type",
    "target_lookbehind",
    "torch_dtype",
    "transformers_version",
    "trust_remote_code",
    "use_cache",
    "use_mtp",
];

/// What would change a text, each key with `key = value`; `unknown` says whether a key that is not known counts.
pub(super) fn asked(object: &Map<String, Value>, unknown: bool) -> Vec<(&str, String)> {
    let draws = match object.get("do_sample") {
        None | Some(Value::Bool(false)) => None,
        Some(Value::Bool(true)) => Some("do_sample = true".to_owned()),
        // In config.json that is as if it were not there.
        Some(Value::Null) if !unknown => None,
        Some(other) => Some(format!(
            "do_sample = {} (which transformers 4.52 takes for true, and 5 for false)",
            shown(other)
        )),
    };
    let mut asked: Vec<(&str, String)> = Vec::new();
    let is_drawn = draws.is_some();
    asked.extend(draws.map(|draws| ("do_sample", draws)));
    for (key, value) in object {
        let neutral = |table: &[(&str, f64)]| {
            table.iter().find(|(name, _)| name == key).map(|(_, neutral)| *neutral)
        };
        let counts = if let Some(neutral) = neutral(&DRAWING) {
            is_drawn && !is_neutral(value, neutral)
        } else if let Some(neutral) = neutral(&CHANGING) {
            !is_neutral(value, neutral)
        } else {
            unknown && !HARMLESS.contains(&key.as_str())
        };
        if counts {
            let name: String = key.escape_debug().take(60).collect();
            asked.push((key, format!("{name} = {}", shown(value))));
        }
    }
    asked
}

fn is_neutral(value: &Value, neutral: f64) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(truth) => f64::from(u8::from(*truth)) == neutral,
        Value::Number(number) => number.as_f64() == Some(neutral),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::String(_) => false,
    }
}

/// A value, cut at a sane length.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 40 { text.chars().take(40).chain(['…']).collect() } else { text }
}
