//! Tokenizers and their settings.

use std::path::Path;

use anyhow::Result;
use vene_checkpoint::{BeginningOfSequence, Checkpoint, Message, ModelSource};

use super::Target;
use super::model::{lay_out, words};
use crate::mutate::Form;

/// A byte-level tokenizer of a few tokens with a beginning-of-sequence token.
const SMALL: &str = r#"{
    "version": "1.0",
    "truncation": {"direction": "Right", "max_length": 12, "strategy": "LongestFirst", "stride": 0},
    "padding": {"strategy": {"Fixed": 4}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 5, "pad_type_id": 0,
        "pad_token": "<s>"},
    "added_tokens": [
        {"id": 5, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
         "special": true}],
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"},
        {"type": "Replace", "pattern": {"String": "x"}, "content": "aa"}, {"type": "Prepend", "prepend": "a"}]},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": "\\d+|[^\\d]+"}, "behavior": "Isolated", "invert": false},
        {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}]},
    "post_processor": {"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [5], "tokens": ["<s>"]}}},
    "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
    "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
        "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
        "vocab": {"a": 0, "b": 1, "Ġ": 2, "Ġa": 3, "ab": 4}, "merges": [["Ġ", "a"], ["a", "b"]]}
}"#;

/// One of SentencePiece's kind.
const PIECES: &str = r#"{
    "version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [{"id": 0, "content": "<unk>", "single_word": false, "lstrip": false, "rstrip": true,
        "normalized": false, "special": true}],
    "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false},
    "post_processor": null,
    "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
    "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": false,
        "vocab": [["<unk>", 0.0], ["▁", -1.0], ["a", -2.0], ["b", -3.0], ["▁a", -1.5], ["ab", -1.7]]}
}"#;

const WORDS: [&str; 36] = [
    "type",
    "BPE",
    "WordLevel",
    "WordPiece",
    "Unigram",
    "ByteLevel",
    "Metaspace",
    "Split",
    "Sequence",
    "Replace",
    "Regex",
    "String",
    "Strip",
    "NFKC",
    "Prepend",
    "Precompiled",
    "TemplateProcessing",
    "RobertaProcessing",
    "BertProcessing",
    "Fixed",
    "BatchLongest",
    "pad_to_multiple_of",
    "max_length",
    "stride",
    "(a*)*b",
    "(?=(a+))+",
    "\\p{L}{1000}{1000}",
    "add_prefix_space",
    "unk_token",
    "dropout",
    "byte_fallback",
    "ids",
    "tokens",
    "content",
    "<s>",
    "special",
];

/// Encodes, decodes, shows.
fn exercise(source: &ModelSource) -> Result<()> {
    let checkpoint = Checkpoint::open(source, &mut |_| ())?;
    let tokenizer = &checkpoint.tokenizer;
    let _ = tokenizer.bos();
    for text in [
        "a ab<s>\nb",
        "",
        " ",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaax",
        "é𝄞\0▁ 12 3.5",
        "t1 t2",
    ] {
        for bos in
            [BeginningOfSequence::Model, BeginningOfSequence::Always, BeginningOfSequence::Never]
        {
            let Ok(encoding) = tokenizer.encode_with(text, bos) else { continue };
            assert_eq!(encoding.ids.len(), encoding.spans.len());
            for span in &encoding.spans {
                assert!(
                    span.start <= span.end && span.end <= text.chars().count().max(text.len()),
                    "{span:?}"
                );
            }
            let _ = tokenizer.decode(&encoding.ids);
            for id in encoding.ids {
                let _ = tokenizer.display(id);
            }
        }
        let _ = tokenizer.single_token(text);
    }
    let _ = tokenizer.decode(&[0, 1, u32::MAX]);
    let _ = tokenizer.display(u32::MAX);
    let _ = tokenizer.generation().followed();
    let _ = tokenizer.generation().disregarded(&[], false);
    Ok(())
}

/// A model's folder in which one file changes.
fn beside_model(
    folder: &Path,
    name: &str,
    seeds: &[&str],
    words: &[&'static str],
) -> Result<Target> {
    lay_out("gpt2-plain", folder)?;
    if name != "tokenizer.json" {
        std::fs::write(folder.join("tokenizer.json"), SMALL)?;
    }
    let path = folder.join(name);
    let source = ModelSource::Directory(folder.to_owned());
    Ok(Target {
        seeds: seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect(),
        form: Form::Json,
        words: words.to_vec(),
        read: Box::new(move |bytes| {
            std::fs::write(&path, bytes)?;
            exercise(&source)
        }),
    })
}

pub fn tokenizer(folder: &Path) -> Result<Target> {
    let small = words(8);
    beside_model(folder, "tokenizer.json", &[SMALL, PIECES, small.as_str()], &WORDS)
}

pub fn settings(folder: &Path) -> Result<Target> {
    let seeds = [
        r#"{"tokenizer_class": "GPT2Tokenizer", "bos_token": "<s>", "eos_token": "<s>", "add_bos_token": true,
            "add_prefix_space": false, "model_max_length": 1024, "clean_up_tokenization_spaces": false}"#,
        r#"{"tokenizer_class": "LlamaTokenizer", "bos_token": {"__type": "AddedToken", "content": "<s>", "lstrip": false,
            "rstrip": false, "normalized": false, "single_word": false}, "add_bos_token": false, "legacy": false,
            "added_tokens_decoder": {"5": {"content": "<s>", "lstrip": true, "rstrip": false, "normalized": false,
            "single_word": false, "special": true}}, "additional_special_tokens": ["<s>"], "chat_template": "{{ x }}"}"#,
    ];
    let words = [
        "add_bos_token",
        "add_eos_token",
        "tokenizer_class",
        "PreTrainedTokenizerFast",
        "GPT2TokenizerFast",
        "LlamaTokenizerFast",
        "GemmaTokenizerFast",
        "do_lower_case",
        "split_special_tokens",
        "added_tokens_decoder",
        "additional_special_tokens",
        "content",
        "padding_side",
        "model_max_length",
        "add_prefix_space",
        "legacy",
    ];
    beside_model(folder, "tokenizer_config.json", &seeds, &words)
}

pub fn special_tokens(folder: &Path) -> Result<Target> {
    let seeds = [
        r#"{"bos_token": "<s>", "eos_token": {"content": "<s>", "lstrip": false, "rstrip": false, "normalized": true,
            "single_word": false}, "additional_special_tokens": ["<s>", "<t>"]}"#,
    ];
    beside_model(
        folder,
        "special_tokens_map.json",
        &seeds,
        &["unk_token", "pad_token", "cls_token", "content"],
    )
}

pub fn added_tokens(folder: &Path) -> Result<Target> {
    beside_model(
        folder,
        "added_tokens.json",
        &[r#"{"<t>": 6, "<u>": 7}"#, "{}"],
        &["<s>", "a", "ab"],
    )
}

pub fn generation_config(folder: &Path) -> Result<Target> {
    let seeds = [
        r#"{"_from_model_config": true, "bos_token_id": 5, "eos_token_id": [5, 4], "transformers_version": "4.52.4"}"#,
        r#"{"do_sample": true, "temperature": 0.7, "top_p": 0.9, "top_k": 50, "max_length": 20, "eos_token_id": 5}"#,
    ];
    let words = [
        "eos_token_id",
        "pad_token_id",
        "max_new_tokens",
        "num_beams",
        "stop_strings",
        "suppress_tokens",
    ];
    beside_model(folder, "generation_config.json", &seeds, &words)
}

/// A chat template, which is a program.
pub fn chat_template(folder: &Path) -> Result<Target> {
    lay_out("gpt2-plain", folder)?;
    std::fs::write(folder.join("tokenizer.json"), SMALL)?;
    let path = folder.join("chat_template.jinja");
    let source = ModelSource::Directory(folder.to_owned());
    let seeds = [
        "{% for m in messages %}{{ '<s>' + m['role'] + '\\n' + m.content | trim + eos_token }}{% endfor %}\n\
         {%- if add_generation_prompt %}{{ 'assistant' }}{% endif %}",
        "{%- macro f(a, b='x') %}{{ a ~ b }}{% endmacro %}{% set ns = namespace(n=0) %}\n\
         {%- for m in messages[::-1] if m.role != 'x' %}{% set ns.n = ns.n + 1 %}{{ f(m.content.split(' ')[-1]) }}{% endfor %}\n\
         {{- messages | tojson(indent=2) }}{{ strftime_now('%d %b %Y') }}{% generation %}{{ ns.n }}{% endgeneration %}",
        "{% if messages | selectattr('role', 'equalto', 'user') | list | length > 9 %}{{ raise_exception('no') }}{% endif %}\n\
         {{ messages | map(attribute='content') | join(', ') | upper | replace('A', 'b') }}{{ range(3) | list }}",
    ];
    let words = vec![
        "range(99999999)",
        "* 999999999",
        "| tojson(indent=99999999)",
        "{% for i in range(9999) %}",
        "{% endfor %}",
        "namespace",
        "| batch(2)",
        "| format",
        "%Q",
        "loop.previtem",
        "raise_exception",
        "{% generation %}",
    ];
    Ok(Target {
        seeds: seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect(),
        form: Form::Text,
        words,
        read: Box::new(move |bytes| {
            std::fs::write(&path, bytes)?;
            let tokenizer = Checkpoint::open(&source, &mut |_| ())?.tokenizer;
            let turns = [("system", "a"), ("user", " b\n"), ("assistant", "ab")];
            let turns = turns.map(|(role, content)| Message::new(role, content));
            let _ = tokenizer.turn_end();
            // The small vocabulary lacks most of what a template may write.
            tokenizer.chat_template()?.render(&turns)?;
            Ok(())
        }),
    })
}
