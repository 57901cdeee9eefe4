//! Metrics that have a gradient: what candle differentiates of logits.

use candle_core::{D, Tensor};
use vene_data::PreparedRow;
use vene_metric::{LOG_PROBABILITY, LOGIT_DIFFERENCE, Metric, PROBABILITY, PROBABILITY_DIFFERENCE};

use crate::error::CircuitError;

/// A metric of a row, of its logits `[1, vocabulary]`.
pub(crate) struct Slope {
    kind: Kind,
    target: Vec<u32>,
    foil: Vec<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    LogitDifference,
    LogProbability,
    Probability,
    ProbabilityDifference,
}

const KINDS: [(&str, Kind); 4] = [
    (LOGIT_DIFFERENCE.name, Kind::LogitDifference),
    (LOG_PROBABILITY.name, Kind::LogProbability),
    (PROBABILITY.name, Kind::Probability),
    (PROBABILITY_DIFFERENCE.name, Kind::ProbabilityDifference),
];

impl Slope {
    /// Of one of the built-in metrics that are smooth.
    pub(crate) fn of(metric: &dyn Metric, row: &PreparedRow) -> Result<Self, CircuitError> {
        let known = KINDS.iter().find(|(name, _)| *name == metric.name());
        let Some(&(_, kind)) = known else {
            let metric = metric.name().to_owned();
            let known = KINDS.map(|(name, _)| name).join(", ");
            return Err(CircuitError::NoGradient { metric, known });
        };
        let [target, foil] = row.first_tokens();
        Ok(Self { kind, target, foil })
    }

    /// The metric of logits `[1, vocabulary]`, with the graph behind it.
    pub(crate) fn value(&self, logits: &Tensor) -> candle_core::Result<Tensor> {
        let whole = || logits.log_sum_exp(D::Minus1);
        let target = || any_of(logits, &self.target);
        let foil = || any_of(logits, &self.foil);
        match self.kind {
            Kind::LogitDifference => target()? - foil()?,
            Kind::LogProbability => target()? - whole()?,
            Kind::Probability => (target()? - whole()?)?.exp(),
            Kind::ProbabilityDifference => {
                (target()? - whole()?)?.exp()? - (foil()? - whole()?)?.exp()?
            }
        }
    }
}

/// log Σ exp of some tokens' logits.
fn any_of(logits: &Tensor, tokens: &[u32]) -> candle_core::Result<Tensor> {
    let tokens = Tensor::new(tokens, logits.device())?;
    logits.index_select(&tokens, 1)?.log_sum_exp(D::Minus1)
}
