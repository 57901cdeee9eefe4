//! Heads, the same in all examples or in each its own.

/// Which heads of a component are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heads {
    /// These, in every example.
    Same(Vec<usize>),
    /// For each example its own; none where the list is empty.
    Each(Vec<Vec<usize>>),
}

impl From<Vec<usize>> for Heads {
    fn from(heads: Vec<usize>) -> Self {
        Self::Same(heads)
    }
}

impl From<&[usize]> for Heads {
    fn from(heads: &[usize]) -> Self {
        Self::Same(heads.to_vec())
    }
}

impl<const N: usize> From<[usize; N]> for Heads {
    fn from(heads: [usize; N]) -> Self {
        Self::Same(heads.to_vec())
    }
}

impl From<Vec<Vec<usize>>> for Heads {
    fn from(heads: Vec<Vec<usize>>) -> Self {
        Self::Each(heads)
    }
}
