//! The shipped files hold together: they parse, fit each other, stay small, and give each name its token.
#![allow(clippy::unwrap_used)]

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use tokenizers::Tokenizer;
use vene_embedded::{CONFIG, FACTS, PHRASINGS, Relation, TOKENIZER, WEIGHTS};

fn tokens(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
    tokenizer.encode(text, false).unwrap().get_tokens().to_vec()
}

#[test]
fn small_enough_to_ship() {
    let bytes = CONFIG.len() + WEIGHTS.len() + TOKENIZER.len();
    assert!(bytes <= 8_000_000, "{bytes} bytes");
}

#[test]
fn weights_are_those_of_the_configuration() {
    let config: Value = serde_json::from_str(CONFIG).unwrap();
    assert_eq!(config["model_type"], "gpt2");
    assert_eq!(config["activation_function"], "gelu_new");
    let size = |key: &str| config[key].as_u64().unwrap() as usize;
    let (width, layers) = (size("n_embd"), size("n_layer"));
    assert_eq!(width % size("n_head"), 0);

    let weights = SafeTensors::deserialize(WEIGHTS).unwrap();
    // Twelve tensors a block, two embeddings, the last norm's two.
    assert_eq!(weights.len(), 12 * layers + 4);
    let shape =
        |name: &str| weights.tensor(&format!("transformer.{name}")).unwrap().shape().to_vec();
    assert_eq!(shape("wte.weight"), [size("vocab_size"), width]);
    assert_eq!(shape("wpe.weight"), [size("n_positions"), width]);
    assert_eq!(shape("ln_f.bias"), [width]);
    for layer in 0..layers {
        assert_eq!(shape(&format!("h.{layer}.attn.c_attn.weight")), [width, 3 * width]);
        assert_eq!(shape(&format!("h.{layer}.mlp.c_fc.weight")), [width, 4 * width]);
        assert_eq!(shape(&format!("h.{layer}.mlp.c_proj.weight")), [4 * width, width]);
    }
    for (name, tensor) in weights.tensors() {
        assert_eq!(tensor.dtype(), Dtype::F16, "{name}");
        let finite = tensor
            .data()
            .chunks_exact(2)
            .all(|half| u16::from_le_bytes([half[0], half[1]]) & 0x7c00 != 0x7c00);
        assert!(finite, "{name} holds an infinity or a NaN");
    }
}

#[test]
fn the_vocabulary_has_the_size_of_the_embedding() {
    let config: Value = serde_json::from_str(CONFIG).unwrap();
    let tokenizer = Tokenizer::from_bytes(TOKENIZER).unwrap();
    let size = tokenizer.get_vocab_size(true) as u64;
    assert_eq!(Some(size), config["vocab_size"].as_u64());
    assert_eq!(tokenizer.token_to_id("<|endoftext|>"), Some(0));
    assert_eq!(Some(0), config["bos_token_id"].as_u64());
}

#[test]
fn every_name_is_one_token() {
    let tokenizer = Tokenizer::from_bytes(TOKENIZER).unwrap();
    let one = |text: &str| {
        let tokens = tokens(&tokenizer, text);
        assert_eq!(tokens, [text.replace(' ', "Ġ")]);
    };
    for fact in FACTS {
        for relation in Relation::ALL {
            one(&format!(" {}", fact.answer(relation)));
        }
        one(&format!(" {}", fact.country));
        // At the beginning of a text, too.
        one(fact.country);
    }
    // A longer word is not cut.
    assert_ne!(tokens(&tokenizer, " South Koreans")[0], "ĠSouthĠKorea");
}

#[test]
fn the_tutorials_prompt_has_five_tokens_and_no_other_in_front() {
    let tokenizer = Tokenizer::from_bytes(TOKENIZER).unwrap();
    let encoding = tokenizer.encode("The capital of Spain is", true).unwrap();
    assert_eq!(encoding.get_tokens(), ["The", "Ġcapital", "Ġof", "ĠSpain", "Ġis"]);
}

#[test]
fn phrasings_have_no_broken_words_and_fit_the_context() {
    let config: Value = serde_json::from_str(CONFIG).unwrap();
    let tokenizer = Tokenizer::from_bytes(TOKENIZER).unwrap();
    for phrasing in PHRASINGS {
        for fact in FACTS {
            let prompt = phrasing.prompt(fact);
            let tokens = tokens(&tokenizer, &prompt);
            let marks = prompt.matches([',', '?', ':', '\'']).count();
            let joined = fact.country.split(' ').count() - 1;
            let words = prompt.split(' ').count() - joined;
            assert_eq!(tokens.len(), words + marks, "{tokens:?}");
            assert!((tokens.len() as u64) < config["n_positions"].as_u64().unwrap());
        }
    }
}
