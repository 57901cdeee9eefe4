//! One form for what a `config.json` says, before any family reads it.
//!
//! The same model is described in several shapes: multimodal models have their language model's
//! configuration inside, and classes understand other names for their keys. What the shape alone says is
//! taken off here, so that a family knows one name for each thing. (Rotary encodings, which are said in
//! two ways, are [`rope`](super::rope)'s; names of tensors are [`names`](super::names)'.)

use serde_json::{Map, Value};
use vene_checkpoint::Notices;

use super::keys::{known, shortened};
use crate::error::ModelError;

/// The configuration of a multimodal model's language part.
const TEXT: &str = "text_config";

/// Model types whose language model is one that is understood, and that one's type.
const MULTIMODAL: [(&str, &str); 1] = [("gemma3", "gemma3_text")];

/// Keys under which quantised weights are described.
const QUANTISED: [&str; 3] = ["quantization_config", "compression_config", "quantization"];

/// A family that describes its attention in an object of its own, and that one's key. What is in it is named with a dot.
const NESTED: (&str, &str) = ("mpt", "attn_config");

/// A family whose weights may be four-bit floats, and what its configuration calls them.
const MICROSCALED: (&str, &str) = ("gpt_oss", "mxfp4");

/// A configuration in its one form.
///
/// # Errors
/// Two names for one thing that say different things; quantised weights.
pub(super) fn of(
    config: &Map<String, Value>,
    notices: &Notices,
    ignored: &[String],
) -> Result<Map<String, Value>, ModelError> {
    let mut config = lifted(config.clone(), notices)?;
    flatten(&mut config)?;
    for key in QUANTISED {
        if let Some(value) = config.get(key).filter(|value| !value.is_null())
            && !is_microscaled(&config, value)
            && !ignored.iter().any(|name| name == key)
        {
            return Err(ModelError::Quantised { what: quantised(key, value) });
        }
    }
    let class = config.get("model_type").and_then(Value::as_str).and_then(known::class);
    if let Some(class) = class {
        for (alias, key) in &class.aliases {
            rename(&mut config, alias, key)?;
        }
    }
    Ok(config)
}

/// Names what stands in an object of its own with a dot, but for what changes nothing wherever it stands.
fn flatten(config: &mut Map<String, Value>) -> Result<(), ModelError> {
    let (model_type, key) = NESTED;
    if config.get("model_type").and_then(Value::as_str) != Some(model_type) {
        return Ok(());
    }
    let inner = match config.shift_remove(key) {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(inner)) => inner,
        Some(other) => return Err(super::keys::wrong(key, &other, "an object")),
    };
    let own = inner.into_iter().filter(|(name, _)| name != "model_type");
    config.extend(
        own.filter(|(name, _)| !known::is_harmless(name))
            .map(|(name, value)| (format!("{key}.{name}"), value)),
    );
    Ok(())
}

/// A multimodal model's configuration of its language part, with what stands around it. What both say, the
/// inner one decides.
fn lifted(
    mut config: Map<String, Value>,
    notices: &Notices,
) -> Result<Map<String, Value>, ModelError> {
    let model_type = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
    let Some(&(_, text_type)) = MULTIMODAL.iter().find(|(outer, _)| *outer == model_type) else {
        return Ok(config);
    };
    let mut inner = match config.shift_remove(TEXT) {
        Some(Value::Object(inner)) => inner,
        None | Some(Value::Null) => Map::new(),
        Some(other) => return Err(super::keys::wrong(TEXT, &other, "an object")),
    };
    let class = known::class(text_type);
    let has_inner = !inner.is_empty();
    tie(&mut config, &mut inner, notices)?;
    for (key, value) in config {
        let followed = class.is_some_and(|class| class.defaults.contains_key(&key));
        match inner.get(&key) {
            Some(inner) if followed && !known::same(inner, &value) => notices.add(format!(
                "`{key}` is {} in config.json and {} in its `{TEXT}`: the latter is used",
                shortened(&value),
                shortened(inner)
            )),
            Some(_) => {}
            None if followed && has_inner => notices.add(format!(
                "`{key}` = {} outside of `{TEXT}` says nothing about the language model and is ignored: the \
                 default of its class is used",
                shortened(&value)
            )),
            None => {
                inner.insert(key, value);
            }
        }
    }
    leave_out_logit_cap(&mut inner, notices);
    inner.insert("model_type".into(), text_type.into());
    Ok(inner)
}

/// Logits of a multimodal model are not capped: its class in transformers has a head of its own, which does not
/// read the key.
fn leave_out_logit_cap(inner: &mut Map<String, Value>, notices: &Notices) {
    const CAP: &str = "final_logit_softcapping";
    if let Some(cap) = inner.shift_remove(CAP).filter(|cap| !cap.is_null()) {
        notices.add(format!(
            "`{CAP}` = {} changes nothing: the logits of a multimodal Gemma 3 are not capped, as in transformers 4.52 \
             and 5, which do not read the key there",
            shortened(&cap)
        ));
    }
}

/// Whether a multimodal model's head is its embedding: transformers 5 asks the whole model's configuration,
/// 4.52 that of the language part; both take what is absent for true. Where they disagree, only one of them finds
/// a head in a file that has none: there it is the embedding. (One that the file has is used in any case.)
fn tie(
    config: &mut Map<String, Value>,
    inner: &mut Map<String, Value>,
    notices: &Notices,
) -> Result<(), ModelError> {
    const TIE: &str = "tie_word_embeddings";
    let flag = |name: &str, value: Option<&Value>| match value {
        None => Ok(true),
        Some(Value::Null) => Ok(false),
        Some(value) => {
            value.as_bool().ok_or_else(|| super::keys::wrong(name, value, "true or false"))
        }
    };
    let whole = flag(TIE, config.get(TIE))?;
    let part = flag(&format!("{TEXT}.{TIE}"), inner.get(TIE))?;
    if inner.is_empty() || whole == part {
        let said = config.shift_remove(TIE).or_else(|| inner.shift_remove(TIE));
        inner.extend(said.map(|said| (TIE.to_owned(), said)));
        return Ok(());
    }
    let by_default = |config: &Map<String, Value>| {
        if config.contains_key(TIE) { "" } else { " by default" }
    };
    notices.add(format!(
        "`{TIE}` is {whole}{} in config.json, which transformers 5 reads, and {part}{} in its `{TEXT}`, which \
         transformers 4.52 reads: true is used",
        by_default(config),
        by_default(inner),
    ));
    config.shift_remove(TIE);
    inner.insert(TIE.into(), true.into());
    Ok(())
}

/// Gives a key its other name.
fn rename(config: &mut Map<String, Value>, alias: &str, key: &str) -> Result<(), ModelError> {
    let Some(value) = config.shift_remove(alias) else { return Ok(()) };
    match config.get(key) {
        Some(other) if !known::same(other, &value) => Err(ModelError::Contradiction {
            one: format!("`{alias}` = {}", shortened(&value)),
            other: format!("`{key}` = {}", shortened(other)),
        }),
        Some(_) => Ok(()),
        None => {
            config.insert(key.to_owned(), value);
            Ok(())
        }
    }
}

/// Whether weights are quantised in the way that is published for their family, which is read.
fn is_microscaled(config: &Map<String, Value>, quantised: &Value) -> bool {
    let (model_type, method) = MICROSCALED;
    let said = |value: Option<&Value>, word| value.and_then(Value::as_str) == Some(word);
    said(config.get("model_type"), model_type) && said(quantised.get("quant_method"), method)
}

/// Which way weights are quantised, in words.
fn quantised(key: &str, value: &Value) -> String {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let bits = value.get("bits").and_then(Value::as_u64);
    let method = text("quant_method").map_or_else(
        || if key == "quantization" { "MLX".to_owned() } else { "an unnamed method".to_owned() },
        |method| match method.as_str() {
            "gptq" => "GPTQ".to_owned(),
            "awq" => "AWQ".to_owned(),
            "fp8" => "FP8".to_owned(),
            _ => method,
        },
    );
    let bits = bits.map_or_else(String::new, |bits| format!(" with {bits} bits"));
    format!("config.json has a `{key}`: the weights are quantised by {method}{bits}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn form(config: Value) -> (Result<Value, String>, Vec<String>) {
        let notices = Notices::default();
        let Value::Object(config) = config else { panic!("an object") };
        let form = of(&config, &notices, &[]).map(Value::Object);
        (form.map_err(|error| error.to_string()), notices.all())
    }

    #[test]
    fn the_inner_configuration_of_a_multimodal_model_decides() {
        let (form, notices) = form(json!({
            "model_type": "gemma3", "mm_tokens_per_image": 256, "head_dim": 7, "rms_norm_eps": 1,
            "text_config": {"model_type": "gemma3_text", "hidden_size": 8, "head_dim": 4},
        }));
        assert_eq!(
            form.unwrap(),
            json!({"model_type": "gemma3_text", "hidden_size": 8, "head_dim": 4, "mm_tokens_per_image": 256})
        );
        assert_eq!(notices.len(), 2);
        assert!(notices[0].contains("`head_dim` is 7 in config.json and 4 in its `text_config`"));
        assert!(notices[1].contains("`rms_norm_eps` = 1 outside"));
    }

    #[test]
    fn logits_of_a_multimodal_model_are_not_capped() {
        let cap = "final_logit_softcapping";
        let (inside, notices) =
            form(json!({"model_type": "gemma3", "text_config": {"hidden_size": 8, cap: 5.0}}));
        assert_eq!(inside.unwrap(), json!({"hidden_size": 8, "model_type": "gemma3_text"}));
        assert!(notices[0].starts_with("`final_logit_softcapping` = 5.0 changes nothing"));
        let (none, notices) =
            form(json!({"model_type": "gemma3", "text_config": {"hidden_size": 8, cap: null}}));
        assert_eq!((none.unwrap().get(cap), notices.len()), (None, 0));
        let (text, _) = form(json!({"model_type": "gemma3_text", cap: 5.0}));
        assert_eq!(text.unwrap()[cap], 5.0);
    }

    #[test]
    fn a_multimodal_model_is_tied_where_either_version_ties_it() {
        for (whole, part, tied, told) in [
            (json!(true), json!(false), json!(true), 1),
            (json!(false), json!(true), json!(true), 1),
            (json!(false), json!(false), json!(false), 0),
            (json!(true), json!(true), json!(true), 0),
        ] {
            let (form, notices) = form(json!({
                "model_type": "gemma3", "tie_word_embeddings": whole,
                "text_config": {"hidden_size": 8, "tie_word_embeddings": part},
            }));
            assert_eq!(form.unwrap()["tie_word_embeddings"], tied);
            assert_eq!(notices.len(), told, "{notices:?}");
        }
        // What is absent is true.
        let (outside, notices) = form(json!({
            "model_type": "gemma3", "tie_word_embeddings": false, "text_config": {"hidden_size": 8},
        }));
        assert_eq!(outside.unwrap()["tie_word_embeddings"], true);
        assert!(
            notices[0].contains("is false in config.json")
                && notices[0].contains("true by default")
        );
        let (inside, _) = form(json!({
            "model_type": "gemma3", "text_config": {"hidden_size": 8, "tie_word_embeddings": false},
        }));
        assert_eq!(inside.unwrap()["tie_word_embeddings"], true);
    }

    #[test]
    fn other_names_of_keys_are_understood_and_must_agree() {
        let (form_of, _) = form(json!({"model_type": "gpt2", "hidden_size": 8, "n_head": 2}));
        assert_eq!(form_of.unwrap(), json!({"model_type": "gpt2", "n_head": 2, "n_embd": 8}));
        let (form_of, _) = form(json!({"model_type": "gpt2", "hidden_size": 8, "n_embd": 8.0}));
        assert_eq!(form_of.unwrap(), json!({"model_type": "gpt2", "n_embd": 8.0}));
        let (form_of, _) = form(json!({"model_type": "gpt2", "hidden_size": 8, "n_embd": 4}));
        let error = form_of.unwrap_err();
        assert!(error.contains("`hidden_size` = 8") && error.contains("`n_embd` = 4"), "{error}");
    }

    #[test]
    fn what_an_mpt_says_of_its_attention_is_named_with_a_dot() {
        let (flat, _) = form(json!({
            "model_type": "mpt", "attn_config": {"model_type": "", "clip_qkv": 2.0, "attn_pdrop": 0},
        }));
        let flat = flat.unwrap();
        assert_eq!(flat["attn_config.clip_qkv"], 2.0);
        assert!(flat.get("attn_config").is_none());
        let error = form(json!({"model_type": "mpt", "attn_config": 1})).0.unwrap_err();
        assert!(error.contains("attn_config") && error.contains("an object"), "{error}");
    }

    #[test]
    fn four_bit_floats_are_read_of_the_family_that_is_published_so() {
        let config = |model_type: &str| json!({"model_type": model_type, "quantization_config": {"quant_method": "mxfp4"}});
        assert!(form(config("gpt_oss")).0.is_ok());
        assert!(form(config("llama")).0.unwrap_err().contains("mxfp4"));
    }

    #[test]
    fn quantised_weights_are_refused_with_a_way_out() {
        for (config, words) in [
            (
                json!({"quantization_config": {"quant_method": "gptq", "bits": 4}}),
                "GPTQ with 4 bits",
            ),
            (json!({"quantization_config": {"quant_method": "awq"}}), "AWQ"),
            (json!({"quantization_config": {"quant_method": "fp8"}}), "FP8"),
            (json!({"quantization": {"group_size": 64, "bits": 4}}), "MLX with 4 bits"),
        ] {
            let error = form(config).0.unwrap_err();
            assert!(error.contains(words) && error.contains("GGUF"), "{error}");
        }
    }
}
