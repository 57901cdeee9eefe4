//! The blocks' weights in the layout of a set of operations.

use std::sync::Arc;

use crate::config::DecoderConfig;
use crate::operations::{OperationError, Operations};
use crate::tensors::{
    BlockTensors, DenseTensors, ExpertTensors, GateTensors, GatedRecurrentTensors, MlpTensors,
    TransformerTensors,
};

/// A block.
pub(crate) enum Block<O: Operations> {
    Transformer(Box<Transformer<O>>),
    /// Its one projection.
    Feedforward(O::Linear),
    GatedRecurrent(Box<GatedRecurrent<O>>),
}

pub(crate) struct Transformer<O: Operations> {
    pub(crate) attention_norm: Option<O::Norm>,
    pub(crate) query: O::Linear,
    pub(crate) key: O::Linear,
    pub(crate) value: O::Linear,
    pub(crate) query_norm: Option<O::Norm>,
    pub(crate) key_norm: Option<O::Norm>,
    /// `[heads]`.
    pub(crate) sinks: Option<Arc<[f32]>>,
    pub(crate) attention_output: O::Linear,
    pub(crate) attention_post_norm: Option<O::Norm>,
    pub(crate) mlp_norm: Option<O::Norm>,
    pub(crate) mlp: Mlp<O>,
    pub(crate) mlp_post_norm: Option<O::Norm>,
}

pub(crate) enum Mlp<O: Operations> {
    Dense(Dense<O>),
    Experts(Experts<O>),
}

pub(crate) struct Dense<O: Operations> {
    pub(crate) gate: Option<O::Linear>,
    pub(crate) up: O::Linear,
    pub(crate) down: O::Linear,
}

pub(crate) struct Experts<O: Operations> {
    pub(crate) router: O::Linear,
    pub(crate) experts: Vec<Dense<O>>,
    pub(crate) shared: Option<(Dense<O>, Option<O::Linear>)>,
}

pub(crate) struct GatedRecurrent<O: Operations> {
    pub(crate) input: Gates<O>,
    pub(crate) state: Gates<O>,
}

/// The projections of one side into the three gates.
pub(crate) struct Gates<O: Operations> {
    pub(crate) reset: O::Linear,
    pub(crate) update: O::Linear,
    pub(crate) new: O::Linear,
}

impl<O: Operations> Block<O> {
    pub(crate) fn new(
        operations: &O,
        config: &DecoderConfig,
        tensors: BlockTensors,
    ) -> Result<Self, OperationError> {
        Ok(match tensors {
            BlockTensors::Transformer(tensors) => {
                Self::Transformer(Box::new(Transformer::new(operations, config, *tensors)?))
            }
            BlockTensors::Feedforward(tensors) => {
                Self::Feedforward(operations.load_linear(tensors)?)
            }
            BlockTensors::GatedRecurrent(tensors) => {
                Self::GatedRecurrent(Box::new(GatedRecurrent::new(operations, *tensors)?))
            }
        })
    }
}

impl<O: Operations> Transformer<O> {
    fn new(
        operations: &O,
        config: &DecoderConfig,
        tensors: TransformerTensors,
    ) -> Result<Self, OperationError> {
        let norm = |tensors| operations.load_norm(tensors, config.norm);
        Ok(Self {
            attention_norm: tensors.attention_norm.map(norm).transpose()?,
            query: operations.load_linear(tensors.query)?,
            key: operations.load_linear(tensors.key)?,
            value: operations.load_linear(tensors.value)?,
            query_norm: tensors.query_norm.map(norm).transpose()?,
            key_norm: tensors.key_norm.map(norm).transpose()?,
            sinks: tensors.sinks.map(|sinks| sinks.data.into()),
            attention_output: operations.load_linear(tensors.attention_output)?,
            attention_post_norm: tensors.attention_post_norm.map(norm).transpose()?,
            mlp_norm: tensors.mlp_norm.map(norm).transpose()?,
            mlp: Mlp::new(operations, tensors.mlp)?,
            mlp_post_norm: tensors.mlp_post_norm.map(norm).transpose()?,
        })
    }
}

impl<O: Operations> Dense<O> {
    fn new(operations: &O, tensors: DenseTensors) -> Result<Self, OperationError> {
        Ok(Self {
            gate: tensors.gate.map(|gate| operations.load_linear(gate)).transpose()?,
            up: operations.load_linear(tensors.up)?,
            down: operations.load_linear(tensors.down)?,
        })
    }
}

impl<O: Operations> Mlp<O> {
    fn new(operations: &O, tensors: MlpTensors) -> Result<Self, OperationError> {
        let dense = |tensors| Dense::new(operations, tensors);
        Ok(match tensors {
            MlpTensors::Dense(tensors) => Self::Dense(dense(*tensors)?),
            MlpTensors::Experts(tensors) => {
                let ExpertTensors { router, experts, shared } = *tensors;
                let gated = |(expert, gate): (_, Option<_>)| {
                    let gate = gate.map(|gate| operations.load_linear(gate)).transpose()?;
                    Ok::<_, OperationError>((dense(expert)?, gate))
                };
                Self::Experts(Experts {
                    router: operations.load_linear(router)?,
                    experts: experts.into_iter().map(dense).collect::<Result<_, _>>()?,
                    shared: shared.map(gated).transpose()?,
                })
            }
        })
    }
}

impl<O: Operations> GatedRecurrent<O> {
    fn new(operations: &O, tensors: GatedRecurrentTensors) -> Result<Self, OperationError> {
        let gates = |GateTensors { reset, update, new }| {
            Ok::<_, OperationError>(Gates {
                reset: operations.load_linear(reset)?,
                update: operations.load_linear(update)?,
                new: operations.load_linear(new)?,
            })
        };
        Ok(Self { input: gates(tensors.input)?, state: gates(tensors.state)? })
    }
}

impl<O: Operations> Block<O>
where
    O::Norm: Clone,
    O::Linear: Clone,
{
    /// The same weights, which are shared, for other operations that keep them alike.
    pub(crate) fn over<P: Operations<Norm = O::Norm, Linear = O::Linear>>(&self) -> Block<P> {
        let gates = |gates: &Gates<O>| Gates {
            reset: gates.reset.clone(),
            update: gates.update.clone(),
            new: gates.new.clone(),
        };
        match self {
            Self::Transformer(block) => Block::Transformer(Box::new(Transformer {
                attention_norm: block.attention_norm.clone(),
                query: block.query.clone(),
                key: block.key.clone(),
                value: block.value.clone(),
                query_norm: block.query_norm.clone(),
                key_norm: block.key_norm.clone(),
                sinks: block.sinks.clone(),
                attention_output: block.attention_output.clone(),
                attention_post_norm: block.attention_post_norm.clone(),
                mlp_norm: block.mlp_norm.clone(),
                mlp: block.mlp.over(),
                mlp_post_norm: block.mlp_post_norm.clone(),
            })),
            Self::Feedforward(projection) => Block::Feedforward(projection.clone()),
            Self::GatedRecurrent(cell) => Block::GatedRecurrent(Box::new(GatedRecurrent {
                input: gates(&cell.input),
                state: gates(&cell.state),
            })),
        }
    }
}

impl<O: Operations> Mlp<O>
where
    O::Linear: Clone,
{
    fn over<P: Operations<Linear = O::Linear>>(&self) -> Mlp<P> {
        match self {
            Self::Dense(dense) => Mlp::Dense(dense.over()),
            Self::Experts(Experts { router, experts, shared }) => Mlp::Experts(Experts {
                router: router.clone(),
                experts: experts.iter().map(Dense::over).collect(),
                shared: shared.as_ref().map(|(expert, gate)| (expert.over(), gate.clone())),
            }),
        }
    }
}

impl<O: Operations> Dense<O>
where
    O::Linear: Clone,
{
    fn over<P: Operations<Linear = O::Linear>>(&self) -> Dense<P> {
        Dense { gate: self.gate.clone(), up: self.up.clone(), down: self.down.clone() }
    }
}
