//! A model's description, read by the table of its family.

use serde_json::json;

use super::head::Head;
use super::keys::{Keys, missing, shortened, wrong};
use super::names::Names;
use super::slots::{Gate, Slots};
use super::table::{Activates, Bias, GgufHead, Norm, Positions, Share, Transformer, Turning};
use super::{Naming, activation, gguf_rope, rope};
use crate::config::{Activation, DecoderConfig, Extents, NormKind, QueryKeyNorm, Rotary};
use crate::error::ModelError;

/// The base of a rotary encoding where nothing says another.
pub(super) const USUAL_BASE: f64 = 10_000.0;

/// Whether a bias is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum HasBias {
    No,
    Yes,
    IfThere,
}

/// What was read of a model's description.
pub(super) struct Described {
    pub config: DecoderConfig,
    /// In the file's format.
    pub slots: Slots,
    pub projection_bias: HasBias,
    pub attention_output_bias: HasBias,
    pub mlp_bias: HasBias,
    pub head_bias: HasBias,
}

impl Described {
    /// Queries and keys are normed by these modules, each head by itself with a weight of its own.
    pub fn norm_each_head(&mut self, modules: Option<[&'static str; 2]>) {
        self.slots.query_key_norms = modules;
        self.config.query_key_norm = Some(QueryKeyNorm::EachHeadOwn);
    }

    /// The same of a GGUF file that has the weights, as llama.cpp has it.
    pub fn norm_each_head_in_gguf(&mut self, from: &Reading<'_>) {
        const NORMS: [&str; 2] = ["attn_q_norm", "attn_k_norm"];
        if from.names.contains(&format!("blk.0.{}.weight", NORMS[0])) {
            self.norm_each_head(Some(NORMS));
        }
    }
}

/// A description that is being read.
pub(super) struct Reading<'a> {
    pub keys: &'a Keys<'a>,
    pub naming: Naming,
    pub names: &'a Names,
}

impl Transformer {
    /// Reads a description.
    pub fn read(&self, from: &Reading<'_>) -> Result<Described, ModelError> {
        let slots = self.slots.named(from.naming);
        let extents = self.extents(from, &slots)?;
        let mut config = DecoderConfig::transformer(self.name, extents, self.norm(from)?);
        config.residual = self.residual;
        config.pre_norms = slots.attention_norm.is_some();
        config.post_norms = slots.attention_post_norm.is_some();
        config.embedding_norm = slots.embedding_norm.is_some();
        config.sinks = slots.sinks.is_some();
        config.query_key_norm = slots.query_key_norms.map(|_| QueryKeyNorm::EachHead);
        config.gated = !matches!(slots.gate, Gate::None);
        config.activation = from.activation(self.activation)?;
        if let Positions::Rotary(turning) = &self.positions {
            from.turn_all(&mut config, turning)?;
        }
        let mut described = Described {
            config,
            slots,
            projection_bias: match from.bias(self.biases.projections)? {
                // llama.cpp takes those that there are.
                HasBias::No if !from.is_hugging_face() => HasBias::IfThere,
                has => has,
            },
            attention_output_bias: from.bias(self.biases.attention_output)?,
            mlp_bias: from.bias(self.biases.mlp)?,
            head_bias: from.bias(self.biases.head)?,
        };
        if self.gguf.is_none_or(|gguf| !gguf.reads_windows) {
            from.leave_out_window();
        }
        // Says nothing where windows are not switched on, and where they are the family reads it.
        from.keys.ignore(&["max_window_layers"]);
        (self.special)(from, &mut described)?;
        Ok(described)
    }

    /// Where the unembedding comes from.
    pub fn head(
        &self,
        keys: &Keys<'_>,
        naming: Naming,
        names: &mut Names,
    ) -> Result<Head, ModelError> {
        let in_gguf = self.gguf.map_or(GgufHead::Own, |gguf| gguf.head);
        Head::of(keys, naming, names, &self.slots.named(naming), self.ties, in_gguf)
    }

    fn extents(&self, from: &Reading<'_>, slots: &Slots) -> Result<Extents, ModelError> {
        let (keys, own) = (from.keys, &self.keys);
        let pick = |hugging_face, gguf| from.naming.pick(hugging_face, gguf);
        let d_model = keys.extent(pick(own.d_model, "embedding_length"))?;
        let heads = keys.extent(pick(own.heads, "attention.head_count"))?;
        let key_value_heads = match own.key_value_heads {
            Some(key) => {
                let said = keys.optional_extent(pick(key, "attention.head_count_kv"))?;
                let heads_of_keys = said.unwrap_or(heads);
                divided("attention heads (by key-value heads)", heads, heads_of_keys)?;
                heads_of_keys
            }
            None => {
                if from.naming == Naming::Gguf {
                    // The heads of this family are all of one kind.
                    keys.only("attention.head_count_kv", heads.into())?;
                }
                heads
            }
        };
        let layers = layer_count(keys, pick(own.layers, "block_count"))?;
        let head_dim = match own.head_dim {
            Some(key) => keys.optional_extent(pick(key, "attention.key_length"))?,
            None => None,
        };
        let head_dim = match head_dim {
            Some(head_dim) => head_dim,
            None => divided("hidden size (by heads)", d_model, heads)?,
        };
        if from.naming == Naming::Gguf && own.head_dim.is_some() {
            keys.only("attention.value_length", json!(head_dim))?;
        }
        let d_mlp = match (own.d_mlp, from.naming) {
            (None, Naming::HuggingFace) => 4 * d_model,
            (Some(key), Naming::HuggingFace) if own.d_mlp_is_optional => {
                keys.optional_extent(key)?.unwrap_or(4 * d_model)
            }
            (Some(key), Naming::HuggingFace) => keys.extent(key)?,
            (_, Naming::Gguf) => keys.extent("feed_forward_length")?,
        };
        let context = pick(own.context, "context_length");
        let context = match (&self.positions, own.usual_context) {
            (Positions::Learned, _) => keys.extent(context)?,
            (_, Some(usual)) => keys.optional_count(context)?.unwrap_or(usual),
            (_, None) => keys.count(context)?,
        };
        let vocabulary = from.vocabulary(&slots.embedding_tensor())?;
        Ok(Extents {
            d_model,
            heads,
            key_value_heads,
            head_dim,
            d_mlp,
            vocabulary,
            context,
            layers,
        })
    }

    fn norm(&self, from: &Reading<'_>) -> Result<NormKind, ModelError> {
        let epsilon = |key, gguf| from.keys.positive(from.naming.pick(key, gguf));
        Ok(match self.norm {
            Norm::FixedLayer(epsilon) if from.is_hugging_face() => NormKind::Layer { epsilon },
            Norm::FixedLayer(_) => {
                NormKind::Layer { epsilon: from.keys.positive("attention.layer_norm_epsilon")? }
            }
            Norm::Layer(key) => {
                NormKind::Layer { epsilon: epsilon(key, "attention.layer_norm_epsilon")? }
            }
            Norm::RootMeanSquare(key) | Norm::OffsetRootMeanSquare(key) => {
                let is_offset = matches!(self.norm, Norm::OffsetRootMeanSquare(_));
                NormKind::RootMeanSquare {
                    epsilon: epsilon(key, "attention.layer_norm_rms_epsilon")?,
                    // GGUF files hold the sum.
                    unit_offset: is_offset && from.naming == Naming::HuggingFace,
                }
            }
        })
    }
}

impl Reading<'_> {
    /// Whether this is a `config.json`.
    pub fn is_hugging_face(&self) -> bool {
        self.naming == Naming::HuggingFace
    }

    /// Names a window that a GGUF file says and llama.cpp does not read.
    fn leave_out_window(&self) {
        const WINDOW: &str = "attention.sliding_window";
        let said = (!self.is_hugging_face()).then(|| self.keys.said(WINDOW)).flatten();
        if let Some(window) = said.filter(|window| window.as_u64() != Some(0)) {
            let architecture = self.keys.architecture();
            self.keys.notices.add(format!(
                "`{architecture}.{WINDOW}` = {} is not read for {architecture} models, as in llama.cpp: every layer \
                 attends to everything",
                shortened(&window)
            ));
        }
    }

    /// A soft cap, where there is one; GGUF files say 0 for none, as llama.cpp has it.
    pub fn soft_cap(&self, key: &str) -> Result<Option<f64>, ModelError> {
        match self.naming {
            Naming::HuggingFace if self.keys.is_null(key) => Ok(None),
            Naming::HuggingFace => self.keys.optional_positive(key),
            Naming::Gguf => self.keys.positive_or_off(key),
        }
    }

    fn bias(&self, bias: Bias) -> Result<HasBias, ModelError> {
        let said = |key| self.keys.flag_or(key, false).map(HasBias::from);
        match (bias, self.naming) {
            (Bias::Always, _) => Ok(HasBias::Yes),
            (
                Bias::Said(key) | Bias::SaidOrThere(key) | Bias::SaidOrInGguf(key),
                Naming::HuggingFace,
            ) => said(key),
            (Bias::SaidOrThere(_) | Bias::ThereInGguf, Naming::Gguf) => Ok(HasBias::IfThere),
            (Bias::SaidOrInGguf(_), Naming::Gguf) => Ok(HasBias::Yes),
            (Bias::Never | Bias::ThereInGguf, _) | (Bias::Said(_), Naming::Gguf) => Ok(HasBias::No),
        }
    }

    fn activation(&self, activates: Activates) -> Result<Activation, ModelError> {
        match (self.naming, activates) {
            (Naming::HuggingFace, Activates::Said(key, _)) => {
                activation::named(key, &self.keys.text(key)?)
            }
            (Naming::HuggingFace, Activates::Always(activation, _)) => Ok(activation),
            (Naming::Gguf, Activates::Said(_, in_gguf) | Activates::Always(_, in_gguf)) => {
                Ok(in_gguf)
            }
        }
    }

    /// How many dimensions of a head are turned.
    pub fn turned(&self, share: &Share, head_dim: usize) -> Result<usize, ModelError> {
        let turned = match (self.naming, share) {
            (_, Share::All) => head_dim,
            (Naming::Gguf, _) => {
                self.keys.optional_count("rope.dimension_count")?.unwrap_or(head_dim)
            }
            (_, Share::Factor(key)) => (head_dim as f64 * rope::factor(self.keys, key)?) as usize,
            (_, Share::Dimensions(key)) => self.keys.optional_count(key)?.unwrap_or(head_dim),
        };
        if self.naming == Naming::Gguf {
            self.keys.only("rope.dimension_count", json!(turned))?;
        }
        if turned > head_dim {
            let expected = format!("at most the width of a head, {head_dim}");
            return Err(wrong("rotated dimensions", &turned.into(), &expected));
        }
        // Pairs are turned.
        divided(if turned == head_dim { "head_dim" } else { "rotated dimensions" }, turned, 2)?;
        Ok(turned)
    }

    /// The base of the rotary encoding in a GGUF file.
    pub fn base_in_gguf(&self) -> Result<f64, ModelError> {
        Ok(self.keys.optional_positive("rope.freq_base")?.unwrap_or(USUAL_BASE))
    }

    /// Turns all layers by the one rotary encoding that is described.
    pub fn turn_all(
        &self,
        config: &mut DecoderConfig,
        turning: &Turning,
    ) -> Result<(), ModelError> {
        config.rotaries = vec![self.rotary(config, turning)?];
        config.layers.iter_mut().for_each(|layer| layer.rotary = Some(0));
        Ok(())
    }

    /// A rotary encoding of all layers. Where it grows with the text, so does the context.
    fn rotary(&self, config: &mut DecoderConfig, turning: &Turning) -> Result<Rotary, ModelError> {
        let dimensions = self.turned(&turning.share, config.head_dim)?;
        let rotary = match (self.naming, turning.base) {
            (Naming::HuggingFace, None) => Rotary::new(USUAL_BASE, dimensions),
            (Naming::HuggingFace, Some(base)) => {
                let turned = (dimensions, matches!(turning.share, Share::Factor(_)));
                let described = rope::of_model(self.keys, base, turned, config.context)?;
                config.context = described.context;
                described.rotary
            }
            (Naming::Gguf, _) => {
                let theta = self.base_in_gguf()?;
                gguf_rope::rotary(self.keys, self.names, theta, dimensions, config.context)?
            }
        };
        Ok(Rotary { pairing: turning.pairing, ..rotary })
    }

    /// The vocabulary's size: as the configuration says, or else as the embedding has rows.
    fn vocabulary(&self, embedding: &str) -> Result<usize, ModelError> {
        if self.is_hugging_face() {
            return self.keys.extent("vocab_size");
        }
        match self.names.shape(embedding) {
            Some(&[vocabulary, _]) if vocabulary > 0 => Ok(vocabulary),
            _ => Err(missing(embedding, "a tensor [vocabulary, d_model]")),
        }
    }
}

impl From<bool> for HasBias {
    fn from(has: bool) -> Self {
        if has { Self::Yes } else { Self::No }
    }
}

/// A number of layers, within reason: nothing is allocated for what a hostile file claims.
pub(super) fn layer_count(keys: &Keys<'_>, key: &str) -> Result<usize, ModelError> {
    const MOST: usize = 4096;
    match keys.count(key)? {
        layers if layers > MOST => Err(ModelError::WrongValue {
            key: key.into(),
            value: layers.to_string(),
            expected: format!("at most {MOST} layers"),
        }),
        layers => Ok(layers),
    }
}

/// `number / divisor`, where that leaves no remainder.
fn divided(what: &str, number: usize, divisor: usize) -> Result<usize, ModelError> {
    if !number.is_multiple_of(divisor) {
        return Err(ModelError::WrongValue {
            key: what.into(),
            value: number.to_string(),
            expected: format!("a multiple of {divisor}"),
        });
    }
    Ok(number / divisor)
}
