//! What feeds what: of which other values a component's are computed.
//!
//! Everything that depends on where a component lies is read off this graph: the order of edits, which rows an edit
//! changes besides its own, and in which part of a block rows must be alive.

use std::sync::LazyLock;

use super::{COMPONENTS, Component};

/// The part of a model that a component belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Module {
    /// The residual stream, which all modules read and add to.
    Residual,
    /// Attention, with its norms.
    Attention,
    /// The MLP, with its norms.
    Mlp,
    /// A recurrent block.
    Recurrence,
    /// What is said of the next token.
    Readout,
}

impl Component {
    /// The part of a model that it belongs to.
    pub fn module(self) -> Module {
        use Component::*;
        match self {
            Embedding | BlockInput | ResidualMiddle | BlockOutput => Module::Residual,
            AttentionInput
            | QueryOutput
            | KeyOutput
            | ValueOutput
            | NormedQuery
            | NormedKey
            | RotatedQuery
            | RotatedKey
            | AttentionScore
            | AttentionWeight
            | AttentionValueOutput
            | HeadResult
            | AttentionOutput
            | AttentionContribution => Module::Attention,
            MlpInput | MlpGate | MlpUp | MlpActivation | MlpNeuron | RouterScore | ExpertWeight
            | ExpertOutput | SharedExpertOutput | MlpOutput | MlpContribution => Module::Mlp,
            ResetGate | UpdateGate | NewGate => Module::Recurrence,
            FinalNorm | Logits => Module::Readout,
        }
    }

    /// The components of the same block whose values its own are computed from directly. Where a family lacks one of them,
    /// that one's inputs take its place.
    pub fn inputs(self) -> &'static [Self] {
        use Component::*;
        match self {
            Embedding | BlockInput => &[],
            AttentionInput => &[BlockInput],
            QueryOutput | KeyOutput | ValueOutput => &[AttentionInput],
            NormedQuery => &[QueryOutput],
            NormedKey => &[KeyOutput],
            RotatedQuery => &[NormedQuery],
            RotatedKey => &[NormedKey],
            AttentionScore => &[RotatedQuery, RotatedKey],
            AttentionWeight => &[AttentionScore],
            AttentionValueOutput => &[AttentionWeight, ValueOutput],
            HeadResult => &[AttentionValueOutput],
            AttentionOutput => &[HeadResult],
            AttentionContribution => &[AttentionOutput],
            ResidualMiddle => &[BlockInput, AttentionContribution],
            MlpInput => &[ResidualMiddle],
            MlpGate | MlpUp => &[MlpInput],
            MlpActivation => &[MlpGate, MlpUp],
            MlpNeuron => &[MlpActivation, MlpUp],
            RouterScore => &[MlpInput],
            ExpertWeight => &[RouterScore],
            ExpertOutput => &[MlpInput, ExpertWeight],
            SharedExpertOutput => &[MlpInput],
            MlpOutput => &[MlpNeuron, ExpertWeight, ExpertOutput, SharedExpertOutput],
            MlpContribution => &[MlpOutput],
            ResetGate | UpdateGate => &[BlockInput],
            NewGate => &[BlockInput, ResetGate],
            BlockOutput => &[ResidualMiddle, MlpContribution, UpdateGate, NewGate],
            FinalNorm => &[BlockOutput],
            Logits => &[FinalNorm],
        }
    }

    /// Whether another component's values depend on its own, or are its own.
    pub fn feeds(self, other: Self) -> bool {
        self == other || other.inputs().iter().any(|input| self.feeds(*input))
    }

    /// Its place in the order in which a model announces its components: what feeds it comes before.
    pub fn rank(self) -> usize {
        self.facts().rank
    }

    /// Whether it is there before the rows of a run have met in attention: whoever looks at it needs no row behind that.
    pub fn is_before_rows_meet(self) -> bool {
        self.facts().is_before_rows_meet
    }

    /// Whether later positions see it in the same block's attention: then an edit of a row changes rows after it in this
    /// block, otherwise in the next.
    pub fn is_seen_by_later_rows(self) -> bool {
        self.facts().is_seen_by_later_rows
    }

    fn facts(self) -> Facts {
        FACTS[self as usize]
    }
}

/// What is read off the graph, once.
#[derive(Clone, Copy, Default)]
struct Facts {
    rank: usize,
    is_before_rows_meet: bool,
    is_seen_by_later_rows: bool,
}

static FACTS: LazyLock<[Facts; COMPONENTS.len()]> = LazyLock::new(|| {
    let mut facts = [Facts::default(); COMPONENTS.len()];
    for (rank, info) in COMPONENTS.iter().enumerate() {
        let this = info.component;
        facts[this as usize] = Facts {
            rank,
            is_before_rows_meet: this != Component::AttentionValueOutput
                && this.feeds(Component::AttentionValueOutput),
            is_seen_by_later_rows: this.feeds(Component::RotatedKey)
                || this.feeds(Component::ValueOutput),
        };
    }
    facts
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_feeds_a_component_comes_before_it() {
        for info in &COMPONENTS {
            for input in info.component.inputs() {
                assert!(input.rank() < info.component.rank(), "{} feeds {}", input, info.name);
            }
            assert_eq!(COMPONENTS[info.component.rank()].name, info.name);
            assert_eq!(info.name.parse(), Ok(info.component));
        }
    }

    #[test]
    fn an_edit_changes_what_its_facts_say() {
        use Component::*;
        let all = || COMPONENTS.iter().map(|info| info.component);
        let seen: Vec<Component> = all().filter(|one| one.is_seen_by_later_rows()).collect();
        assert_eq!(
            seen,
            [BlockInput, AttentionInput, KeyOutput, ValueOutput, NormedKey, RotatedKey]
        );
        let before: Vec<Component> = all().filter(|one| one.is_before_rows_meet()).collect();
        let own = [QueryOutput, NormedQuery, RotatedQuery, AttentionScore, AttentionWeight];
        assert!(before.iter().all(|one| seen.contains(one) || own.contains(one)));
        assert_eq!(before.len(), seen.len() + own.len());
        assert!(all().all(|one| one.module() != Module::Mlp || one.feeds(BlockOutput)));
    }
}
