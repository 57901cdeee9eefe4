//! What classes of tokenizers do in transformers, where no file says it.

#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use vene_checkpoint::{Checkpoint, ModelSource};

fn with_settings(config: &Value, tokenizer: &str, settings: &Value) -> Checkpoint {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, contents: &[u8]| {
        std::fs::write(folder.path().join(name), contents).unwrap();
    };
    write("config.json", config.to_string().as_bytes());
    write("model.safetensors", &support::weights());
    write("tokenizer.json", tokenizer.as_bytes());
    write("tokenizer_config.json", settings.to_string().as_bytes());
    Checkpoint::open(&ModelSource::Directory(folder.path().to_owned()), &mut |_| ()).unwrap()
}

/// The entry that `class` puts in front, and what is said of it.
fn front(class: &str, template: Value, settings: Value) -> (Option<String>, String) {
    let mut settings = settings;
    settings["tokenizer_class"] = json!(class);
    let model =
        with_settings(&json!({"model_type": "llama"}), &support::tokenizer(template), &settings);
    let tokenizer = &model.tokenizer;
    let first = tokenizer.adds_bos().then(|| tokenizer.encode("ab").unwrap().ids[0]);
    let told = model.notices.all().join("\n");
    (first.map(|id| tokenizer.token_text(id).unwrap()), told)
}

/// As transformers 5.24 puts it, with and without a template, with and without a name.
#[test]
fn classes_put_their_own_token_in_front() {
    for (class, token, key) in [
        ("RobertaTokenizerFast", "<s>", "cls_token"),
        ("BartTokenizerFast", "<s>", "cls_token"),
        ("LongformerTokenizerFast", "<s>", "cls_token"),
        ("LEDTokenizerFast", "<s>", "cls_token"),
        ("MvpTokenizerFast", "<s>", "cls_token"),
        ("MPNetTokenizerFast", "<s>", "cls_token"),
        ("NougatTokenizerFast", "<s>", "bos_token"),
        ("DebertaTokenizerFast", "[CLS]", "cls_token"),
        ("BertTokenizer", "[CLS]", "cls_token"),
        ("DistilBertTokenizerFast", "[CLS]", "cls_token"),
        ("ElectraTokenizerFast", "[CLS]", "cls_token"),
        ("LayoutLMTokenizerFast", "[CLS]", "cls_token"),
        ("FunnelTokenizerFast", "<cls>", "cls_token"),
    ] {
        let (first, told) = front(class, Value::Null, json!({}));
        assert_eq!(first.as_deref(), Some(token), "{class}: {told}");
        assert!(told.contains("of transformers 5 always puts it in front"), "{class}: {told}");
        let (first, _) = front(class, support::with_bos(), json!({ key: "<q>" }));
        assert_eq!(first.as_deref(), Some("<q>"), "{class}");
    }
    let (first, told) = front("WhisperTokenizerFast", support::with_bos(), json!({}));
    assert_eq!(first.as_deref(), Some("<s>"));
    assert!(told.contains("puts several tokens") && told.contains("4.52"), "{told}");
    assert!(!told.contains("vene does as transformers 5"), "{told}");
}

/// A vocabulary that SentencePiece spelled, with these normalizers.
fn spelled(normalizers: &[Value]) -> String {
    let mut tokenizer: Value = serde_json::from_str(&support::tokenizer(Value::Null)).unwrap();
    tokenizer["pre_tokenizer"] = json!({"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false});
    tokenizer["normalizer"] = json!({"type": "Sequence", "normalizers": normalizers});
    tokenizer["decoder"] = json!({"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]});
    tokenizer["model"]["vocab"] = json!({"a": 0, "b": 1, "▁": 2, "▁a": 3, "ab": 4});
    tokenizer["model"]["merges"] = json!([["▁", "a"], ["a", "b"]]);
    tokenizer.to_string()
}

fn replace() -> Value {
    json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})
}

#[test]
fn a_gemma_tokenizer_with_another_normalizer_is_told() {
    for class in ["GemmaTokenizer", "GemmaTokenizerFast"] {
        let told = |normalizers: &[Value]| {
            let settings = json!({"tokenizer_class": class});
            let config = json!({"model_type": "llama"});
            with_settings(&config, &spelled(normalizers), &settings).notices.all().join("\n")
        };
        assert!(!told(&[replace()]).contains("replaces"), "{}", told(&[replace()]));
        for other in [
            json!({"type": "Prepend", "prepend": "▁"}),
            json!({"type": "NFKC"}),
            json!({"type": "Lowercase"}),
        ] {
            let line = told(&[other, replace()]);
            let expected = "GemmaTokenizer of transformers 5 replaces its normalizer";
            assert!(line.contains(expected), "{line}");
        }
    }
}

#[test]
fn both_versions_are_named_where_a_space_is_put_in_front() {
    let told = |settings: Value| {
        let mut tokenizer: Value = serde_json::from_str(&spelled(&[replace()])).unwrap();
        tokenizer["pre_tokenizer"] = Value::Null;
        let config = json!({"model_type": "llama"});
        with_settings(&config, &tokenizer.to_string(), &settings).notices.all().join("\n")
    };
    let class = "LlamaTokenizer";
    let line = told(json!({"tokenizer_class": class, "add_prefix_space": true, "legacy": true}));
    let expected = "is followed, as transformers 4.52 does; LlamaTokenizer of transformers 5 puts";
    assert!(line.contains(expected), "{line}");
    let line = told(json!({"tokenizer_class": class, "add_prefix_space": true, "legacy": false}));
    assert!(line.contains("is followed, as transformers 4.52 and 5 do"), "{line}");
}

#[test]
fn an_end_that_no_model_can_say_is_none() {
    let config = json!({"model_type": "mystery", "vocab_size": 6});
    let settings = json!({"eos_token": "<nope>", "tokenizer_class": "PreTrainedTokenizerFast"});
    let model = with_settings(&config, &support::tokenizer(Value::Null), &settings);
    assert_eq!(model.tokenizer.ends(), [] as [u32; 0]);
    let told = model.notices.all().join("\n");
    assert!(
        told.contains("would be token 6, is not one of the model's 6 tokens: they end at none"),
        "{told}"
    );
}

/// As `GenerationConfig.from_model_config` reads them.
#[test]
fn a_multimodal_model_ends_where_its_language_part_says() {
    for (outer, inner, ends) in [
        (None, None, vec![1]),
        (None, Some(json!(5)), vec![5]),
        (None, Some(Value::Null), vec![]),
        (Some(Value::Null), Some(json!([4, 5])), vec![4, 5]),
        (Some(Value::Null), None, vec![1]),
        (Some(json!(3)), Some(json!(5)), vec![3]),
    ] {
        let mut config = json!({"model_type": "gemma3", "text_config": {"vocab_size": 6}});
        if let Some(outer) = &outer {
            config["eos_token_id"] = outer.clone();
        }
        if let Some(inner) = &inner {
            config["text_config"]["eos_token_id"] = inner.clone();
        }
        let settings = json!({"tokenizer_class": "PreTrainedTokenizerFast"});
        let model = with_settings(&config, &support::tokenizer(Value::Null), &settings);
        assert_eq!(model.tokenizer.ends(), ends, "{config}");
    }
}
