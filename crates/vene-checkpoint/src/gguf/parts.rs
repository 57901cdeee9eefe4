//! GGUF models that are split over several files, as llama.cpp names and marks them.

/// The stem, number and count of `NAME-00001-of-00003.gguf`.
pub(crate) fn part_of(file: &str) -> Option<(&str, usize, usize)> {
    let stem = file.strip_suffix(".gguf")?;
    let (rest, count) = stem.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let digits = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(number) && digits(count)).then_some((stem, number.parse().ok()?, count.parse().ok()?))
}

/// The names of all files of the model that begins in `file`: that one, or all of its parts.
pub(crate) fn parts_of(file: &str) -> Vec<String> {
    match part_of(file) {
        Some((stem, 1, count)) => {
            (1..=count).map(|number| format!("{stem}-{number:05}-of-{count:05}.gguf")).collect()
        }
        _ => vec![file.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_as_llama_cpp_does() {
        assert_eq!(
            parts_of("a/m-00001-of-00003.gguf"),
            ["a/m-00001-of-00003.gguf", "a/m-00002-of-00003.gguf", "a/m-00003-of-00003.gguf"]
        );
        for whole in ["m.gguf", "m-00002-of-00003.gguf", "m-1-of-3.gguf", "-of-.gguf", "x"] {
            assert_eq!(parts_of(whole), [whole]);
        }
    }
}
