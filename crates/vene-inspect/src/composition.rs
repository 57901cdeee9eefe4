//! What heads do by their weights alone: how much they copy tokens, and how much a later head reads of what an earlier one
//! writes (Elhage et al. 2021).
//!
//! A head reads the residual stream by its query, key and value and writes by its output. `W_OV = W_O W_V` is what it moves,
//! `W_QK = W_Q^T W_K` what it looks for; both are `[d_model, d_model]` of rank `head_dim` and are never made here. The weight
//! of the norm before attention is folded into what reads; biases, rotary encodings, norms of queries and keys and norms
//! after modules are left out, as in the paper.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use vene_engine::RunError;
use vene_files::check_interrupt;
use vene_model::tensors::{BlockTensors, TransformerTensors};
use vene_model::{DecoderConfig, OperationError, Outline};
use vene_table::Table;

use crate::InspectError;
use crate::attribution::check_transformer;
use crate::eigenvalues::eigenvalues;
use crate::frozen::{Norm, dot};

vene_named::named! {
    /// By which of its inputs a later head reads an earlier one.
    pub enum Input as "input of a head", default Query {
        /// Its queries: Q-composition, `|W_QK^T W_OV| / (|W_QK| |W_OV|)`.
        Query = "query",
        /// Its keys: K-composition, `|W_QK W_OV| / (|W_QK| |W_OV|)`.
        Key = "key",
        /// Its values: V-composition, `|W_OV W_OV| / (|W_OV| |W_OV|)`.
        Value = "value",
    }
}

/// How much each later head reads of each earlier one, by an input: a row for each pair, with `input`, `layer`, `head` (the
/// later), `earlier_layer`, `earlier_head`, and `composition`, from 0 to 1: the Frobenius norm of the product as a share of the
/// product of the norms.
///
/// # Errors
/// A network that is no transformer; weights that cannot be read.
pub fn compositions(outline: &Outline, inputs: &[Input]) -> Result<Table, InspectError> {
    let config = outline.config();
    let layers = layers(outline)?;
    let writes: Vec<Sides> =
        layers.iter().map(|heads| Sides::of(heads, Head::write)).collect::<Result<_, _>>()?;
    let mut lines: Vec<(Input, usize, usize, usize, usize, f64)> = Vec::new();
    for &input in inputs {
        for (later, heads) in layers.iter().enumerate() {
            stop()?;
            let reads = Sides::of(heads, |head| head.read(input))?;
            for (earlier, writes) in writes[..later].iter().enumerate() {
                let found = reads.compositions(writes, config)?;
                for (pair, value) in found.into_iter().enumerate() {
                    let (head, of) = (pair / config.heads, pair % config.heads);
                    lines.push((input, later, head, earlier, of, value));
                }
            }
        }
    }
    let names: Vec<&str> = lines.iter().map(|line| vene_named::Named::name(line.0)).collect();
    Ok(Table::builder()
        .column("input", names)
        .column("layer", lines.iter().map(|line| line.1).collect::<Vec<_>>())
        .column("head", lines.iter().map(|line| line.2).collect::<Vec<_>>())
        .column("earlier_layer", lines.iter().map(|line| line.3).collect::<Vec<_>>())
        .column("earlier_head", lines.iter().map(|line| line.4).collect::<Vec<_>>())
        .column("composition", lines.iter().map(|line| line.5).collect::<Vec<f64>>())
        .build()?)
}

/// How much each head copies: a row for each, with `layer`, `head` and `copying`, from -1 to 1.
///
/// The circuit `W_U W_OV W_E` says how the logits of each token grow where the head attends to each token. It copies where
/// its eigenvalues are positive: the score is Σ λ / Σ |λ| (Elhage et al. 2021). The last norm's weight is folded into `W_U`,
/// that of the norm before attention into `W_V`; all else is left out. Embedding and unembedding are read some tokens at a time.
///
/// # Errors
/// A network that is no transformer; weights that cannot be read.
pub fn copying(outline: &Outline) -> Result<Table, InspectError> {
    let layers = layers(outline)?;
    let circuit = embedded_to_unembedded(outline)?;
    let (mut of_layers, mut numbers, mut scores) = (Vec::new(), Vec::new(), Vec::new());
    for (layer, heads) in layers.iter().enumerate() {
        stop()?;
        let found = heads.par_iter().map(|head| head.copying(&circuit));
        let found = found.collect::<Result<Vec<f64>, InspectError>>()?;
        for (head, score) in found.into_iter().enumerate() {
            of_layers.push(layer);
            numbers.push(head);
            scores.push(score);
        }
    }
    Ok(Table::builder()
        .column("layer", of_layers)
        .column("head", numbers)
        .column("copying", scores)
        .build()?)
}

/// Tokens whose embeddings are widened at once.
const TOKENS: usize = 4096;

/// `W_E^T W_U`, `[d_model, d_model]`: the sum over all tokens of embedding times unembedding.
fn embedded_to_unembedded(outline: &Outline) -> Result<Tensor, InspectError> {
    let config = outline.config();
    let outer = outline.outer_weights()?;
    let (vocabulary, d_model) = (config.vocabulary.min(config.inputs), config.d_model);
    let unembedding = outer.unembedding.as_ref().map(|linear| &linear.weight);
    let unembedding = unembedding.unwrap_or(&outer.embedding);
    let mut sum = Tensor::zeros((d_model, d_model), DType::F64, &Device::Cpu)?;
    for start in (0..vocabulary).step_by(TOKENS) {
        stop()?;
        let count = TOKENS.min(vocabulary - start);
        let rows = |matrix: &vene_model::matrix::Matrix| -> Result<Tensor, InspectError> {
            let data = matrix.rows(start, count).widened().data;
            Ok(Tensor::from_vec(data, (count, d_model), &Device::Cpu)?.to_dtype(DType::F64)?)
        };
        sum = (sum + rows(&outer.embedding)?.t()?.matmul(&rows(unembedding)?)?)?;
    }
    match &outer.final_norm {
        Some(tensors) => {
            let weight = Norm::new(tensors, config.norm).weight().to_vec();
            Ok(sum.broadcast_mul(&Tensor::new(weight, &Device::Cpu)?)?)
        }
        None => Ok(sum),
    }
}

fn stop() -> Result<(), InspectError> {
    check_interrupt()
        .map_err(|stop| OperationError(candle_core::Error::wrap(stop)))
        .map_err(RunError::from)?;
    Ok(())
}

/// A matrix `[rows, columns]`, row-major.
#[derive(Clone, Debug)]
struct Dense {
    rows: usize,
    columns: usize,
    data: Vec<f64>,
}

/// The weights of one head; `[head_dim, d_model]` each, the output's transposed.
struct Head {
    query: Dense,
    key: Dense,
    value: Dense,
    output: Dense,
}

impl Head {
    /// A matrix `[head_dim, d_model]` that is as large as what the head does with a residual stream that it reads by an input,
    /// whatever it reads: the norm of `left^T right x` is that of `C^T right x`, where `C C^T = left left^T`.
    fn read(&self, input: Input) -> Dense {
        let (left, right) = match input {
            Input::Query => (&self.key, &self.query),
            Input::Key => (&self.query, &self.key),
            Input::Value => (&self.output, &self.value),
        };
        left.factor().transposed_times(right)
    }

    /// Σ λ / Σ |λ| of the head's circuit through embedding and unembedding, whose product this is: its eigenvalues that are
    /// not 0 are those of `W_V (W_E^T W_U) W_O`.
    fn copying(&self, circuit: &Tensor) -> Result<f64, InspectError> {
        let product = self.value.tensor()?.matmul(circuit)?.matmul(&self.output.tensor()?.t()?)?;
        let values: Vec<f64> = product.flatten_all()?.to_vec1()?;
        let found = eigenvalues(values, self.value.rows);
        let sizes: f64 = found.iter().map(|value| value.size()).sum();
        let sum: f64 = found.iter().map(|value| value.re).sum();
        Ok(if sizes > 0.0 { sum / sizes } else { 0.0 })
    }

    /// Likewise of what it writes, seen from its end: `(W_O C)^T`, where `C C^T = W_V W_V^T`.
    fn write(&self) -> Dense {
        self.value.factor().transposed_times(&self.output)
    }
}

/// One side of the heads of a layer, one below the other: `[heads * head_dim, d_model]`.
struct Sides {
    stacked: Tensor,
    /// The norm of each head's own.
    norms: Vec<f64>,
}

impl Sides {
    fn of(
        heads: &[Head],
        side: impl Fn(&Head) -> Dense + Sync + Send,
    ) -> Result<Self, InspectError> {
        let sides: Vec<Dense> = heads.par_iter().map(side).collect();
        let norms = sides.iter().map(|side| norm(&side.data)).collect();
        let columns = sides.first().map_or(0, |side| side.columns);
        let data: Vec<f64> = sides.into_iter().flat_map(|side| side.data).collect();
        let rows = data.len() / columns.max(1);
        Ok(Self { stacked: Tensor::from_vec(data, (rows, columns), &Device::Cpu)?, norms })
    }

    /// For each head of these the composition with each of the others.
    fn compositions(
        &self,
        writes: &Self,
        config: &DecoderConfig,
    ) -> Result<Vec<f64>, InspectError> {
        let (heads, head_dim) = (config.heads, config.head_dim);
        let product = self.stacked.matmul(&writes.stacked.t()?)?.sqr()?;
        let squares = product.reshape((heads, head_dim, heads, head_dim))?.sum(3)?.sum(1)?;
        let squares: Vec<f64> = squares.flatten_all()?.to_vec1()?;
        let below =
            self.norms.iter().flat_map(|one| writes.norms.iter().map(move |other| one * other));
        let share =
            |(square, below): (f64, f64)| if below > 0.0 { square.sqrt() / below } else { 0.0 };
        Ok(squares.into_iter().zip(below).map(share).collect())
    }
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

impl Dense {
    fn tensor(&self) -> Result<Tensor, InspectError> {
        Ok(Tensor::from_vec(self.data.clone(), (self.rows, self.columns), &Device::Cpu)?)
    }

    fn row(&self, row: usize) -> &[f64] {
        &self.data[row * self.columns..(row + 1) * self.columns]
    }

    /// A lower triangular `C` of which `C C^T` is this matrix times its transpose (Cholesky). Rows that depend on those before
    /// them have zeros on the diagonal.
    fn factor(&self) -> Self {
        let size = self.rows;
        let mut factor = vec![0.0; size * size];
        for row in 0..size {
            for column in 0..=row {
                let product = dot(self.row(row), self.row(column));
                let known = dot(
                    &factor[row * size..row * size + column],
                    &factor[column * size..column * size + column],
                );
                let rest = product - known;
                let diagonal = factor[column * size + column];
                factor[row * size + column] = if row == column {
                    // What rounding leaves of nothing is nothing.
                    if rest > 1e-12 * product { rest.sqrt() } else { 0.0 }
                } else if diagonal > 0.0 {
                    rest / diagonal
                } else {
                    0.0
                };
            }
        }
        Self { rows: size, columns: size, data: factor }
    }

    /// `A^T B`.
    fn transposed_times(&self, other: &Self) -> Self {
        let mut data = vec![0.0; self.columns * other.columns];
        for at in 0..self.rows {
            for (&factor, sums) in self.row(at).iter().zip(data.chunks_exact_mut(other.columns)) {
                sums.iter_mut().zip(other.row(at)).for_each(|(sum, value)| *sum += factor * value);
            }
        }
        Self { rows: self.columns, columns: other.columns, data }
    }
}

/// The heads of each layer.
fn layers(outline: &Outline) -> Result<Vec<Vec<Head>>, InspectError> {
    let config = outline.config();
    check_transformer(config, "the composition of heads")?;
    let mut layers = Vec::new();
    for layer in 0..config.layers.len() {
        if let BlockTensors::Transformer(tensors) = outline.layer_weights(layer)? {
            layers.push(of_layer(config, *tensors));
        }
    }
    Ok(layers)
}

fn of_layer(config: &DecoderConfig, tensors: TransformerTensors) -> Vec<Head> {
    let norm = tensors.attention_norm.as_ref().map(|tensors| Norm::new(tensors, config.norm));
    let reads = |weights: vene_model::matrix::Matrix| {
        let mut data: Vec<f64> = weights.widened().data.into_iter().map(f64::from).collect();
        if let Some(norm) = &norm {
            for row in data.chunks_exact_mut(config.d_model) {
                row.iter_mut().zip(norm.weight()).for_each(|(value, weight)| *value *= weight);
            }
        }
        data
    };
    let [query, key, value] =
        [tensors.query, tensors.key, tensors.value].map(|linear| reads(linear.weight));
    let output = tensors.attention_output.weight.widened().data;
    let (d_model, head_dim) = (config.d_model, config.head_dim);
    let rows = |data: &[f64], head: usize| Dense {
        rows: head_dim,
        columns: d_model,
        data: data[head * head_dim * d_model..(head + 1) * head_dim * d_model].to_vec(),
    };
    let head = |head: usize| {
        let of_group = head / config.group();
        let width = config.heads * head_dim;
        let column = |at: usize| (0..d_model).map(move |row| row * width + head * head_dim + at);
        let transposed = (0..head_dim).flat_map(column).map(|at| f64::from(output[at])).collect();
        Head {
            query: rows(&query, head),
            key: rows(&key, of_group),
            value: rows(&value, of_group),
            output: Dense { rows: head_dim, columns: d_model, data: transposed },
        }
    };
    (0..config.heads).map(head).collect()
}
