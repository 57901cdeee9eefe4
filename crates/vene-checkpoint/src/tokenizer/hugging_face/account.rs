//! Keys of a tokenizer's settings that change nothing here, each list with its reason.
//!
//! What is in none of them, and is read by nobody, is named to the user.

/// About conversations, padding, truncation, decoding for display, or where the tokenizer came from: none
/// of it changes which tokens a text is.
pub(super) const HARMLESS: &[&str] = &[
    "_commit_hash",
    "_from_auto",
    "backend",
    "chat_control_tokens",
    "chat_template",
    "clean_up_tokenization_spaces",
    "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output",
    "default_chat_template",
    "device_map",
    "errors",
    "files_loaded",
    "is_local",
    "local_files_only",
    "max_len",
    "max_length",
    "merges_file",
    "model_input_names",
    "model_max_length",
    "name_or_path",
    "pad_to_max_length",
    "pad_to_multiple_of",
    "pad_token_type_id",
    "padding",
    "padding_side",
    "processor_class",
    "response_schema",
    "response_template",
    "return_special_tokens_mask",
    "return_tensors",
    "return_token_type_ids",
    "spaces_between_special_tokens",
    "special_tokens_map_file",
    "stride",
    "tokenizer_file",
    "torch_dtype",
    "transformers_version",
    "trim_offsets",
    "truncation",
    "truncation_side",
    "truncation_strategy",
    "trust_remote_code",
    "use_default_system_prompt",
    "use_fast",
    "verbose",
    "vocab_file",
];

/// For conversion from files that `tokenizer.json` replaces; it holds what came of them.
pub(super) const CONVERTED: &[&str] = &[
    "do_basic_tokenize",
    "from_slow",
    "keep_accents",
    "never_split",
    "remove_space",
    "sp_model_kwargs",
    "wordpieces_prefix",
];
