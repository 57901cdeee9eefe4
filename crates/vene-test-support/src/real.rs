//! The two published models that `scripts/fetch-models` fetches into `.cache/models`, or
//! into the folder that `VENE_MODELS` names.

use std::path::{Path, PathBuf};

/// A published model whose file may not be here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RealModel {
    /// SmolLM2-135M-Instruct, Q4_1.
    SmolLm2,
    /// Gemma 3 270M, Q4_K_M.
    Gemma3,
}

impl RealModel {
    /// Both.
    pub const ALL: [Self; 2] = [Self::SmolLm2, Self::Gemma3];

    /// What the fixtures call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SmolLm2 => "smollm2",
            Self::Gemma3 => "gemma3",
        }
    }

    /// Its file, or `None` where it has not been fetched, which is printed; with
    /// `VENE_REQUIRE_MODELS=1` in the environment that is a failure instead.
    pub fn path(self) -> Option<PathBuf> {
        let file = match self {
            Self::SmolLm2 => "smollm2-135m-instruct-q4_1.gguf",
            Self::Gemma3 => "gemma-3-270m-q4_k_m.gguf",
        };
        let folder = match std::env::var_os("VENE_MODELS") {
            Some(folder) => PathBuf::from(folder),
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/models"),
        };
        let path = folder.join(file);
        if path.is_file() {
            return Some(path);
        }
        let required = std::env::var("VENE_REQUIRE_MODELS").is_ok_and(|value| value == "1");
        assert!(
            !required,
            "{} is not there, and VENE_REQUIRE_MODELS=1: run scripts/fetch-models",
            path.display()
        );
        println!("SKIPPED: {} is not there; run scripts/fetch-models", path.display());
        None
    }
}
