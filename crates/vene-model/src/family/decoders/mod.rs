//! The families of transformers that are understood: a table each.
//!
//! Most begin with Llama's table and say what is different.

mod alibi;
mod bloom;
mod cohere;
mod cohere2;
mod falcon;
mod gemma;
mod gemma2;
mod gemma3;
mod glm;
mod glm4;
mod gpt2;
mod gpt_neo;
mod gpt_neox;
mod gpt_oss;
mod gptj;
mod granite;
mod granitemoe;
mod llama;
mod mistral;
mod mixtral;
mod mixture;
mod mpt;
mod olmo;
mod olmo2;
mod olmo3;
mod olmoe;
mod opt;
mod phi;
mod phi3;
mod qwen2;
mod qwen2_moe;
mod qwen3;
mod qwen3_moe;
mod smollm3;
mod stablelm;
mod starcoder2;
mod windows;

use super::table::Transformer;

/// All of them, in the order in which they are shown.
pub(super) const TRANSFORMERS: [&Transformer; 34] = [
    &gpt2::FAMILY,
    &llama::FAMILY,
    &mistral::FAMILY,
    &mixtral::FAMILY,
    &qwen2::FAMILY,
    &qwen2_moe::FAMILY,
    &qwen3::FAMILY,
    &qwen3_moe::FAMILY,
    &gpt_oss::FAMILY,
    &gemma::FAMILY,
    &gemma2::FAMILY,
    &gemma3::FAMILY,
    &gpt_neox::FAMILY,
    &phi::FAMILY,
    &phi3::FAMILY,
    &olmo::FAMILY,
    &olmo2::FAMILY,
    &olmo3::FAMILY,
    &olmoe::FAMILY,
    &smollm3::FAMILY,
    &granite::FAMILY,
    &granitemoe::FAMILY,
    &cohere::FAMILY,
    &cohere2::FAMILY,
    &glm::FAMILY,
    &glm4::FAMILY,
    &stablelm::FAMILY,
    &starcoder2::FAMILY,
    &falcon::FAMILY,
    &bloom::FAMILY,
    &mpt::FAMILY,
    &gptj::FAMILY,
    &gpt_neo::FAMILY,
    &opt::FAMILY,
];
