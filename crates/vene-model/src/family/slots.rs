//! What a family of transformers calls its tensors.
//!
//! A Hugging Face file has the names of the modules of the family's class, which differ from family to family; in GGUF files
//! the same thing has the same name in all of them.

use super::Naming;
use super::names::{Names, Scheme};

/// Names in a Hugging Face file: of modules, without `.weight` and `.bias`. Those of a block stand after `{prefix}{blocks}.N.`.
#[derive(Clone, Copy)]
pub(super) struct Slots {
    /// What stands before all names but the head's; base classes leave it out.
    pub prefix: &'static str,
    pub embedding: &'static str,
    /// Of the embeddings, before the first block.
    pub embedding_norm: Option<&'static str>,
    /// The table of learned positions.
    pub positions: Option<&'static str>,
    /// So many rows of it stand before that of the first position.
    pub first_position: usize,
    pub blocks: &'static str,
    pub final_norm: &'static str,
    pub head: &'static str,
    /// How names of buffers begin that stand beside these.
    pub beside: &'static [&'static str],
    /// How names of buffers end that a class saved and computes itself.
    pub buffers: &'static [&'static str],
    /// None where attention reads the residual stream as it is.
    pub attention_norm: Option<&'static str>,
    pub projections: Projections,
    /// On queries and keys.
    pub query_key_norms: Option<[&'static str; 2]>,
    /// The tensor of the heads' sinks, where there are such.
    pub sinks: Option<&'static str>,
    pub attention_output: &'static str,
    pub attention_post_norm: Option<&'static str>,
    /// The attention's own where one norm serves both.
    pub mlp_norm: Option<&'static str>,
    pub gate: Gate,
    pub up: &'static str,
    pub down: &'static str,
    /// In layers whose MLP is a mixture of experts.
    pub experts: Option<ExpertSlots>,
    pub mlp_post_norm: Option<&'static str>,
    /// What belongs to a norm.
    pub norm_parts: NormParts,
    /// Whether projections are stored as `[in, out]` (transformers' `Conv1D`).
    pub transposed: bool,
}

/// Where queries, keys and values are projected.
#[derive(Clone, Copy)]
pub(super) enum Projections {
    /// Each by its own matrix.
    Separate([&'static str; 3]),
    /// By one, all queries before all keys before all values.
    Stacked(&'static str),
    /// By one, key head after key head: the queries that meet it, its key and its value.
    ByHead(&'static str),
}

/// Where an MLP's gate is projected.
#[derive(Clone, Copy)]
pub(super) enum Gate {
    /// There is none.
    None,
    Own(&'static str),
    /// By the first half of the matrix that `up` names.
    BeforeUp,
}

/// Names of a mixture of experts, in a block.
#[derive(Clone, Copy)]
pub(super) struct ExpertSlots {
    pub router: &'static str,
    pub experts: ExpertNames,
    /// The expert that every token has.
    pub shared: Option<SharedSlots>,
}

/// Names of the expert that every token has, in a block.
#[derive(Clone, Copy)]
pub(super) struct SharedSlots {
    pub gate: &'static str,
    pub up: &'static str,
    pub down: &'static str,
    /// What its output is multiplied by the sigmoid of.
    pub own_gate: Option<&'static str>,
}

/// How the experts' tensors are named.
#[derive(Clone, Copy)]
pub(super) enum ExpertNames {
    /// Those of expert `N` stand in `{at}.N`: gate, up and down.
    Each { at: &'static str, gate: &'static str, up: &'static str, down: &'static str },
    /// All experts' in one tensor: `[experts, 2 * hidden, d_model]` of gates and ups, `[experts, d_model, hidden]`.
    Joined { gate_and_up: &'static str, down: &'static str },
    /// All experts' in one tensor, inputs first, gates and ups in turn: `[experts, d_model, 2 * hidden]`, `[experts, hidden, d_model]`, with
    /// biases (`_bias`). Or four-bit floats (`_blocks`, `_scales`), outputs first.
    Alternating { gate_and_up: &'static str, down: &'static str },
    /// All experts' gates in one tensor, `[experts, hidden, d_model]`, and likewise their ups and downs.
    Stacked { gate: &'static str, up: &'static str, down: &'static str },
}

impl ExpertSlots {
    fn gguf(&self) -> Self {
        Self {
            router: "ffn_gate_inp",
            experts: ExpertNames::Stacked {
                gate: "ffn_gate_exps",
                up: "ffn_up_exps",
                down: "ffn_down_exps",
            },
            shared: self.shared.map(|shared| SharedSlots {
                gate: "ffn_gate_shexp",
                up: "ffn_up_shexp",
                down: "ffn_down_shexp",
                own_gate: shared.own_gate.map(|_| "ffn_gate_inp_shexp"),
            }),
        }
    }
}

/// What belongs to a norm.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum NormParts {
    None,
    Weight,
    WeightAndBias,
}

/// Llama's, which most families took over.
pub(super) const LLAMA: Slots = Slots {
    prefix: "model.",
    embedding: "embed_tokens",
    embedding_norm: None,
    positions: None,
    first_position: 0,
    blocks: "layers",
    final_norm: "norm",
    head: "lm_head",
    beside: &["rotary_emb", "rotary_emb_local"],
    buffers: &[],
    attention_norm: Some("input_layernorm"),
    projections: Projections::Separate([
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
    ]),
    query_key_norms: None,
    sinks: None,
    attention_output: "self_attn.o_proj",
    attention_post_norm: None,
    mlp_norm: Some("post_attention_layernorm"),
    gate: Gate::Own("mlp.gate_proj"),
    up: "mlp.up_proj",
    down: "mlp.down_proj",
    experts: None,
    mlp_post_norm: None,
    norm_parts: NormParts::Weight,
    transposed: false,
};

/// Of families that norm queries and keys with these modules.
pub(super) const QUERY_KEY_NORMS: Option<[&str; 2]> =
    Some(["self_attn.q_norm", "self_attn.k_norm"]);

impl Slots {
    /// How names begin in a Hugging Face file, for finding out what wraps them.
    pub fn scheme(&self) -> Scheme {
        let first = |name: &'static str| name.split('.').next().unwrap_or_default();
        let own = [
            Some(self.embedding),
            self.embedding_norm,
            self.positions,
            Some(self.blocks),
            Some(self.final_norm),
        ];
        let beginnings = own.into_iter().flatten().map(first);
        Scheme {
            prefix: self.prefix,
            beginnings: beginnings.chain(self.beside.iter().copied()).collect(),
            head: self.head,
        }
    }

    /// Whether a tensor is a buffer that the family's class computes itself.
    pub fn is_buffer(&self, name: &str) -> bool {
        self.buffers.iter().any(|end| name.ends_with(end)) || is_rotary_table(name)
    }

    /// The names as a format has them.
    pub fn named(&self, naming: Naming) -> Self {
        match naming {
            Naming::HuggingFace => *self,
            Naming::Gguf => self.gguf(),
        }
    }

    fn gguf(&self) -> Self {
        let norm = |own: Option<_>, name| own.map(|_| name);
        let is_shared = self.mlp_norm.is_some() && self.mlp_norm == self.attention_norm;
        Self {
            prefix: "",
            embedding: "token_embd",
            embedding_norm: norm(self.embedding_norm, "token_embd_norm"),
            positions: norm(self.positions, "position_embd"),
            first_position: 0,
            blocks: "blk",
            final_norm: "output_norm",
            head: "output",
            beside: &[],
            buffers: &[],
            attention_norm: norm(self.attention_norm, "attn_norm"),
            projections: match self.projections {
                Projections::Separate(_) => Projections::Separate(["attn_q", "attn_k", "attn_v"]),
                Projections::Stacked(_) | Projections::ByHead(_) => {
                    Projections::Stacked("attn_qkv")
                }
            },
            query_key_norms: self.query_key_norms.map(|_| ["attn_q_norm", "attn_k_norm"]),
            sinks: self.sinks.map(|_| "attn_sinks.weight"),
            attention_output: "attn_output",
            attention_post_norm: norm(self.attention_post_norm, "post_attention_norm"),
            mlp_norm: norm(self.mlp_norm, if is_shared { "attn_norm" } else { "ffn_norm" }),
            gate: match self.gate {
                Gate::Own(_) => Gate::Own("ffn_gate"),
                other => other,
            },
            up: "ffn_up",
            down: "ffn_down",
            experts: self.experts.map(|experts| experts.gguf()),
            mlp_post_norm: norm(self.mlp_post_norm, "post_ffw_norm"),
            norm_parts: self.norm_parts,
            transposed: false,
        }
    }

    /// Of a GGUF file, which may have one matrix for queries, keys and values whatever its family, or three.
    pub fn find_projections(&mut self, names: &Names) {
        const JOINED: &str = "attn_qkv";
        let is_joined = names.contains(&(self.in_block(0, JOINED) + ".weight"));
        self.projections = match is_joined {
            true => Projections::Stacked(JOINED),
            false => Projections::Separate(["attn_q", "attn_k", "attn_v"]),
        };
    }

    /// The full name of a block's module.
    pub fn in_block(&self, layer: usize, module: &str) -> String {
        format!("{}{}.{layer}.{module}", self.prefix, self.blocks)
    }

    /// The full name of a module outside of the blocks.
    pub fn outside(&self, module: &str) -> String {
        format!("{}{module}", self.prefix)
    }

    /// The tensor of the embedding.
    pub fn embedding_tensor(&self) -> String {
        self.outside(self.embedding) + ".weight"
    }
}

/// Tables of a rotary encoding, which are computed.
fn is_rotary_table(name: &str) -> bool {
    const TABLES: [&str; 4] = ["inv_freq", "original_inv_freq", "cos_cached", "sin_cached"];
    let mut parts = name.rsplit('.');
    let (last, owner) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    name == "rope_freqs.weight"
        || ["rotary_emb", "rotary_emb_local"].contains(&owner) && TABLES.contains(&last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tables_of_rotary_encodings_are_left_over() {
        assert!(is_rotary_table("model.layers.0.self_attn.rotary_emb.inv_freq"));
        assert!(is_rotary_table("model.rotary_emb_local.original_inv_freq"));
        assert!(is_rotary_table("model.layers.0.self_attn.rotary_emb.cos_cached"));
        assert!(!is_rotary_table("model.layers.0.self_attn.inv_freq"));
        assert!(!is_rotary_table("model.layers.0.self_attn.rotary_emb.weight"));
    }

    #[test]
    fn a_norm_that_serves_both_modules_has_one_name_in_either_format() {
        let shared = Slots { mlp_norm: LLAMA.attention_norm, ..LLAMA };
        assert_eq!(shared.named(Naming::Gguf).mlp_norm, Some("attn_norm"));
        assert_eq!(LLAMA.named(Naming::Gguf).mlp_norm, Some("ffn_norm"));
        assert_eq!(LLAMA.in_block(3, LLAMA.up), "model.layers.3.mlp.up_proj");
    }
}
