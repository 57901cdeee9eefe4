//! What `vene --version` says: the version, the commit that was built, and what computes here.

use std::sync::LazyLock;

use vene_kernels::InstructionSet;

/// The version, with the commit where the build knew it.
pub static SHORT: LazyLock<String> = LazyLock::new(|| {
    let version = env!("CARGO_PKG_VERSION");
    match option_env!("VENE_COMMIT") {
        Some(commit) => format!("{version} (commit {commit})"),
        None => version.to_owned(),
    }
});

/// The same, and on a second line the processor's features that are used.
pub static LONG: LazyLock<String> =
    LazyLock::new(|| format!("{}\nprocessor: {}", *SHORT, processor()));

/// What kernels use of this processor.
pub fn processor() -> String {
    let architecture = std::env::consts::ARCH;
    match InstructionSet::detect() {
        InstructionSet::Avx512 => {
            format!("{architecture} with AVX-512 (F, BW, DQ, VL), AVX2, FMA, F16C")
        }
        InstructionSet::Avx2 => format!("{architecture} with AVX2, FMA, F16C"),
        InstructionSet::Portable => format!("{architecture}, no vector instructions beyond it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_version_alone() {
        let mut lines = LONG.lines();
        let first = lines.next().unwrap_or_default();
        assert!(first.starts_with(env!("CARGO_PKG_VERSION")));
        assert_eq!(first, *SHORT);
        assert!(lines.next().is_some_and(|line| line.starts_with("processor: ")));
        assert_eq!(lines.next(), None);
        if let Some(commit) = option_env!("VENE_COMMIT") {
            assert!(first.ends_with(&format!("(commit {commit})")), "{first}");
            assert!(commit.len() >= 7 && commit.chars().all(|c| c.is_ascii_hexdigit()));
        }
    }
}
