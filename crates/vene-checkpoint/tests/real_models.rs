//! The two real models that `scripts/fetch-models` fetches: token ids as llama.cpp gives them,
//! what the metadata says, and how long it takes.
//!
//! Where the models are not there, these tests say so and pass; with `VENE_REQUIRE_MODELS=1` they
//! fail instead.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;
use vene_checkpoint::{BeginningOfSequence, Checkpoint, Description, Element, ModelSource};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Opens a model out of the cache, or says that the test is skipped.
fn real_model(file: &str) -> Option<Checkpoint> {
    let folder =
        std::env::var_os("VENE_MODELS").map_or_else(|| root().join(".cache/models"), PathBuf::from);
    let path = folder.join(file);
    if !path.exists() {
        assert!(
            std::env::var_os("VENE_REQUIRE_MODELS").is_none(),
            "{} is not there: run scripts/fetch-models",
            path.display()
        );
        eprintln!("SKIPPED: {} is not there (run scripts/fetch-models)", path.display());
        return None;
    }
    Some(Checkpoint::open(&ModelSource::Gguf(path), &mut |_| ()).unwrap())
}

fn smollm2() -> Option<Checkpoint> {
    real_model("smollm2-135m-instruct-q4_1.gguf")
}

fn gemma3() -> Option<Checkpoint> {
    real_model("gemma-3-270m-q4_k_m.gguf")
}

/// Compares token ids of every text in a fixture, and checks what spans promise.
/// Gives the texts that are refused, with the error.
fn agrees_with_llama_cpp(checkpoint: &Checkpoint, fixture: &str) -> Vec<(String, String)> {
    let path = root().join("fixtures/tokenizers").join(fixture);
    let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(cases.len() >= 400);
    let mut wrong = Vec::new();
    let mut refused = Vec::new();
    for case in &cases {
        let text = case["text"].as_str().unwrap();
        let expected: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
        let tokenizer = &checkpoint.tokenizer;
        let encoding = match tokenizer.encode_with(text, BeginningOfSequence::Never) {
            Ok(encoding) => encoding,
            Err(error) => {
                refused.push((text.to_owned(), error.to_string()));
                continue;
            }
        };
        if encoding.ids != expected {
            wrong.push(format!("{text:?}\n  here {:?}\n  llama.cpp {expected:?}", encoding.ids));
        }
        assert_eq!(encoding.ids.len(), encoding.spans.len());
        let mut covered = 0;
        for span in &encoding.spans {
            assert!(text.get(span.clone()).is_some(), "{text:?}: {span:?} cuts a character");
            assert!(span.start <= covered, "{text:?}: {covered}..{} has no token", span.start);
            covered = covered.max(span.end);
        }
        assert_eq!(covered, text.len(), "{text:?} is not covered to its end");
        // A `▁` that is written out cannot be told from a space.
        if !text.contains('▁') {
            assert_eq!(tokenizer.decode(&encoding.ids).unwrap(), text);
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    refused
}

#[test]
fn smollm2_is_tokenized_as_llama_cpp_does() {
    let Some(model) = smollm2() else { return };
    // Its vocabulary lacks a few control characters. llama.cpp leaves them out of the text without
    // a word; here such a text is refused.
    let refused = agrees_with_llama_cpp(&model, "smollm2.json");
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(refused[0].0, "\x1c\x1d");
    assert!(refused[0].1.contains("no token for the byte <0x1D>"), "{}", refused[0].1);
    let tokenizer = &model.tokenizer;
    // The metadata says so, against what a converter may make of it.
    assert!(!tokenizer.adds_bos());
    assert_eq!(tokenizer.bos(), Some(1));
    // The end of a turn, and what llama.cpp knows by its text: <reponame> and <|endoftext|>.
    assert_eq!(tokenizer.ends(), [2, 4, 0]);
    let spain = tokenizer.encode("The capital of Spain is").unwrap();
    assert_eq!(spain.ids, [504, 3575, 282, 7476, 314]);
    assert_eq!(spain.spans, [0..3, 3..11, 11..14, 14..20, 20..23]);
    assert!(!spain.bos);
    let italy = tokenizer.encode("The capital of Italy is").unwrap();
    assert_eq!(italy.ids, [504, 3575, 282, 7158, 314]);
    assert_eq!(tokenizer.vocabulary_size(), 49152);
}

/// SmolLM2 with another way to split words written into its metadata; the model's name makes up
/// for the difference in length. See `fixtures/make_tokenizers.py`.
fn with_other_words(gguf: &[u8], words: &str) -> Vec<u8> {
    let string = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let replace = |bytes: &[u8], before: &[u8], after: &[u8]| {
        let at = bytes.windows(before.len()).position(|window| window == before).unwrap();
        [&bytes[..at], after, &bytes[at + before.len()..]].concat()
    };
    let pre = |name: &str| [b"tokenizer.ggml.pre\x08\0\0\0", string(name).as_slice()].concat();
    let name = "Smollm2 135M 8k Lc100K Mix1 Ep2";
    let other = format!("{name:.<40}");
    let changed = replace(gguf, &pre("smollm"), &pre(words));
    replace(&changed, &string(name), &string(&other[..name.len() + 6 - words.len()]))
}

#[test]
fn every_known_way_to_split_words_is_llama_cpps() {
    let Some(model) = smollm2() else { return };
    let original = std::fs::read(&model.provenance.name).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for words in [
        "gpt-2",
        "llama-bpe",
        "qwen2",
        "default",
        "smaug-bpe",
        "tekken",
        "gpt-4o",
        "deepseek-llm",
        "deepseek-coder",
        "deepseek-v3",
        "seed-coder",
        "falcon",
        "bloom",
        "viking",
    ] {
        let path = folder.path().join(format!("{words}.gguf"));
        std::fs::write(&path, with_other_words(&original, words)).unwrap();
        let changed = Checkpoint::open(&ModelSource::Gguf(path), &mut |_| ()).unwrap();
        let refused = agrees_with_llama_cpp(&changed, &format!("words-{words}.json"));
        assert_eq!(refused.len(), 1, "{refused:?}");
    }
}

#[test]
fn gemma3_is_tokenized_as_llama_cpp_does() {
    let Some(model) = gemma3() else { return };
    assert_eq!(agrees_with_llama_cpp(&model, "gemma3.json"), []);
    let tokenizer = &model.tokenizer;
    assert!(tokenizer.adds_bos());
    assert_eq!(tokenizer.bos(), Some(2));
    // The end of a text, of a turn, and `</s>`, which llama.cpp takes for an end wherever it is.
    assert_eq!(tokenizer.ends(), [1, 106, 212]);
    let spain = tokenizer.encode("The capital of Spain is").unwrap();
    assert_eq!(spain.ids, [2, 818, 5279, 529, 14145, 563]);
    assert_eq!(spain.spans[..3], [0..0, 0..3, 3..11]);
    assert!(spain.bos);
    // Never doubled.
    let written = tokenizer.encode("<bos>The capital of Spain is").unwrap();
    assert_eq!(written.ids, spain.ids);
    assert_eq!(written.spans[0], 0..5);
    assert!(written.bos);
}

#[test]
fn single_tokens_are_found_or_shown_in_pieces() {
    for model in [smollm2(), gemma3()].into_iter().flatten() {
        let tokenizer = &model.tokenizer;
        let madrid = tokenizer.single_token(" Madrid").unwrap();
        assert_eq!(tokenizer.token_text(madrid).unwrap(), " Madrid");
        assert_eq!(tokenizer.display(madrid), "_Madrid");
        let message = tokenizer.single_token(" Ouagadougou").unwrap_err().to_string();
        assert!(message.contains("tokens here (\" "), "{message}");
        assert!(message.contains("a target must be one token"), "{message}");
        assert!(tokenizer.single_token("").is_err());
        assert!(tokenizer.token_text(u32::MAX).is_err());
        assert!(tokenizer.decode(&[u32::MAX]).is_err());
        let newline = tokenizer.single_token("\n").unwrap();
        assert_eq!(tokenizer.display(newline), "\\n");
    }
    let Some(model) = smollm2() else { return };
    let message = model.tokenizer.single_token("Reykjavik").unwrap_err().to_string();
    assert!(!message.contains("in front"), "{message}");
    let message = model.tokenizer.single_token("Madrid").unwrap_err().to_string();
    assert!(message.ends_with("; \" Madrid\", with a space in front, is one"), "{message}");
}

/// Every tensor, with the time that all of them took.
fn read_all(model: &Checkpoint) -> f64 {
    let start = Instant::now();
    let mut weights = 0;
    for name in model.tensors.names() {
        let shape = model.tensors.shape(name).unwrap();
        weights += model.tensors.read_f32(name, shape).unwrap().len();
    }
    let seconds = start.elapsed().as_secs_f64();
    eprintln!("{weights} weights in {seconds:.3} s");
    seconds
}

#[test]
fn smollm2_is_ready_in_time() {
    let start = Instant::now();
    let Some(model) = smollm2() else { return };
    eprintln!("opened in {:.3} s", start.elapsed().as_secs_f64());
    let Description::Gguf(metadata) = &model.description else { panic!() };
    assert_eq!(metadata.string("general.architecture").unwrap(), Some("llama"));
    assert_eq!(metadata.u32("llama.block_count").unwrap(), Some(30));
    assert!(metadata.bool("llama.block_count").is_err());
    assert_eq!(model.tensors.shape("token_embd.weight"), Some(&[49152, 576][..]));
    assert_eq!(model.tensors.element("blk.0.attn_q.weight"), Some(Element::Q4_1));
    assert_eq!(model.tensors.shape("blk.0.attn_k.weight"), Some(&[192, 576][..]));
    assert_eq!(model.tensors.names().count(), 272);
    read_all(&model);
    let seconds = start.elapsed().as_secs_f64();
    assert!(seconds < 3.0, "took {seconds} s");
}

#[test]
fn gemma3_is_read_whole() {
    let start = Instant::now();
    let Some(model) = gemma3() else { return };
    eprintln!("opened in {:.3} s", start.elapsed().as_secs_f64());
    assert_eq!(model.tensors.shape("token_embd.weight"), Some(&[262144, 640][..]));
    read_all(&model);
}

#[test]
fn the_digest_is_that_of_the_file() {
    let Some(model) = smollm2() else { return };
    assert_eq!(
        model.provenance.sha256().unwrap(),
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
    );
    assert_eq!(model.provenance.files[0].bytes, 98_362_432);
}
