//! Where an axis is marked, and what stands at the marks.

/// A mark on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    pub(crate) label: String,
}

/// Round, evenly spaced marks between `low` and `high`: some `target` of them, at 1, 2 or 5
/// times a power of ten, all with as many decimals.
pub(crate) fn linear(low: f64, high: f64, target: usize) -> Vec<Tick> {
    let raw = (high - low) / target.max(1) as f64;
    if !raw.is_finite() || raw <= 0.0 {
        return vec![];
    }
    let exponent = raw.log10().floor();
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * 10_f64.powf(exponent))
        .into_iter()
        .find(|step| *step >= raw * 0.667)
        .unwrap_or(raw);
    if step <= 0.0 {
        return vec![];
    }
    let first = (low / step - 1e-9).ceil();
    let last = (high / step + 1e-9).floor();
    let largest = low.abs().max(high.abs());
    let count = (last - first).clamp(0.0, 1000.0) as usize;
    (0..=count)
        .map(|index| (first + index as f64) * step)
        .map(|value| Tick { value, label: linear_label(value, step, largest) })
        .collect()
}

fn linear_label(value: f64, step: f64, largest: f64) -> String {
    if value.abs() < step * 1e-6 {
        return "0".to_owned();
    }
    let sign = if value < 0.0 { "−" } else { "" };
    let value = value.abs();
    if !(1e-3..1e5).contains(&largest) {
        // Too many zeros to count: one digit more than the step needs, and a power of ten.
        let power = largest.log10().floor();
        let decimals = (power - step.log10().floor()).clamp(0.0, 6.0) as usize;
        let mantissa = value / 10_f64.powf(power);
        return format!("{sign}{mantissa:.decimals$}·10{}", superscript(power as i32));
    }
    let decimals = (-(step * 1.0001).log10().floor()).clamp(0.0, 12.0) as usize;
    format!("{sign}{value:.decimals$}")
}

/// The powers of ten from `low` to `high` (exponents), thinned to at most `most`.
pub(crate) fn decades(low: i32, high: i32, most: usize) -> Vec<Tick> {
    let span = (high - low).max(0) as usize;
    let stride = [1, 2, 3, 5, 10, 20, 50, 100]
        .into_iter()
        .find(|stride| span / stride < most)
        .unwrap_or(200) as i32;
    let plain = low >= -3 && high <= 3;
    (low..=high)
        .filter(|exponent| exponent.rem_euclid(stride) == 0)
        .map(|exponent| {
            let value = 10_f64.powi(exponent);
            let label = match exponent {
                0 => "1".to_owned(),
                _ if plain => format!("{value}"),
                _ => format!("10{}", superscript(exponent)),
            };
            Tick { value, label }
        })
        .collect()
}

/// A number as a reader wants it beside a line or in a hint: at most three significant digits.
pub(crate) fn brief(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return value.to_string();
    }
    let power = value.abs().log10().floor();
    if (-4.0..6.0).contains(&power) {
        let decimals = (2.0 - power).clamp(0.0, 6.0) as usize;
        return trimmed(&format!("{value:.decimals$}")).replace('-', "−");
    }
    let power = power as i32;
    // In two steps: the power itself may be too small for a float.
    let mantissa = value / 10_f64.powi(power / 2) / 10_f64.powi(power - power / 2);
    let mantissa = trimmed(&format!("{mantissa:.2}")).replace('-', "−");
    format!("{mantissa}·10{}", superscript(power))
}

/// Numbers that stand beside each other, with as many decimals each: three significant digits of
/// the largest. Very large and very small ones are as [`brief`] has them.
pub(crate) fn alike(values: &[f64]) -> Vec<String> {
    let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let power = largest.log10().floor();
    if !(-4.0..6.0).contains(&power) {
        return values.iter().map(|value| brief(*value)).collect();
    }
    let decimals = (2.0 - power).clamp(0.0, 6.0) as usize;
    let text = |value: &f64| {
        let text = format!("{value:.decimals$}");
        let digits = text.trim_start_matches('-');
        let is_zero = digits.chars().all(|figure| matches!(figure, '0' | '.'));
        if is_zero { digits.to_owned() } else { text.replace('-', "−") }
    };
    values.iter().map(text).collect()
}

/// Without the zeros that end a decimal fraction.
fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// An exponent in raised figures.
pub(crate) fn superscript(exponent: i32) -> String {
    const FIGURES: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let figures = exponent.to_string();
    figures
        .chars()
        .map(|figure| match figure.to_digit(10) {
            Some(digit) => FIGURES[digit as usize],
            None => '⁻',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        assert_eq!(labels(&linear(0.0, 0.37, 4)), ["0", "0.1", "0.2", "0.3"]);
        assert_eq!(labels(&linear(-0.5, 0.5, 4)), ["−0.4", "−0.2", "0", "0.2", "0.4"].to_vec());
        assert_eq!(labels(&linear(0.0, 20.0, 4)), ["0", "5", "10", "15", "20"]);
        assert_eq!(labels(&linear(0.0, 3e-6, 3)), ["0", "1·10⁻⁶", "2·10⁻⁶", "3·10⁻⁶"]);
        assert!(linear(1.0, 1.0, 4).is_empty() && linear(0.0, f64::NAN, 4).is_empty());
    }

    #[test]
    fn decades_thin_out_evenly() {
        assert_eq!(labels(&decades(-3, 0, 6)), ["0.001", "0.01", "0.1", "1"]);
        assert_eq!(labels(&decades(-5, 0, 4)), ["10⁻⁴", "10⁻²", "1"]);
        assert_eq!(labels(&decades(-12, 0, 6)), ["10⁻¹²", "10⁻⁹", "10⁻⁶", "10⁻³", "1"]);
    }

    #[test]
    fn numbers_beside_each_other_have_as_many_decimals() {
        assert_eq!(alike(&[-4.919, -5.2, -4.6]), ["−4.92", "−5.20", "−4.60"]);
        assert_eq!(alike(&[0.0123, -0.00001]), ["0.0123", "0.0000"]);
        assert_eq!(alike(&[0.0, 0.0]), ["0", "0"]);
        assert_eq!(alike(&[1e-9, 0.0]), ["1·10⁻⁹", "0"]);
    }

    #[test]
    fn brief_numbers_have_three_digits() {
        assert_eq!(brief(0.37733), "0.377");
        assert_eq!(brief(0.004), "0.004");
        assert_eq!(brief(200.0), "200");
        assert_eq!(brief(1e-12), "1·10⁻¹²");
        assert_eq!(brief(-0.0123), "−0.0123");
        assert_eq!(brief(1.234e-7), "1.23·10⁻⁷");
        assert_eq!(brief(0.0), "0");
        assert_eq!(brief(5e-324).chars().last(), Some('⁴'));
    }
}
