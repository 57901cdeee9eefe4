//! Models: weights, descriptions, GGUF.

use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value, json};
use vene::{Component, Edit, Example, Model, Outline, Plan, Positions, Precision, Reference};
use vene_checkpoint::{Checkpoint, ModelSource};

use super::{Target, copy, file, files};
use crate::mutate::{Form, small_gguf, with_tokenizer};

/// A `tokenizer.json` with one word for each token: `t0`, `t1`, ...
pub fn words(vocabulary: usize) -> String {
    let entries: Map<String, Value> =
        (0..vocabulary).map(|id| (format!("t{id}"), Value::from(id))).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": entries, "unk_token": "t0"},
    })
    .to_string()
}

/// A random model of the fixtures in a folder, with a tokenizer.
pub fn lay_out(name: &str, folder: &Path) -> Result<()> {
    copy(&format!("fixtures/models/{name}"), folder)?;
    let config: Value = serde_json::from_slice(&std::fs::read(folder.join("config.json"))?)?;
    if let Some(vocabulary) = config["vocab_size"].as_u64() {
        std::fs::write(folder.join("tokenizer.json"), words(vocabulary as usize))?;
    }
    Ok(())
}

/// Opens a model and uses all of it: its tokenizer, its weights, a run with an edit.
pub fn exercise(name: &str) -> Result<()> {
    let outline = Outline::open(name, &mut |_| ())?;
    let _ = (outline.identity(), outline.notices());
    for text in ["t1 t2 t3", "a ab b", "<s>\n"] {
        let Ok(prompt) = outline.prompt(text) else { continue };
        let _ = outline.tokenizer().decode(prompt.tokens());
        for token in prompt.tokens() {
            let _ = outline.tokenizer().display(*token);
        }
    }
    let _ = outline.tokenizer().single_token(" t1");
    let prompt = outline.prompt_from_tokens(&[1, 2, 3])?;
    let model = Model::from_outline(outline, Precision::Single, &mut |_| ())?;
    let zero = Edit::zero(Component::BlockOutput, 0).at(Positions::Last);
    let plan = Plan::new().edit(zero).with_original().resolve(&model, &[Example::new(prompt)])?;
    Reference::new(&model).run(&plan)?;
    Ok(())
}

/// Reads every tensor of a checkpoint.
fn tensors(checkpoint: &Checkpoint) -> Result<()> {
    for name in checkpoint.tensors.names() {
        let Some(shape) = checkpoint.tensors.shape(name) else { continue };
        let values = checkpoint.tensors.read_f32(name, shape)?;
        assert_eq!(values.len(), shape.iter().product::<usize>(), "{name}");
        assert!(values.iter().all(|value| value.is_finite()), "{name} holds what is not finite");
    }
    Ok(())
}

fn text(folder: &Path) -> Result<String> {
    Ok(folder.to_str().ok_or_else(|| anyhow::anyhow!("the folder's name is not UTF-8"))?.to_owned())
}

const NAMES: [&str; 16] = [
    "wte.weight",
    "transformer.wte.weight",
    "lm_head.weight",
    "h.0.attn.c_attn.weight",
    "ln_f.weight",
    "F32",
    "F16",
    "BF16",
    "F64",
    "I64",
    "U8",
    "F8_E4M3",
    "__metadata__",
    "data_offsets",
    "shape",
    "dtype",
];

pub fn safetensors(folder: &Path) -> Result<Target> {
    lay_out("gpt2-plain", folder)?;
    let (path, name) = (folder.join("model.safetensors"), text(folder)?);
    let source = ModelSource::parse(&name)?;
    Ok(Target {
        seeds: vec![file("fixtures/models/gpt2-plain/model.safetensors")?],
        form: Form::Safetensors,
        words: NAMES.to_vec(),
        read: Box::new(move |bytes| {
            std::fs::write(&path, bytes)?;
            tensors(&Checkpoint::open(&source, &mut |_| ())?)?;
            exercise(&name)
        }),
    })
}

pub fn index(folder: &Path) -> Result<Target> {
    lay_out("llama-biases", folder)?;
    let (path, name) = (folder.join("model.safetensors.index.json"), text(folder)?);
    Ok(Target {
        seeds: vec![std::fs::read(&path)?],
        form: Form::Json,
        words: vec![
            "weight_map",
            "metadata",
            "total_size",
            "model-00001-of-00003.safetensors",
            "../model.safetensors",
            "config.json",
            "/dev/zero",
            ".",
        ],
        read: Box::new(move |bytes| {
            std::fs::write(&path, bytes)?;
            exercise(&name)
        }),
    })
}

pub fn gguf(folder: &Path) -> Result<Target> {
    let path = folder.join("model.gguf");
    let name = text(&path)?;
    Ok(Target {
        seeds: vec![small_gguf("llama").bytes(), small_gguf("gpt2").bytes()],
        form: Form::Gguf,
        words: vec![
            "general.alignment",
            "general.architecture",
            "llama",
            "gemma3",
            "gpt2",
            "qwen2",
            "llama.rope.scaling.type",
            "yarn",
            "linear",
            "tokenizer.ggml.model",
            "tokenizer.ggml.pre",
            "tokenizer.chat_template",
            "llama.rope.scaling.factor",
            "llama.attention.key_length",
            "llama.attention.sliding_window",
            "split.count",
            "tokenizer.ggml.add_space_prefix",
            "tokenizer.ggml.eos_token_id",
            "output.weight",
            "rope_freqs.weight",
        ],
        read: Box::new(move |bytes| {
            std::fs::write(&path, bytes)?;
            exercise(&name)
        }),
    })
}

/// Blocks of every format that is known: no model, but tensors that are dequantised.
pub fn gguf_blocks(folder: &Path) -> Result<Target> {
    let path = folder.join("blocks.gguf");
    let source = ModelSource::Gguf(path.clone());
    let seeds = files("fixtures/gguf", ".gguf")?;
    let seeds = seeds
        .iter()
        .map(|path| Ok(with_tokenizer(&std::fs::read(path)?)))
        .collect::<Result<_>>()?;
    Ok(Target {
        seeds,
        form: Form::Gguf,
        words: vec!["general.alignment"],
        read: Box::new(move |bytes| {
            std::fs::write(&path, bytes)?;
            tensors(&Checkpoint::open(&source, &mut |_| ())?)
        }),
    })
}

fn config(folder: &Path, family: &str, words: &[&'static str]) -> Result<Target> {
    let mut seeds = Vec::new();
    let mut folders = Vec::new();
    for path in files("fixtures/models", "")? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if family.split(',').any(|family| name.starts_with(family)) {
            seeds.push(std::fs::read(path.join("config.json"))?);
            let folder = folder.join(&name);
            lay_out(&name, &folder)?;
            folders.push((folder.join("config.json"), text(&folder)?));
        }
    }
    let mut next = 0;
    let originals = seeds.clone();
    Ok(Target {
        seeds,
        form: Form::Json,
        words: words.to_vec(),
        read: Box::new(move |bytes| {
            // The weights that the seed belongs to, and for what has changed each in turn.
            next =
                originals.iter().position(|seed| seed == bytes).unwrap_or(next + 1) % folders.len();
            let (path, name) = &folders[next];
            std::fs::write(path, bytes)?;
            exercise(name)
        }),
    })
}

pub fn config_gpt2(folder: &Path) -> Result<Target> {
    let words = [
        "n_embd",
        "n_head",
        "n_layer",
        "n_positions",
        "n_ctx",
        "n_inner",
        "vocab_size",
        "activation_function",
        "gelu_new",
        "layer_norm_epsilon",
        "scale_attn_weights",
        "scale_attn_by_inverse_layer_idx",
        "tie_word_embeddings",
        "reorder_and_upcast_attn",
        "model_type",
        "llama",
        "hidden_size",
        "torch_dtype",
        "architectures",
        "text_config",
    ];
    config(folder, "gpt2", &words)
}

pub fn config_llama(folder: &Path) -> Result<Target> {
    let words = [
        "hidden_size",
        "head_dim",
        "num_attention_heads",
        "num_key_value_heads",
        "num_hidden_layers",
        "intermediate_size",
        "rope_theta",
        "rope_scaling",
        "rope_parameters",
        "rope_type",
        "llama3",
        "yarn",
        "longrope",
        "dynamic",
        "linear",
        "factor",
        "original_max_position_embeddings",
        "low_freq_factor",
        "high_freq_factor",
        "attention_factor",
        "short_factor",
        "long_factor",
        "max_position_embeddings",
        "sliding_window",
        "rms_norm_eps",
        "mlp_bias",
        "attention_bias",
        "tie_word_embeddings",
        "beta_fast",
        "beta_slow",
        "mscale",
        "text_config",
    ];
    config(folder, "llama", &words)
}

pub fn config_gemma3(folder: &Path) -> Result<Target> {
    let words = [
        "hidden_size",
        "head_dim",
        "query_pre_attn_scalar",
        "sliding_window",
        "sliding_window_pattern",
        "layer_types",
        "full_attention",
        "sliding_attention",
        "rope_local_base_freq",
        "rope_theta",
        "rope_scaling",
        "rope_parameters",
        "final_logit_softcapping",
        "attn_logit_softcapping",
        "num_hidden_layers",
        "hidden_activation",
        "text_config",
        "vision_config",
        "gemma3",
        "gemma3_text",
        "max_position_embeddings",
    ];
    config(folder, "gemma3", &words)
}

pub fn config_networks(folder: &Path) -> Result<Target> {
    let words = [
        "h_dim",
        "n_layer",
        "mlp",
        "gru",
        "num_classes",
        "vocab_size",
        "squeeze_output",
        "activation_function",
    ];
    config(folder, "gru,mlp", &words)
}
