//! Names of files that are written: an ending promises a format.

use std::path::Path;

use anyhow::bail;

/// Refuses a file name that promises another format than is written, which is the first of these endings; a name
/// without an ending promises nothing.
///
/// # Errors
/// Another ending, with the name that is right.
pub fn must_end_with(out: &Path, endings: &[&str]) -> anyhow::Result<()> {
    let Some(ending) = out.extension() else { return Ok(()) };
    if endings.iter().any(|known| ending.eq_ignore_ascii_case(known)) {
        return Ok(());
    }
    let format = endings.first().copied().unwrap_or_default();
    bail!(
        "--out {}: what is written is .{format}, not .{}: name it {}",
        out.display(),
        ending.to_string_lossy(),
        out.with_extension(format).display(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_ending_must_be_the_format_s() {
        let checked = |name: &str| must_end_with(Path::new(name), &["safetensors"]);
        assert!(
            checked("a/x.safetensors").is_ok()
                && checked("x.SafeTensors").is_ok()
                && checked("x").is_ok()
        );
        let error = checked("a/x.npz").unwrap_err().to_string();
        assert_eq!(
            error,
            "--out a/x.npz: what is written is .safetensors, not .npz: name it a/x.safetensors"
        );
    }
}
