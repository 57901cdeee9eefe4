//! The decoder, written once for all families and all sets of operations: transformers' blocks, and
//! those of multilayer perceptrons and recurrent networks.
//!
//! Read it top to bottom in the order in which data flows. Rows `[rows, width]` are token
//! positions of any number of runs; what they belong to, and what is to be done with them at a
//! site, only the [`Pass`] knows.

use vene_files::check_interrupt;

use crate::block::{Block, Dense, Experts, Mlp, Transformer};
use crate::component::Component;
use crate::config::{Activation, ClampedGate, DecoderConfig, Residual};
use crate::operations::{ChosenLogits, OperationError, Operations, Scoring};
use crate::pass::{Attention, Pass, RowPlaces};
use crate::recurrence::Recurrence;
use crate::site::Site;
use crate::tensors::{BlockTensors, HostTensor, OuterTensors};

mod parts;

pub use parts::Projection;

/// A decoder with its weights in the layout of its operations.
pub struct Decoder<O: Operations> {
    config: DecoderConfig,
    operations: O,
    embedding: O::Table,
    position_embedding: Option<O::Table>,
    rotaries: Vec<O::Rotary>,
    embedding_norm: Option<O::Norm>,
    blocks: Vec<Block<O>>,
    final_norm: Option<O::Norm>,
    unembedding: O::Linear,
}

/// What a pass ends with: the logits that it asked for.
pub struct Logits<O: Operations> {
    /// `[rows, vocabulary]` of the rows whose logits are all wanted, where there are such.
    pub whole: Option<O::Tensor>,
    /// The others, one for each [`Choice`](crate::pass::Choice).
    pub chosen: Vec<ChosenLogits>,
}

impl<O: Operations> Decoder<O>
where
    O::Table: Clone,
    O::Rotary: Clone,
    O::Norm: Clone,
    O::Linear: Clone,
{
    /// The same weights, which are shared, under other operations that keep them alike.
    pub fn over<P>(&self, operations: P) -> Decoder<P>
    where
        P: Operations<Table = O::Table, Rotary = O::Rotary, Norm = O::Norm, Linear = O::Linear>,
    {
        Decoder {
            config: self.config.clone(),
            operations,
            embedding: self.embedding.clone(),
            position_embedding: self.position_embedding.clone(),
            rotaries: self.rotaries.clone(),
            embedding_norm: self.embedding_norm.clone(),
            blocks: self.blocks.iter().map(Block::over).collect(),
            final_norm: self.final_norm.clone(),
            unembedding: self.unembedding.clone(),
        }
    }
}

impl<O: Operations> Decoder<O> {
    /// Takes over the weights, one layer at a time as `layers` yields them.
    ///
    /// # Errors
    /// Whatever `layers` yields, and failures of the operations.
    pub fn new<E: From<OperationError>>(
        operations: O,
        config: DecoderConfig,
        outer: OuterTensors,
        layers: impl Iterator<Item = Result<BlockTensors, E>>,
    ) -> Result<Self, E> {
        let embedding = operations.load_table(outer.embedding)?;
        let position_embedding =
            outer.position_embedding.map(|table| operations.load_table(table)).transpose()?;
        let unembedding = match outer.unembedding {
            Some(unembedding) => operations.load_linear(unembedding)?,
            None => operations.tie(&embedding)?,
        };
        let rotaries = config
            .rotaries
            .iter()
            .map(|rotary| operations.load_rotary(rotary))
            .collect::<Result<_, _>>()?;
        let blocks = layers
            .map(|tensors| Ok(Block::new(&operations, &config, tensors?)?))
            .collect::<Result<_, E>>()?;
        let load_norm = |norm| operations.load_norm(norm, config.norm);
        let embedding_norm = outer.embedding_norm.map(load_norm).transpose()?;
        let final_norm = outer.final_norm.map(load_norm).transpose()?;
        Ok(Self {
            config,
            operations,
            embedding,
            position_embedding,
            rotaries,
            embedding_norm,
            blocks,
            final_norm,
            unembedding,
        })
    }

    /// What the decoder is made of.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// Other input vectors `[inputs, d_model]` than those it was made with.
    pub(crate) fn set_inputs(&mut self, vectors: HostTensor) -> Result<(), OperationError> {
        self.config.inputs = vectors.shape[0];
        self.embedding = self.operations.load_table(vectors.into())?;
        Ok(())
    }

    /// What it computes with.
    pub fn operations(&self) -> &O {
        &self.operations
    }

    /// One forward pass. `tokens[row]` is the token of each row; the result are the logits that
    /// the pass asked for.
    ///
    /// # Errors
    /// Whatever the pass finds wrong, and failures of the operations. Every token must lie within
    /// the embedding and every position within the context: the caller has checked its inputs.
    pub fn forward<P: Pass<O>>(&self, tokens: &[u32], pass: &mut P) -> Result<Logits<O>, P::Error> {
        let residual = self.embed(tokens, pass.positions())?;
        self.forward_from(0, residual, pass)
    }

    /// The rest of a forward pass, from the residual stream `[rows, d_model]` as it enters a block
    /// that nothing was done to yet: the pass sees it at `block_output` of the block before, or at
    /// `embedding` where there is none.
    ///
    /// # Errors
    /// As [`Decoder::forward`].
    pub fn forward_from<P: Pass<O>>(
        &self,
        layer: usize,
        mut residual: O::Tensor,
        pass: &mut P,
    ) -> Result<Logits<O>, P::Error> {
        self.enter(layer, &mut residual, pass)?;
        for layer in layer..self.blocks.len() {
            residual = self.block(layer, residual, pass)?;
        }
        let normed = self.leave(&residual, pass)?;
        self.unembed(&normed, pass)
    }

    /// The first step of [`Decoder::forward_from`], for whoever walks through the blocks by themselves: the
    /// pass sees what enters block `layer`.
    ///
    /// # Errors
    /// What the pass finds wrong.
    pub fn enter<P: Pass<O>>(
        &self,
        layer: usize,
        residual: &mut O::Tensor,
        pass: &mut P,
    ) -> Result<(), P::Error> {
        let entrance = match layer.checked_sub(1) {
            Some(before) => Site::at(Component::BlockOutput, before),
            None => Site::once(Component::Embedding),
        };
        self.visit(pass, entrance, &mut [residual])
    }

    fn transformer<P: Pass<O>>(
        &self,
        layer: usize,
        block: &Transformer<O>,
        mut residual: O::Tensor,
        pass: &mut P,
    ) -> Result<O::Tensor, P::Error> {
        let operations = &self.operations;
        let mut of_attention = self.attention(layer, block, &mut residual, pass)?;
        match self.config.residual {
            Residual::Sequential => {
                residual = operations.add(residual, &of_attention)?;
                drop(of_attention);
                self.visit(pass, Site::at(Component::ResidualMiddle, layer), &mut [&mut residual])?;
                let of_mlp = self.mlp(layer, block, &mut [&mut residual], pass)?;
                residual = operations.add(residual, &of_mlp)?;
            }
            Residual::Parallel => {
                let live = &mut [&mut residual, &mut of_attention];
                let of_mlp = self.mlp(layer, block, live, pass)?;
                residual = operations.add(residual, &of_attention)?;
                residual = operations.add(residual, &of_mlp)?;
            }
        }
        self.visit(pass, Site::at(Component::BlockOutput, layer), &mut [&mut residual])?;
        Ok(residual)
    }

    fn feedforward<P: Pass<O>>(
        &self,
        layer: usize,
        projection: &O::Linear,
        input: O::Tensor,
        pass: &mut P,
    ) -> Result<O::Tensor, P::Error> {
        let mut values = self.operations.linear(&input, projection)?;
        drop(input);
        self.visit(pass, Site::at(Component::MlpUp, layer), &mut [&mut values])?;
        let mut values = self.operations.activate(values, self.config.activation)?;
        self.visit(pass, Site::at(Component::MlpActivation, layer), &mut [&mut values])?;
        self.visit(pass, Site::at(Component::BlockOutput, layer), &mut [&mut values])?;
        Ok(values)
    }

    /// One block: from the residual stream that enters it to the one that leaves it.
    ///
    /// # Errors
    /// As [`Decoder::forward`]; that the computation was stopped ([`vene_files::interruptible`]).
    ///
    /// # Panics
    /// Where the model has no such layer.
    pub fn block<P: Pass<O>>(
        &self,
        layer: usize,
        mut residual: O::Tensor,
        pass: &mut P,
    ) -> Result<O::Tensor, P::Error> {
        check_interrupt().map_err(OperationError::interrupted)?;
        self.visit(pass, Site::at(Component::BlockInput, layer), &mut [&mut residual])?;
        match &self.blocks[layer] {
            Block::Transformer(block) => self.transformer(layer, block, residual, pass),
            Block::Feedforward(projection) => self.feedforward(layer, projection, residual, pass),
            Block::GatedRecurrent(cell) => pass.recur(Recurrence {
                operations: &self.operations,
                config: &self.config,
                layer,
                cell,
                input: residual,
            }),
        }
    }

    /// The last norm, after all blocks, where there is one.
    ///
    /// # Errors
    /// As [`Decoder::forward`].
    pub fn leave<P: Pass<O>>(
        &self,
        residual: &O::Tensor,
        pass: &mut P,
    ) -> Result<O::Tensor, P::Error> {
        let mut normed = self.last_norm(residual)?;
        if self.final_norm.is_some() {
            self.visit(pass, Site::once(Component::FinalNorm), &mut [&mut normed])?;
        }
        Ok(normed)
    }

    /// The last norm of rows of the residual stream, from whichever depth they come; the rows themselves where the model has
    /// no such norm.
    ///
    /// # Errors
    /// Failures of the computation.
    pub fn last_norm(&self, residual: &O::Tensor) -> Result<O::Tensor, OperationError> {
        match &self.final_norm {
            Some(norm) => self.operations.norm(residual, norm),
            None => Ok(residual.clone()),
        }
    }

    /// Rows that [`Decoder::leave`] gave as they are multiplied with the unembedding: scaled where the family scales logits.
    ///
    /// # Errors
    /// Failures of the computation.
    pub fn scaled(&self, normed: O::Tensor) -> Result<O::Tensor, OperationError> {
        match self.config.logit_scale {
            Some(scale) => self.operations.scale(normed, scale),
            None => Ok(normed),
        }
    }

    /// The unembedding's weights, for whoever asks the operations for more than logits. They are multiplied with
    /// [`Decoder::scaled`] rows.
    pub fn unembedding(&self) -> &O::Linear {
        &self.unembedding
    }

    /// The embeddings of tokens, scaled or normed where the family does so: `[tokens, d_model]`. Learned position embeddings
    /// are not in them.
    ///
    /// # Errors
    /// As [`Decoder::forward`].
    pub fn embed_tokens(&self, tokens: &[u32]) -> Result<O::Tensor, OperationError> {
        let mut embedding = self.operations.embed(&self.embedding, tokens)?;
        if let Some(scale) = self.config.embedding_scale {
            embedding = self.operations.scale(embedding, scale)?;
        }
        match &self.embedding_norm {
            Some(norm) => self.operations.norm(&embedding, norm),
            None => Ok(embedding),
        }
    }

    /// The residual stream as it enters the first block.
    ///
    /// # Errors
    /// As [`Decoder::forward`].
    pub fn embed(&self, tokens: &[u32], positions: &[usize]) -> Result<O::Tensor, OperationError> {
        let embedding = self.embed_tokens(tokens)?;
        match &self.position_embedding {
            Some(table) => {
                let positions: Vec<u32> =
                    positions.iter().map(|&position| position as u32).collect();
                self.operations.add(embedding, &self.operations.embed(table, &positions)?)
            }
            None => Ok(embedding),
        }
    }

    /// All logits of rows that [`Decoder::leave`] gave: `[rows, d_model]` to `[rows, vocabulary]`.
    ///
    /// # Errors
    /// Failures of the computation.
    pub fn logits(&self, normed: &O::Tensor) -> Result<O::Tensor, OperationError> {
        let logits = match self.config.logit_scale {
            Some(_) => self.operations.linear(&self.scaled(normed.clone())?, &self.unembedding)?,
            None => self.operations.linear(normed, &self.unembedding)?,
        };
        match self.config.logit_soft_cap {
            Some(cap) => self.operations.soft_cap(logits, cap),
            None => Ok(logits),
        }
    }

    /// The logits that the pass asks for, of what [`Decoder::leave`] gave.
    ///
    /// # Errors
    /// As [`Decoder::forward`].
    pub fn unembed<P: Pass<O>>(
        &self,
        normed: &O::Tensor,
        pass: &mut P,
    ) -> Result<Logits<O>, P::Error> {
        let operations = &self.operations;
        let soft_cap = self.config.logit_soft_cap;
        let readout = pass.readout();
        let chosen = readout.chosen.iter().map(|choice| {
            let rows = self.scaled(operations.take_rows(normed, &choice.rows)?)?;
            operations.choose_logits(
                &rows,
                &self.unembedding,
                soft_cap,
                &choice.tokens,
                choice.normalised,
            )
        });
        let chosen = chosen.collect::<Result<_, OperationError>>()?;
        if readout.whole.is_empty() {
            return Ok(Logits { whole: None, chosen });
        }
        let mut whole = self.logits(&operations.take_rows(normed, &readout.whole)?)?;
        self.visit(pass, Site::once(Component::Logits), &mut [&mut whole])?;
        Ok(Logits { whole: Some(whole), chosen })
    }

    fn visit<P: Pass<O>>(
        &self,
        pass: &mut P,
        site: Site,
        live: &mut [&mut O::Tensor],
    ) -> Result<(), P::Error> {
        pass.visit(&self.operations, site, live)
    }

    /// The lengths of the rows' texts, where a rotary encoding depends on them.
    fn lengths<P: Pass<O>>(&self, pass: &P) -> Vec<usize> {
        if self.config.turns_by_length() { pass.lengths() } else { Vec::new() }
    }

    /// What attention adds to the residual stream.
    fn attention<P: Pass<O>>(
        &self,
        layer: usize,
        block: &Transformer<O>,
        residual: &mut O::Tensor,
        pass: &mut P,
    ) -> Result<O::Tensor, P::Error> {
        use Component::*;
        let operations = &self.operations;
        let mut input = self.read(residual, &block.attention_norm)?;
        self.visit(pass, Site::at(AttentionInput, layer), &mut [&mut input, residual])?;

        let mut keys = self.project(&input, &block.key)?;
        let mut values = self.project(&input, &block.value)?;
        // Behind its keys and values, the last layer is about the rows that are read.
        let mut key_places = None;
        if layer + 1 == self.blocks.len() {
            let (positions, lengths) = (pass.positions().to_vec(), self.lengths(pass));
            if let Some(rows) = pass.narrow() {
                input = operations.take_rows(&input, &rows)?;
                *residual = operations.take_rows(residual, &rows)?;
                key_places = Some((positions, lengths));
            }
        }
        let mut queries = self.project(&input, &block.query)?;
        self.visit(
            pass,
            Site::at(QueryOutput, layer),
            &mut [&mut queries, &mut keys, &mut values, residual],
        )?;
        self.visit(
            pass,
            Site::at(KeyOutput, layer),
            &mut [&mut keys, &mut queries, &mut values, residual],
        )?;
        self.visit(
            pass,
            Site::at(ValueOutput, layer),
            &mut [&mut values, &mut queries, &mut keys, residual],
        )?;

        if let (Some(query_norm), Some(key_norm)) = (&block.query_norm, &block.key_norm) {
            queries = operations.norm(&queries, query_norm)?;
            keys = operations.norm(&keys, key_norm)?;
            self.visit(
                pass,
                Site::at(NormedQuery, layer),
                &mut [&mut queries, &mut keys, &mut values, residual],
            )?;
            self.visit(
                pass,
                Site::at(NormedKey, layer),
                &mut [&mut keys, &mut queries, &mut values, residual],
            )?;
        }
        if let Some(rotary) = self.config.layers[layer].rotary {
            let (rotary, head_dim) = (&self.rotaries[rotary], self.config.head_dim);
            let lengths = self.lengths(pass);
            let places = RowPlaces { positions: pass.positions(), lengths: &lengths };
            queries = operations.rotate(queries, rotary, head_dim, places)?;
            let places = match &key_places {
                Some((positions, lengths)) => RowPlaces { positions, lengths },
                None => places,
            };
            keys = operations.rotate(keys, rotary, head_dim, places)?;
            self.visit(
                pass,
                Site::at(RotatedQuery, layer),
                &mut [&mut queries, &mut keys, &mut values, residual],
            )?;
            self.visit(
                pass,
                Site::at(RotatedKey, layer),
                &mut [&mut keys, &mut queries, &mut values, residual],
            )?;
        }

        let scoring = Scoring { config: &self.config, layer, sinks: block.sinks.as_deref() };
        let attention = Attention { operations, scoring, queries, keys, values };
        let mut mixed = pass.attend(attention, &mut [residual])?;
        self.visit(pass, Site::at(AttentionValueOutput, layer), &mut [&mut mixed, residual])?;

        let mut output = operations.linear(&mixed, &block.attention_output)?;
        if pass.wants(Site::at(HeadResult, layer)) {
            let heads = self.config.heads;
            let mut before = operations.linear_by_head(&mixed, &block.attention_output, heads)?;
            let mut after = before.clone();
            self.visit(
                pass,
                Site::at(HeadResult, layer),
                &mut [&mut after, &mut before, &mut output, residual],
            )?;
            // Only the heads' changes are added, so that merely reading leaves the run bit for bit.
            let change = operations.sum_heads(&operations.subtract(after, &before)?, heads)?;
            output = operations.add(output, &change)?;
        }
        self.visit(pass, Site::at(AttentionOutput, layer), &mut [&mut output, residual])?;
        self.contribution(
            layer,
            AttentionContribution,
            output,
            &block.attention_post_norm,
            &mut [residual],
            pass,
        )
    }

    /// What the MLP adds to the residual stream. `beside` is what is needed after it, first of all the residual stream, which
    /// it reads.
    fn mlp<P: Pass<O>>(
        &self,
        layer: usize,
        block: &Transformer<O>,
        beside: &mut [&mut O::Tensor],
        pass: &mut P,
    ) -> Result<O::Tensor, P::Error> {
        use Component::*;
        let at = |component| Site::at(component, layer);
        let mut input = self.read(beside[0], &block.mlp_norm)?;
        self.visit(pass, at(MlpInput), &mut live([&mut input], beside))?;

        let mut output = match &block.mlp {
            Mlp::Dense(mlp) => self.dense(layer, mlp, input, beside, pass)?,
            Mlp::Experts(mixture) => self.experts(layer, mixture, input, beside, pass)?,
        };
        self.visit(pass, at(MlpOutput), &mut live([&mut output], beside))?;
        self.contribution(layer, MlpContribution, output, &block.mlp_post_norm, beside, pass)
    }

    /// An MLP of one piece.
    fn dense<P: Pass<O>>(
        &self,
        layer: usize,
        mlp: &Dense<O>,
        input: O::Tensor,
        beside: &mut [&mut O::Tensor],
        pass: &mut P,
    ) -> Result<O::Tensor, P::Error> {
        use Component::*;
        let operations = &self.operations;
        let at = |component| Site::at(component, layer);
        let mut up = operations.linear(&input, &mlp.up)?;
        let mut neurons = match &mlp.gate {
            Some(gate) => {
                let mut gate = operations.linear(&input, gate)?;
                self.visit(pass, at(MlpGate), &mut live([&mut gate, &mut up], beside))?;
                self.visit(pass, at(MlpUp), &mut live([&mut up, &mut gate], beside))?;
                if pass.wants(at(MlpActivation)) {
                    let mut active = operations.activate(gate, self.config.activation)?;
                    self.visit(pass, at(MlpActivation), &mut live([&mut active, &mut up], beside))?;
                    operations.multiply(active, &up)?
                } else {
                    operations.gate(gate, &up, self.config.activation)?
                }
            }
            None => {
                self.visit(pass, at(MlpUp), &mut live([&mut up], beside))?;
                let mut active = operations.activate(up, self.config.activation)?;
                self.visit(pass, at(MlpActivation), &mut live([&mut active], beside))?;
                active
            }
        };
        drop(input);
        self.visit(pass, at(MlpNeuron), &mut live([&mut neurons], beside))?;
        Ok(operations.linear(&neurons, &mlp.down)?)
    }

    /// A mixture of experts: each computes the rows that its router chose it for.
    fn experts<P: Pass<O>>(
        &self,
        layer: usize,
        mixture: &Experts<O>,
        mut input: O::Tensor,
        beside: &mut [&mut O::Tensor],
        pass: &mut P,
    ) -> Result<O::Tensor, P::Error> {
        use Component::*;
        let operations = &self.operations;
        let at = |component| Site::at(component, layer);
        let Some(experts) = self.config.layers[layer].experts else { return Ok(input) };
        let mut scores = operations.linear(&input, &mixture.router)?;
        self.visit(pass, at(RouterScore), &mut live([&mut scores, &mut input], beside))?;
        let mut weights = operations.route(&scores, &experts)?;
        drop(scores);
        self.visit(pass, at(ExpertWeight), &mut live([&mut weights, &mut input], beside))?;

        let mut chosen = operations.chosen_rows(&weights, &experts)?;
        let mut outputs = self.expert_outputs(mixture, &input, &chosen, experts.clamped)?;
        if pass.wants(at(ExpertOutput)) {
            let mut spread = operations.spread(&chosen, &outputs, &weights)?;
            self.visit(
                pass,
                at(ExpertOutput),
                &mut live([&mut spread, &mut weights, &mut input], beside),
            )?;
            // Rows may have come or gone.
            chosen = operations.chosen_rows(&weights, &experts)?;
            let parts = mixture.experts.len();
            let taken = chosen.iter().enumerate().map(|(expert, rows)| match rows.is_empty() {
                true => Ok(input.clone()),
                false => operations.take_part(&spread, rows, expert, parts),
            });
            outputs = taken.collect::<Result<_, _>>()?;
        }
        let mut mixed = operations.mix(&chosen, &outputs, &weights)?;
        drop((outputs, weights));
        if let Some(mut shared) = self.shared_expert(mixture, &input)? {
            self.visit(pass, at(SharedExpertOutput), &mut live([&mut shared, &mut mixed], beside))?;
            mixed = operations.add(mixed, &shared)?;
        }
        Ok(mixed)
    }

    /// What each expert gives for the rows that it was chosen for.
    fn expert_outputs(
        &self,
        mixture: &Experts<O>,
        input: &O::Tensor,
        chosen: &[Vec<usize>],
        clamped: Option<ClampedGate>,
    ) -> Result<Vec<O::Tensor>, OperationError> {
        let output = |(expert, rows): (&Dense<O>, &Vec<usize>)| match rows.is_empty() {
            // Nobody looks at what it gives.
            true => Ok(input.clone()),
            false => self.silent(expert, &self.operations.take_rows(input, rows)?, clamped),
        };
        mixture.experts.iter().zip(chosen).map(output).collect()
    }

    /// What the expert gives that every row has besides, under its gate, where there is such an expert.
    fn shared_expert(
        &self,
        mixture: &Experts<O>,
        input: &O::Tensor,
    ) -> Result<Option<O::Tensor>, OperationError> {
        let Some((expert, gate)) = &mixture.shared else { return Ok(None) };
        let shared = self.silent(expert, input, None)?;
        let Some(gate) = gate else { return Ok(Some(shared)) };
        let gate = self.operations.linear(input, gate)?;
        let gate = self.operations.activate(gate, Activation::Sigmoid)?;
        Ok(Some(self.operations.weigh_rows(shared, &gate)?))
    }

    /// What an expert gives, whose insides are no sites.
    fn silent(
        &self,
        mlp: &Dense<O>,
        input: &O::Tensor,
        clamped: Option<ClampedGate>,
    ) -> Result<O::Tensor, OperationError> {
        let (operations, activation) = (&self.operations, self.config.activation);
        let up = operations.linear(input, &mlp.up)?;
        let neurons = match &mlp.gate {
            Some(gate) => {
                let gate = operations.linear(input, gate)?;
                match clamped {
                    Some(clamped) => operations.gate_clamped(gate, &up, clamped)?,
                    None => operations.gate(gate, &up, activation)?,
                }
            }
            None => operations.activate(up, activation)?,
        };
        operations.linear(&neurons, &mlp.down)
    }

    /// Queries, keys or values, clipped where the family clips them.
    fn project(&self, input: &O::Tensor, linear: &O::Linear) -> Result<O::Tensor, OperationError> {
        let projected = self.operations.linear(input, linear)?;
        match self.config.projection_clip {
            Some(limit) => self.operations.clip(projected, limit),
            None => Ok(projected),
        }
    }

    /// What a module reads of the residual stream: normed where there is such a norm.
    fn read(
        &self,
        residual: &O::Tensor,
        norm: &Option<O::Norm>,
    ) -> Result<O::Tensor, OperationError> {
        match norm {
            Some(norm) => self.operations.norm(residual, norm),
            None => Ok(residual.clone()),
        }
    }

    /// A module's output as it is added to the residual stream: post-normed where there is such a norm, and scaled where the
    /// family scales it.
    fn contribution<P: Pass<O>>(
        &self,
        layer: usize,
        component: Component,
        output: O::Tensor,
        post_norm: &Option<O::Norm>,
        beside: &mut [&mut O::Tensor],
        pass: &mut P,
    ) -> Result<O::Tensor, P::Error> {
        let mut contribution = self.contribute(output, post_norm)?;
        self.visit(pass, Site::at(component, layer), &mut live([&mut contribution], beside))?;
        Ok(contribution)
    }

    /// The computation of [`Decoder::contribution`].
    fn contribute(
        &self,
        output: O::Tensor,
        post_norm: &Option<O::Norm>,
    ) -> Result<O::Tensor, OperationError> {
        let contribution = match post_norm {
            Some(norm) => self.operations.norm(&output, norm)?,
            None => output,
        };
        match self.config.residual_scale {
            Some(scale) => self.operations.scale(contribution, scale),
            None => Ok(contribution),
        }
    }
}

/// What a pass keeps in step at a site: the site's own tensors, and those that are needed after it.
fn live<'t, T, const OWN: usize>(
    own: [&'t mut T; OWN],
    beside: &'t mut [&mut T],
) -> Vec<&'t mut T> {
    own.into_iter().chain(beside.iter_mut().map(|tensor| &mut **tensor)).collect()
}
