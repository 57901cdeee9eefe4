//! Which of the six, and what they differ in.

/// One of the six.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReftKind {
    /// [`Reft::loreft`](super::Reft::loreft).
    LoReft,
    /// [`Reft::noreft`](super::Reft::noreft).
    NoReft,
    /// [`Reft::direft`](super::Reft::direft).
    DiReft,
    /// [`Reft::nodireft`](super::Reft::nodireft).
    NodiReft,
    /// [`Reft::consreft`](super::Reft::consreft).
    ConsReft,
    /// [`Reft::lobireft`](super::Reft::lobireft).
    LobiReft,
}

impl ReftKind {
    /// The intervention's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoReft => "loreft",
            Self::NoReft => "noreft",
            Self::DiReft => "direft",
            Self::NodiReft => "nodireft",
            Self::ConsReft => "consreft",
            Self::LobiReft => "lobireft",
        }
    }

    /// Whether the directions are those of a rotation, rather than any.
    pub const fn is_orthonormal(self) -> bool {
        !matches!(self, Self::NoReft | Self::NodiReft)
    }

    /// Whether a constant is written, rather than something that depends on the hidden state.
    pub const fn is_constant(self) -> bool {
        matches!(self, Self::ConsReft | Self::LobiReft)
    }

    /// Whether what was there is taken away, rather than added to.
    pub const fn replaces(self) -> bool {
        matches!(self, Self::LoReft | Self::NoReft | Self::ConsReft)
    }
}
