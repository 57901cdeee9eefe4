//! What a user may say about how a model's description is read.

/// How a model is opened, where its files alone do not decide it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// Keys of the configuration (or GGUF metadata) that would be refused, and that the user knows to
    /// change nothing: they are treated as absent, with a notice. A key inside another is named with
    /// dots, e.g. `rope_scaling.note`.
    pub ignored_keys: Vec<String>,
}
