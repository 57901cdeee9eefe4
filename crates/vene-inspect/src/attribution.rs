//! Direct logit attribution: which parts of the model write the answer into the residual stream.
//!
//! The last residual stream is a sum: the embedding, what each head and each MLP added, and biases. With the last norm's scale
//! held at what it was in the run, the logits are linear in it, so a logit, or the difference of two, is the sum of each
//! part's share (Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"; TransformerLens'
//! `logit_attrs`). Where a family norms what a module adds (Gemma 2 and 3, OLMo 2), that norm's scale is held too, so that
//! heads have shares of their own. A final soft cap comes after the sum and is left out.
//!
//! A share says what a part wrote along the answer's direction, not what would happen without it. For that a part is taken
//! out of the residual stream and the norms are computed anew: its *direct effect*, with no later part reacting.

use rayon::prelude::*;
use vene_engine::{Executor, Forked, RunError};
use vene_files::check_interrupt;
use vene_model::config::NormKind;
use vene_model::matrix::Matrix;
use vene_model::tensors::{BlockTensors, HostTensor, MlpTensors, TransformerTensors};
use vene_model::{BlockKind, Component, DecoderConfig, Model, OperationError, Outline};
use vene_table::Table;

use crate::collected::{Collected, SiteOf, Wanted, collect, exists, rows_of};
use crate::frozen::{Norm, dot};
use crate::subject::{CHUNK, chunks_within, pieces};
use crate::{InspectError, Subject};

/// The columns of [`Attributed::terms`] that tell the cells of a data set apart.
pub const KEYS: [&str; 4] = ["component", "layer", "head", "role"];

/// The columns of [`Attributed::terms`] that are measured; the second one where direct effects are.
pub const METRICS: [&str; 2] = ["contribution", "direct_effect"];

vene_named::named! {
    /// A part of a model that adds to the residual stream, or to the logits.
    pub enum Term as "term", default Embedding {
        /// The token's embedding, scaled or normed where the family does so.
        Embedding = "embedding",
        /// The learned embedding of the position.
        PositionEmbedding = "position_embedding",
        /// A head of an attention layer, without the layer's output bias.
        Head = "head",
        /// The bias of an attention layer's output, and of the norm after it.
        AttentionBias = "attention_bias",
        /// An MLP, or a mixture of experts, without the output bias.
        Mlp = "mlp",
        /// The bias of an MLP's output, and of the norm after it. Those of experts are part of `mlp`.
        MlpBias = "mlp_bias",
        /// The bias of the last norm.
        FinalNormBias = "final_norm_bias",
        /// The bias of the unembedding.
        UnembeddingBias = "unembedding_bias",
    }
}

/// What was attributed.
#[derive(Clone, Debug)]
pub struct Attributed {
    /// A row for each subject, position and part of the model: see [`Attribution::of`].
    pub terms: Table,
    /// A row for each subject and position: see [`Attribution::of`].
    pub totals: Table,
}

/// Attributes logits to the parts of a model, whose output weights it holds: as many bytes as the attention layers' output
/// projections have in the model's file.
pub struct Attribution<'m> {
    model: &'m Model,
    layers: Vec<Layer>,
    final_norm: Option<Norm>,
    /// `[vocabulary, d_model]`.
    unembedding: Matrix,
    unembedding_bias: Option<HostTensor>,
}

/// What is needed of a block's weights.
struct Layer {
    /// `[d_model, heads * head_dim]`.
    output: Matrix,
    output_bias: Option<Vec<f64>>,
    attention_post_norm: Option<Norm>,
    mlp_bias: Option<Vec<f64>>,
    mlp_post_norm: Option<Norm>,
}

impl Layer {
    fn of(tensors: TransformerTensors, kind: NormKind) -> Self {
        let mlp_bias = match tensors.mlp {
            MlpTensors::Dense(dense) => dense.down.bias,
            MlpTensors::Experts(_) => None,
        };
        let norm = |tensors| Norm::new(&tensors, kind);
        Self {
            output: tensors.attention_output.weight,
            output_bias: tensors.attention_output.bias.map(|bias| widened(&bias.data)),
            attention_post_norm: tensors.attention_post_norm.map(norm),
            mlp_bias: mlp_bias.map(|bias| widened(&bias.data)),
            mlp_post_norm: tensors.mlp_post_norm.map(norm),
        }
    }
}

fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// Refuses tokens that the unembedding does not have.
pub(crate) fn check_tokens(outline: &Outline, subjects: &[Subject]) -> Result<(), InspectError> {
    let vocabulary = outline.config().vocabulary;
    let mut asked = subjects.iter().flat_map(|subject| &subject.asked);
    match asked.find(|asked| asked.token as usize >= vocabulary) {
        Some(asked) => Err(InspectError::UnknownToken { token: asked.token, vocabulary }),
        None => Ok(()),
    }
}

/// Refuses networks that have no attention.
pub(crate) fn check_transformer(
    config: &DecoderConfig,
    what: &'static str,
) -> Result<(), InspectError> {
    if config.only_kind() == Some(BlockKind::Transformer) {
        return Ok(());
    }
    Err(InspectError::NotATransformer { what, family: config.family })
}

/// Bytes that a subject takes while it is looked at.
pub fn bytes(config: &DecoderConfig, subject: &Subject) -> usize {
    let post = if config.changes_contributions() { 2 } else { 0 };
    let of_layer = config.heads * config.head_dim + (1 + post) * config.d_model;
    // In double precision too, while they are summed up.
    subject.seen.len() * 12 * (config.layers.len() * of_layer + 4 * config.d_model)
}

/// The same subjects; those that ask about no token ask about the one that is likeliest after their prompt.
///
/// # Errors
/// Failures of the run.
pub fn asking_the_likeliest(
    model: &Model,
    subjects: &[Subject],
) -> Result<Vec<Subject>, InspectError> {
    let mut asking = Vec::with_capacity(subjects.len());
    for subject in subjects {
        let mut subject = subject.clone();
        if subject.asked.is_empty() {
            for told in Forked::new(model).predict(&[subject.prompt()])? {
                let token = told.likeliest();
                subject = subject.asking(model.tokenizer().display(token), token);
            }
        }
        asking.push(subject);
    }
    Ok(asking)
}

impl<'m> Attribution<'m> {
    /// Reads the weights that it takes.
    ///
    /// # Errors
    /// A network that is no transformer; weights that cannot be read.
    pub fn new(model: &'m Model) -> Result<Self, InspectError> {
        let config = model.config();
        check_transformer(config, "direct logit attribution")?;
        let mut layers = Vec::with_capacity(config.layers.len());
        for layer in 0..config.layers.len() {
            if let BlockTensors::Transformer(tensors) = model.layer_weights(layer)? {
                layers.push(Layer::of(*tensors, config.norm));
            }
        }
        let outer = model.outer_weights()?;
        let (unembedding, unembedding_bias) = match outer.unembedding {
            Some(unembedding) => (unembedding.weight, unembedding.bias),
            None => (outer.embedding, None),
        };
        let final_norm = outer.final_norm.map(|tensors| Norm::new(&tensors, config.norm));
        Ok(Self { model, layers, final_norm, unembedding, unembedding_bias })
    }

    /// Attributes what subjects ask about: the logit of the first token, less that of the second where there is one. `direct`
    /// measures the direct effects as well.
    ///
    /// The columns of [`Attributed::terms`]: `row` (of a data set), `position`, `role` (of a data set), `input` (the token at
    /// the position), `component` (a [`Term`]), `layer`, `head`, `contribution` (the part's share in the logit or difference,
    /// before a final soft cap), and `direct_effect`, the logit or difference less what it is where the part is taken out of
    /// the residual stream and all norms after it are computed anew.
    ///
    /// Those of [`Attributed::totals`]: `row`, `position`, `role`, `input`, `logit` (before a final soft cap, as the run has
    /// it), `sum` (of all shares, equal up to rounding), `output` (after a soft cap, where there is one).
    ///
    /// # Errors
    /// A subject that asks about no token, or one that the model lacks, a subject with edits; failures of the run.
    pub fn of(&self, subjects: &[Subject], direct: bool) -> Result<Attributed, InspectError> {
        if subjects.iter().any(|subject| subject.asked.is_empty()) {
            return Err(InspectError::NothingAsked);
        }
        check_tokens(self.model, subjects)?;
        self.within(subjects, direct, CHUNK)
    }

    /// The same in passes whose activations take about so many bytes.
    fn within(
        &self,
        subjects: &[Subject],
        direct: bool,
        budget: usize,
    ) -> Result<Attributed, InspectError> {
        let bytes = |subject: &Subject| bytes(self.model.config(), subject);
        let subjects = pieces(subjects, budget, bytes);
        let (mut terms, mut totals) = (Vec::new(), Vec::new());
        for range in chunks_within(&subjects, budget, bytes) {
            let found = self.at_once(&subjects[range], direct)?;
            terms.push(found.terms);
            totals.push(found.totals);
        }
        let (terms, totals) = (Table::concatenate(&terms, &[])?, Table::concatenate(&totals, &[])?);
        Ok(Attributed { terms, totals })
    }

    fn at_once(&self, subjects: &[Subject], direct: bool) -> Result<Attributed, InspectError> {
        let config = self.model.config();
        let runs = collect(self.model, subjects, &self.sites(), &[], Wanted::Logits)?;
        let mut items = Vec::new();
        for (subject, run) in subjects.iter().zip(&runs) {
            items.extend(self.items(subject, run, direct)?);
        }
        for (layer, parts) in self.layers.iter().enumerate() {
            check_interrupt()
                .map_err(|stop| OperationError(candle_core::Error::wrap(stop)))
                .map_err(RunError::from)?;
            let output = parts.output.clone().widened().data;
            let at = At { config, layer, parts, output: &output, direct };
            let mut inputs = Vec::with_capacity(items.len());
            for item in &items {
                inputs.push(at.inputs(item)?);
            }
            items
                .par_iter_mut()
                .zip(inputs)
                .for_each(|(item, inputs)| at.attribute(self, item, &inputs));
        }
        self.tables(&items, direct)
    }

    fn sites(&self) -> Vec<SiteOf> {
        let config = self.model.config();
        let mut sites = vec![(Component::Embedding, None)];
        for layer in 0..config.layers.len() {
            sites.push((Component::AttentionValueOutput, Some(layer)));
            sites.push((Component::MlpContribution, Some(layer)));
            if config.post_norms {
                sites.push((Component::AttentionOutput, Some(layer)));
                sites.push((Component::MlpOutput, Some(layer)));
            }
        }
        sites.push((Component::BlockOutput, Some(config.layers.len() - 1)));
        sites.push((Component::FinalNorm, None));
        sites.retain(|&site| exists(self.model, site));
        sites
    }

    /// The positions of a subject, with the parts that are outside of layers.
    fn items<'r>(
        &self,
        subject: &'r Subject,
        run: &'r Collected,
        direct: bool,
    ) -> Result<Vec<Item<'r>>, InspectError> {
        use Component::{BlockOutput, Embedding, FinalNorm};
        let config = self.model.config();
        let last = run.rows((BlockOutput, Some(config.layers.len() - 1)))?;
        let embedded = run.rows((Embedding, None))?;
        let normed = match self.final_norm {
            Some(_) => run.rows((FinalNorm, None))?,
            None => last.clone(),
        };
        let (direction, bias) = self.direction(subject);
        let tokens = subject.positions().map(|position| subject.prompt().tokens()[position]);
        let tokens = Forked::new(self.model).token_embeddings(&tokens.collect::<Vec<u32>>())?;
        let rows = rows_of(subject);
        let each = rows.iter().enumerate().map(|(seen, &row)| {
            let residual = last[row].clone();
            let before = match &self.final_norm {
                Some(norm) => norm.direction_before(&direction, norm.scale_of(&residual)),
                None => direction.clone(),
            };
            let capped: Vec<f64> =
                run.readings.get(row).map(|reading| reading.logits().to_vec()).unwrap_or_default();
            let mut item = Item {
                subject,
                run,
                seen,
                row,
                logit: dot(&normed[row], &direction) + bias.unwrap_or(0.0),
                output: difference(&capped),
                residual,
                direction: direction.clone(),
                before,
                lines: Vec::new(),
            };
            let token = &tokens[seen];
            let position: Vec<f64> =
                embedded[row].iter().zip(token).map(|(all, own)| all - own).collect();
            self.push(&mut item, Term::Embedding, token, direct);
            if position.iter().any(|value| *value != 0.0) {
                self.push(&mut item, Term::PositionEmbedding, &position, direct);
            }
            let of_norm = self.final_norm.as_ref().and_then(|norm| norm.bias_along(&direction));
            for (term, share) in [(Term::FinalNormBias, of_norm), (Term::UnembeddingBias, bias)] {
                if let Some(share) = share {
                    // It is added after the norm, so that what it is worth does not depend on it.
                    let line = Line { term, layer: None, head: None, share, direct: Some(share) };
                    item.lines.push(line);
                }
            }
            item
        });
        Ok(each.collect())
    }

    /// A part outside of layers, by the vector that it adds.
    fn push(&self, item: &mut Item<'_>, term: Term, vector: &[f64], direct: bool) {
        let share = dot(vector, &item.before);
        let direct = direct.then(|| self.effect_without(item, vector));
        item.lines.push(Line { term, layer: None, head: None, share, direct });
    }

    /// The direction of the logit, or of the difference of two, in what the unembedding reads; and the bias of it.
    fn direction(&self, subject: &Subject) -> (Vec<f64>, Option<f64>) {
        let signs = [1.0, -1.0];
        let asked = subject.asked.iter().take(2).zip(signs);
        let mut direction = vec![0.0; self.model.config().d_model];
        let mut bias = 0.0;
        for (asked, sign) in asked {
            let token = asked.token as usize;
            let row = self.unembedding.rows(token, 1).widened().data;
            for (sum, value) in direction.iter_mut().zip(row) {
                *sum += sign * f64::from(value);
            }
            if let Some(biases) = &self.unembedding_bias {
                bias += sign * f64::from(biases.data[token]);
            }
        }
        if let Some(scale) = self.model.config().logit_scale {
            direction.iter_mut().for_each(|value| *value *= scale);
        }
        (direction, self.unembedding_bias.as_ref().map(|_| bias))
    }

    /// By how much the logit, or difference, is larger than without a vector in the residual stream.
    fn effect_without(&self, item: &Item<'_>, vector: &[f64]) -> f64 {
        let without: Vec<f64> =
            item.residual.iter().zip(vector).map(|(x, part)| x - part).collect();
        self.along(&item.residual, &item.direction) - self.along(&without, &item.direction)
    }

    /// What the output is along a direction, for a residual stream.
    fn along(&self, residual: &[f64], direction: &[f64]) -> f64 {
        match &self.final_norm {
            Some(norm) => dot(&norm.of(residual), direction),
            None => dot(residual, direction),
        }
    }

    fn tables(&self, items: &[Item<'_>], direct: bool) -> Result<Attributed, InspectError> {
        let lines: Vec<(&Item<'_>, &Line)> =
            items.iter().flat_map(|item| item.lines.iter().map(move |line| (item, line))).collect();
        let spots = lines.iter().map(|(item, _)| (item.subject, item.seen));
        let mut terms = crate::subject::place_columns(self.model, spots)
            .column("component", lines.iter().map(|(_, line)| named(line.term)).collect::<Vec<_>>())
            .column("layer", lines.iter().map(|(_, line)| line.layer).collect::<Vec<_>>())
            .column("head", lines.iter().map(|(_, line)| line.head).collect::<Vec<_>>())
            .column("contribution", lines.iter().map(|(_, line)| line.share).collect::<Vec<_>>());
        if direct {
            let effects = lines.iter().map(|(_, line)| line.direct.unwrap_or(f64::NAN));
            terms = terms.column("direct_effect", effects.collect::<Vec<_>>());
        }
        let terms = terms.build()?;
        let spots = items.iter().map(|item| (item.subject, item.seen));
        let sum = |item: &Item<'_>| item.lines.iter().map(|line| line.share).sum::<f64>();
        let totals = crate::subject::place_columns(self.model, spots)
            .column("logit", items.iter().map(|item| item.logit).collect::<Vec<_>>())
            .column("sum", items.iter().map(sum).collect::<Vec<_>>())
            .column("output", items.iter().map(|item| item.output).collect::<Vec<_>>())
            .build()?;
        Ok(Attributed { terms, totals })
    }
}

fn named(term: Term) -> &'static str {
    vene_named::Named::name(term)
}

/// The first logit less the second, where there is one.
fn difference(logits: &[f64]) -> f64 {
    match logits {
        [one] => *one,
        [one, other, ..] => one - other,
        [] => f64::NAN,
    }
}

/// A position of a subject, with what was attributed there so far.
struct Item<'r> {
    subject: &'r Subject,
    run: &'r Collected,
    seen: usize,
    row: usize,
    /// Before a soft cap.
    logit: f64,
    /// After it.
    output: f64,
    /// What leaves the last block: `[d_model]`.
    residual: Vec<f64>,
    /// In what the unembedding reads.
    direction: Vec<f64>,
    /// In the residual stream, the last norm held.
    before: Vec<f64>,
    lines: Vec<Line>,
}

/// A part's share.
struct Line {
    term: Term,
    layer: Option<usize>,
    head: Option<usize>,
    share: f64,
    direct: Option<f64>,
}

/// What a layer showed at an item's position.
struct Inputs {
    /// `[heads * head_dim]`.
    heads: Vec<f64>,
    mlp: Vec<f64>,
    /// Before the norms after the modules, where there are such.
    attention_output: Option<Vec<f64>>,
    mlp_output: Option<Vec<f64>>,
}

/// A layer that is attributed.
struct At<'a> {
    config: &'a DecoderConfig,
    layer: usize,
    parts: &'a Layer,
    /// `[d_model, heads * head_dim]`.
    output: &'a [f32],
    direct: bool,
}

impl At<'_> {
    fn inputs(&self, item: &Item<'_>) -> Result<Inputs, InspectError> {
        let row = |component| -> Result<Vec<f64>, InspectError> {
            let tensor = item.run.tensor((component, Some(self.layer)))?.get(item.row)?;
            Ok(tensor.to_dtype(candle_core::DType::F64)?.to_vec1()?)
        };
        let post = |component| self.config.post_norms.then(|| row(component)).transpose();
        Ok(Inputs {
            heads: row(Component::AttentionValueOutput)?,
            mlp: row(Component::MlpContribution)?,
            attention_output: post(Component::AttentionOutput)?,
            mlp_output: post(Component::MlpOutput)?,
        })
    }

    fn attribute(&self, whole: &Attribution<'_>, item: &mut Item<'_>, inputs: &Inputs) {
        let attention =
            self.module(item, &self.parts.attention_post_norm, &inputs.attention_output);
        let (heads, head_dim) = (self.config.heads, self.config.head_dim);
        let along = transposed_product(self.output, &attention.before, heads * head_dim);
        for head in 0..heads {
            let own = head * head_dim..(head + 1) * head_dim;
            let share = dot(&inputs.heads[own.clone()], &along[own]);
            let direct = self.direct.then(|| {
                let vector = self.head_vector(inputs, head);
                whole.effect_without(item, &attention.change(&vector))
            });
            self.push(item, Term::Head, Some(head), share, direct);
        }
        self.bias(whole, item, &attention, Term::AttentionBias, &self.parts.output_bias);
        let mlp = self.module(item, &self.parts.mlp_post_norm, &inputs.mlp_output);
        let bias = mlp.bias_share(&self.parts.mlp_bias);
        let share = dot(&inputs.mlp, &item.before) - bias.unwrap_or(0.0);
        let direct = self.direct.then(|| {
            let bias = mlp.bias_vector(&self.parts.mlp_bias);
            let vector: Vec<f64> = match bias {
                Some(bias) => inputs.mlp.iter().zip(bias).map(|(all, bias)| all - bias).collect(),
                None => inputs.mlp.clone(),
            };
            whole.effect_without(item, &vector)
        });
        self.push(item, Term::Mlp, None, share, direct);
        self.bias(whole, item, &mlp, Term::MlpBias, &self.parts.mlp_bias);
    }

    fn push(
        &self,
        item: &mut Item<'_>,
        term: Term,
        head: Option<usize>,
        share: f64,
        direct: Option<f64>,
    ) {
        item.lines.push(Line { term, layer: Some(self.layer), head, share, direct });
    }

    fn bias(
        &self,
        whole: &Attribution<'_>,
        item: &mut Item<'_>,
        module: &Contribution<'_>,
        term: Term,
        bias: &Option<Vec<f64>>,
    ) {
        if let (Some(share), Some(vector)) = (module.bias_share(bias), module.bias_vector(bias)) {
            let direct = self.direct.then(|| whole.effect_without(item, &vector));
            self.push(item, term, None, share, direct);
        }
    }

    /// How what a module gives becomes what it adds.
    fn module<'n>(
        &self,
        item: &Item<'_>,
        norm: &'n Option<Norm>,
        output: &'n Option<Vec<f64>>,
    ) -> Contribution<'n> {
        let factor = self.config.residual_scale.unwrap_or(1.0);
        let after: Vec<f64> = item.before.iter().map(|value| value * factor).collect();
        let post = norm.as_ref().zip(output.as_deref());
        let before = match post {
            Some((norm, output)) => norm.direction_before(&after, norm.scale_of(output)),
            None => after.clone(),
        };
        Contribution { factor, post, after, before }
    }

    /// What a head adds to the module's output.
    fn head_vector(&self, inputs: &Inputs, head: usize) -> Vec<f64> {
        let (heads, head_dim) = (self.config.heads, self.config.head_dim);
        let own = head * head_dim..(head + 1) * head_dim;
        let rows = self.output.chunks_exact(heads * head_dim);
        rows.map(|row| {
            let terms = row[own.clone()].iter().zip(&inputs.heads[own.clone()]);
            terms.map(|(&weight, value)| f64::from(weight) * value).sum()
        })
        .collect()
    }
}

/// The way of a module's output into the residual stream: through a norm and a factor, where there are such.
struct Contribution<'n> {
    factor: f64,
    /// The norm, and the output that it norms.
    post: Option<(&'n Norm, &'n [f64])>,
    /// The answer's direction in what the norm gives.
    after: Vec<f64>,
    /// The answer's direction in the module's output, the norm held.
    before: Vec<f64>,
}

impl Contribution<'_> {
    /// What the residual stream loses where the module's output loses a vector: the norm computed anew.
    fn change(&self, vector: &[f64]) -> Vec<f64> {
        match self.post {
            Some((norm, output)) => {
                let without: Vec<f64> =
                    output.iter().zip(vector).map(|(x, part)| x - part).collect();
                let (with, without) = (norm.of(output), norm.of(&without));
                with.iter().zip(without).map(|(x, y)| self.factor * (x - y)).collect()
            }
            None => vector.iter().map(|value| self.factor * value).collect(),
        }
    }

    /// The share of a bias of the module's output, and of the norm's.
    fn bias_share(&self, bias: &Option<Vec<f64>>) -> Option<f64> {
        let of_output = bias.as_ref().map(|bias| dot(bias, &self.before));
        let of_norm = self.post.and_then(|(norm, _)| norm.bias_along(&self.after));
        match (of_output, of_norm) {
            (None, None) => None,
            (one, other) => Some(one.unwrap_or(0.0) + other.unwrap_or(0.0)),
        }
    }

    /// What these biases add to the residual stream, the norm held.
    fn bias_vector(&self, bias: &Option<Vec<f64>>) -> Option<Vec<f64>> {
        match (self.post, bias) {
            (None, None) => None,
            (None, Some(bias)) => Some(bias.iter().map(|value| self.factor * value).collect()),
            (Some((norm, output)), bias) => norm
                .held(output, bias.as_deref())
                .map(|vector| vector.into_iter().map(|value| self.factor * value).collect()),
        }
    }
}

/// `W^T x` of a matrix `[x.len(), columns]`.
fn transposed_product(matrix: &[f32], x: &[f64], columns: usize) -> Vec<f64> {
    let mut product = vec![0.0; columns];
    for (row, &factor) in matrix.chunks_exact(columns).zip(x) {
        for (sum, &weight) in product.iter_mut().zip(row) {
            *sum += f64::from(weight) * factor;
        }
    }
    product
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A prompt that does not fit is attributed some positions at a time, with the same numbers.
    #[test]
    fn a_small_budget_changes_nothing() {
        let model = Model::load("embedded").unwrap();
        let subject = |text: &str| Subject::new(model.prompt(text).unwrap()).asking("x", 17);
        let subjects = [subject("The capital of Spain is"), subject("The capital of Peru is")];
        let attribution = Attribution::new(&model).unwrap();
        let whole = attribution.within(&subjects, true, CHUNK).unwrap();
        let parts = attribution.within(&subjects, true, 1).unwrap();
        assert_eq!((&parts.terms, &parts.totals), (&whole.terms, &whole.totals));
    }
}
