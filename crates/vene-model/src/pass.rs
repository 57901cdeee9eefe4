//! What rides through the decoder, seen from outside it.
//!
//! The decoder knows how to compute; a [`Pass`] knows which runs the packed rows belong to. It
//! tells the positions of the rows, is handed the live rows at every site, and computes attention,
//! the step in which rows of a run meet, or lets a recurrent block go through time. The decoder never learns what an intervention is:
//! it announces sites.
//!
//! *Live* at a site are the site's own tensor and every other tensor of packed rows that is still
//! needed further down: a visitor that adds or drops rows must do so in all of them alike. A
//! visitor that only reads or edits looks at the first, which is the site's own:
//!
//! | site | live |
//! | --- | --- |
//! | `embedding`, `block_input`, `residual_middle`, `block_output`, `final_norm`, `logits` | itself |
//! | `query_output`, `normed_query`, `rotated_query` | itself, keys, values, residual |
//! | `key_output`, `normed_key`, `rotated_key` | itself, queries, values, residual |
//! | `value_output` | itself, queries, keys, residual |
//! | `head_result` | itself, the same before edits, attention_output, residual |
//! | `mlp_gate`, `mlp_activation` | itself, up (gated MLPs), residual |
//! | `mlp_up` | itself, gate (gated MLPs), residual |
//! | `router_score`, `expert_weight` | itself, mlp_input, residual |
//! | `expert_output` | itself, expert_weight, mlp_input, residual |
//! | `shared_expert_output` | itself, the sum of the chosen experts, residual |
//! | all others | itself, residual |
//!
//! Where attention and MLP stand side by side attention_contribution is live at the MLP's sites, too.
//!
//! Of a feedforward block nothing else is live at its sites (`mlp_up`, `mlp_activation`, `block_output`).
//!
//! `attention_score` and `attention_weight` are visited by the pass itself, inside
//! [`Pass::attend`]: only it knows which queries meet which keys. Likewise the gates and the output of
//! a recurrent block inside [`Pass::recur`].

use crate::operations::{OperationError, Operations, Scoring};
use crate::recurrence::Recurrence;
use crate::site::Site;

/// Queries, keys and values of a layer, ready to meet.
pub struct Attention<'a, O: Operations> {
    /// The operations.
    pub operations: &'a O,
    /// How queries meet keys in this layer.
    pub scoring: Scoring<'a>,
    /// `[rows, heads * head_dim]`.
    pub queries: O::Tensor,
    /// `[rows, key_value_heads * head_dim]`.
    pub keys: O::Tensor,
    /// `[rows, key_value_heads * head_dim]`.
    pub values: O::Tensor,
}

/// Where rows stand in their texts: what rotary encodings turn them by.
#[derive(Clone, Copy, Debug)]
pub struct RowPlaces<'a> {
    /// The position of each row in its own text.
    pub positions: &'a [usize],
    /// The length of each row's text as [`rotary_length`](crate::DecoderConfig::rotary_length) has it; empty where the model's
    /// encodings do not depend on it.
    pub lengths: &'a [usize],
}

impl RowPlaces<'_> {
    /// Each row's position and its text's length; 1 where no encoding depends on the length.
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize)> {
        let length = |row: usize| self.lengths.get(row).copied().unwrap_or(1);
        self.positions.iter().enumerate().map(move |(row, &position)| (position, length(row)))
    }
}

/// Which logits a pass wants of its live rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readout {
    /// Rows whose logits are wanted over the whole vocabulary. From `logits` on they are the live
    /// rows; there may be none.
    pub whole: Vec<usize>,
    /// Rows of which a few logits are enough.
    pub chosen: Vec<Choice>,
}

/// Rows of which the logits of a few tokens are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The rows.
    pub rows: Vec<usize>,
    /// The tokens, the same for each of these rows.
    pub tokens: Vec<u32>,
    /// Whether the log-normaliser over the whole vocabulary is wanted too.
    pub normalised: bool,
}

/// The runs whose rows ride through the decoder together.
pub trait Pass<O: Operations> {
    /// What can go wrong on the way.
    type Error: From<OperationError>;

    /// The position of each live row in its own sequence. Asked anew whenever it is needed, since
    /// a visit may have added or dropped rows.
    fn positions(&self) -> &[usize];

    /// The length of each live row's text, as [`rotary_length`](crate::DecoderConfig::rotary_length) has it. Asked only where the
    /// rotary encoding depends on it.
    fn lengths(&self) -> Vec<usize>;

    /// Whether this site would be looked at. Only `head_result` is computed on demand; the
    /// decoder asks for that.
    fn wants(&self, site: Site) -> bool;

    /// The live rows at a site; `live[0]` is the site's own tensor.
    ///
    /// # Errors
    /// Whatever the visitor finds wrong; the pass ends there.
    fn visit(
        &mut self,
        operations: &O,
        site: Site,
        live: &mut [&mut O::Tensor],
    ) -> Result<(), Self::Error>;

    /// Attention: from queries, keys and values of all rows the weighted values
    /// `[rows, heads * head_dim]`. `live` are the other live tensors (the residual stream).
    ///
    /// # Errors
    /// Whatever is found wrong on the way.
    fn attend(
        &mut self,
        attention: Attention<'_, O>,
        live: &mut [&mut O::Tensor],
    ) -> Result<O::Tensor, Self::Error>;

    /// A recurrent block's way through time ([`Recurrence::run`]): from what enters it the states
    /// `[rows, d_model]` of all rows.
    ///
    /// # Errors
    /// Whatever is found wrong on the way; unless this is written, that the pass runs no recurrent
    /// blocks.
    fn recur(&mut self, recurrence: Recurrence<'_, O>) -> Result<O::Tensor, Self::Error> {
        let refused = format!(
            "layer {} is recurrent, and this way of running does not carry a state from position to \
             position: use the reference executor",
            recurrence.layer
        );
        Err(OperationError::from(candle_core::Error::Msg(refused)).into())
    }

    /// Asked in the last layer, where keys and values have been computed and queries have not:
    /// the rows that are needed from here on, in their new order, or `None` if that is all or
    /// cannot be said yet. Who drops rows here looks at no site before [`Pass::attend`] in this
    /// layer; keys and values keep all rows.
    fn narrow(&mut self) -> Option<Vec<usize>> {
        None
    }

    /// The logits that somebody will read: no others are computed.
    fn readout(&mut self) -> Readout;
}
