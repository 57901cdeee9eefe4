//! What is known of an intervention before it is applied: what it reads, what its result depends on, and what it must
//! be shown together. Plans are checked by it, and engines share and batch work by it.

/// How many sources an intervention reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceCount {
    /// None: it is a function of the base alone.
    None,
    /// Exactly one.
    One,
    /// At least one.
    Several,
}

/// What an intervention's result depends on, from little to much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dependence {
    /// It is the source's values, bit for bit. Where base and source have the same values, the edit is skipped.
    Copies,
    /// On anything but the base's values. Two absolute interventions on the same values contradict each other, and are
    /// refused.
    Absolute,
    /// On the base's values too.
    Relative,
}

/// What an intervention must be shown together to give its result. Coarser is always right, and slower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Granularity {
    /// Each value of the result depends on that value and its sources' alone, wherever it stands. Such an intervention
    /// has [`apply_in_place`](super::Intervention::apply_in_place).
    Element,
    /// Each row of the result depends on that row, its sources' and the coordinates that the plan chose alone, not on
    /// the example or its position: rows of many examples may be handed over at once.
    Row,
    /// All rows of one example, and which example and which positions they are.
    Whole,
}

/// The traits of an intervention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// How many sources it reads.
    pub sources: SourceCount,
    /// What its result depends on.
    pub result: Dependence,
    /// What it must be shown together.
    pub granularity: Granularity,
    /// Whether the object keeps what it is shown: then it stands for no other object of equal settings.
    pub observes: bool,
}

impl Traits {
    /// An intervention of which no more is known: its result depends on the base, and on all rows of an example.
    pub const fn of(sources: SourceCount) -> Self {
        Self {
            sources,
            result: Dependence::Relative,
            granularity: Granularity::Whole,
            observes: false,
        }
    }

    /// The same, with another dependence of the result.
    #[must_use]
    pub const fn result(self, result: Dependence) -> Self {
        Self { result, ..self }
    }

    /// The same, with another granularity.
    #[must_use]
    pub const fn granularity(self, granularity: Granularity) -> Self {
        Self { granularity, ..self }
    }

    /// The same of one that wraps it: its result depends on at least this, and it must be shown at least so much
    /// together.
    #[must_use]
    pub fn at_least(self, result: Dependence, granularity: Granularity) -> Self {
        let (result, granularity) = (self.result.max(result), self.granularity.max(granularity));
        Self { result, granularity, ..self }
    }

    /// The same of one whose object keeps what it is shown.
    #[must_use]
    pub const fn observing(self) -> Self {
        Self { observes: true, ..self }
    }

    /// Whether the result does not depend on the base's values.
    pub fn is_absolute(self) -> bool {
        self.result != Dependence::Relative
    }

    /// Whether rows of many examples may be handed over at once.
    pub fn is_by_row(self) -> bool {
        self.granularity <= Granularity::Row
    }

    /// Whether values may be edited where they lie, a stretch at a time.
    pub fn is_in_place(self) -> bool {
        self.granularity == Granularity::Element
    }
}
