//! Numbers and intervals for a terminal.

/// An effect, with its sign.
pub fn effect(value: Option<f64>) -> String {
    match value {
        Some(value) if value.abs() >= 0.01 => format!("{value:+.3}"),
        Some(value) => format!("{value:+.1e}"),
        None => "-".to_owned(),
    }
}

/// The same with its interval, where it has one.
pub fn with_interval(value: Option<f64>, low: Option<f64>, high: Option<f64>) -> String {
    match (low, high) {
        (Some(low), Some(high)) => {
            format!("{} [{}, {}]", effect(value), effect(Some(low)), effect(Some(high)))
        }
        _ => effect(value),
    }
}

/// A size, which has no sign.
pub fn plain(value: Option<f64>) -> String {
    effect(value).trim_start_matches('+').to_owned()
}

/// The same with its interval, where it has one.
pub fn plain_with_interval(value: Option<f64>, low: Option<f64>, high: Option<f64>) -> String {
    with_interval(value, low, high).replace('+', "")
}

/// A part of a whole, to three places: what is smaller is rounding.
pub fn part(value: Option<f64>) -> String {
    let Some(value) = value else { return "-".to_owned() };
    let text = format!("{value:.3}");
    if text == "-0.000" { "0.000".to_owned() } else { text }
}

/// The same with its interval, where it has one.
pub fn part_with_interval(value: Option<f64>, low: Option<f64>, high: Option<f64>) -> String {
    match (low, high) {
        (Some(low), Some(high)) => {
            format!("{} [{}, {}]", part(value), part(Some(low)), part(Some(high)))
        }
        _ => part(value),
    }
}

/// A share, to three digits.
pub fn share(share: f64) -> String {
    if share == 0.0 {
        return "0".to_owned();
    }
    // Three digits from the first that is not 0.
    let digits = (2 - share.log10().floor() as i32).clamp(0, 12) as usize;
    let text = format!("{share:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn shares_have_three_digits() {
        let shown = [0.001, 0.0991487, 0.5, 1.0, 0.0, 0.0123456].map(share);
        assert_eq!(shown, ["0.001", "0.0991", "0.5", "1", "0", "0.0123"]);
    }
}
