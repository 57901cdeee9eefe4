//! The three files of the model folder, as Hugging Face publishes a GPT-2.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use candle_core::{DType, Tensor};
use serde_json::{Value, json};
use tokenizers::Tokenizer;

use crate::model::{Config, DEVIATION, EPSILON, Gpt2};

/// Where the files lie: `crates/vene-embedded/model`.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("model")
}

/// Writes weights as float16, configuration and tokenizer.
pub fn write(folder: &Path, model: &Gpt2, tokenizer: &Tokenizer) -> Result<()> {
    fs::create_dir_all(folder)?;
    let tensors = model
        .parameters
        .iter()
        .map(|(name, parameter)| {
            let half = parameter.as_tensor().to_dtype(DType::F16)?;
            Ok((format!("transformer.{name}"), half))
        })
        .collect::<Result<Vec<(String, Tensor)>>>()?;
    // transformers refuses a file that doesn't name the framework of its layout.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(tensors, Some(metadata), &folder.join("model.safetensors"))?;
    let config = serde_json::to_string_pretty(&configuration(model.config))?;
    fs::write(folder.join("config.json"), config + "\n")?;
    tokenizer
        .save(folder.join("tokenizer.json"), false)
        .map_err(|error| anyhow!("tokenizer.json cannot be written: {error}"))?;
    Ok(())
}

/// Reads the model and its tokenizer back.
pub fn read(folder: &Path) -> Result<(Gpt2, Tokenizer)> {
    let config: Value = serde_json::from_slice(&fs::read(folder.join("config.json"))?)?;
    let size = |key: &str| {
        let value = config[key].as_u64();
        Ok::<_, anyhow::Error>(value.with_context(|| format!("config.json has no {key}"))? as usize)
    };
    let config = Config {
        vocabulary: size("vocab_size")?,
        positions: size("n_positions")?,
        width: size("n_embd")?,
        layers: size("n_layer")?,
        heads: size("n_head")?,
    };
    let model = Gpt2::from_bytes(config, &fs::read(folder.join("model.safetensors"))?)?;
    let tokenizer = Tokenizer::from_file(folder.join("tokenizer.json"))
        .map_err(|error| anyhow!("tokenizer.json cannot be read: {error}"))?;
    Ok((model, tokenizer))
}

/// `config.json`, with every key of GPT-2's that changes the mathematics.
fn configuration(config: Config) -> Value {
    json!({
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "attn_pdrop": 0.0,
        "bos_token_id": 0,
        "embd_pdrop": 0.0,
        "eos_token_id": 0,
        "initializer_range": DEVIATION,
        "layer_norm_epsilon": EPSILON,
        "n_ctx": config.positions,
        "n_embd": config.width,
        "n_head": config.heads,
        "n_inner": null,
        "n_layer": config.layers,
        "n_positions": config.positions,
        "reorder_and_upcast_attn": false,
        "resid_pdrop": 0.0,
        "scale_attn_by_inverse_layer_idx": false,
        "scale_attn_weights": true,
        "tie_word_embeddings": true,
        "torch_dtype": "float16",
        "use_cache": true,
        "vocab_size": config.vocabulary,
    })
}
