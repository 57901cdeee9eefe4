//! Sizes as a person writes them: `--memory 500M`.

/// A number of bytes: `300M`, `1.5G`, `800000000`.
///
/// # Errors
/// What is no size.
pub fn memory_size(text: &str) -> Result<usize, String> {
    let (number, unit) = match text.to_ascii_uppercase() {
        text if text.ends_with('K') => (text.trim_end_matches('K').to_owned(), 1e3),
        text if text.ends_with('M') => (text.trim_end_matches('M').to_owned(), 1e6),
        text if text.ends_with('G') => (text.trim_end_matches('G').to_owned(), 1e9),
        text => (text, 1.0),
    };
    match number.parse::<f64>() {
        Ok(number) if number > 0.0 && number * unit >= 1.0 && number * unit <= 1e15 => {
            Ok((number * unit) as usize)
        }
        _ => Err("expected a size such as 500M or 2G".to_owned()),
    }
}
