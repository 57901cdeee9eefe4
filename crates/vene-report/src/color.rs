//! Colour scales from numbers to fills.

/// Which colours stand for which numbers in a heat map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ColorScale {
    /// Viridis (S. van der Walt and N. Smith, 2015): evenly perceived, also without colour. For
    /// amounts such as probabilities. With no range given it spans the table's values, from 0
    /// where they come near it (the lowest within a quarter of the highest).
    Sequential {
        /// The lowest and the highest number shown; what lies beyond takes the end's colour.
        range: Option<(f64, f64)>,
    },
    /// Viridis from `low` to `high`, and further on a side where the values go further. For
    /// shares with known ends, such as a sign agreement from 0.5 to 1.
    Covering {
        /// The highest number that the scale may begin with.
        low: f64,
        /// The lowest number that it may end with.
        high: f64,
    },
    /// Red above 0, white at 0, blue below (ColorBrewer's RdBu, C. Brewer). For effects. The
    /// scale reaches as far down as up, so that equal depth of colour is equal size.
    Diverging {
        /// The number with the deepest colour on either side; without one, the largest there is.
        limit: Option<f64>,
    },
}

impl Default for ColorScale {
    fn default() -> Self {
        ColorScale::Sequential { range: None }
    }
}

/// A scale that has seen the values it is to show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FittedScale {
    pub(crate) low: f64,
    pub(crate) high: f64,
    diverging: bool,
}

impl ColorScale {
    /// The scale for values between `lowest` and `highest`, both finite.
    pub(crate) fn fit(self, lowest: f64, highest: f64) -> FittedScale {
        let (low, high, diverging) = match self {
            ColorScale::Sequential { range: Some((low, high)) } => (low, high, false),
            ColorScale::Sequential { range: None } => {
                let near_zero = lowest >= 0.0 && lowest <= highest / 4.0;
                (if near_zero { 0.0 } else { lowest }, highest, false)
            }
            ColorScale::Covering { low, high } => (low.min(lowest), high.max(highest), false),
            ColorScale::Diverging { limit } => {
                let limit = limit.unwrap_or_else(|| lowest.abs().max(highest.abs())).abs();
                (-limit, limit, true)
            }
        };
        // One value only: it still needs a scale with some length around it.
        let (low, high) = if high > low {
            (low, high)
        } else if low == 0.0 {
            (if diverging { -1.0 } else { 0.0 }, 1.0)
        } else {
            (low - low.abs() / 2.0, low + low.abs() / 2.0)
        };
        FittedScale { low, high, diverging }
    }
}

impl FittedScale {
    /// How far along the scale a finite value lies, from 0 to 1.
    pub(crate) fn along(&self, value: f64) -> f64 {
        // Halves first: the span of a scale of huge numbers must not overflow.
        let span = self.high / 2.0 - self.low / 2.0;
        (((value / 2.0 - self.low / 2.0) / span).clamp(0.0, 1.0)).min(1.0)
    }

    /// The colour at `along`, from 0 to 1, as `#rrggbb`.
    pub(crate) fn color(&self, along: f64) -> String {
        let color = if self.diverging {
            colorous::RED_BLUE.eval_continuous(1.0 - along)
        } else {
            colorous::VIRIDIS.eval_continuous(along)
        };
        format!("#{color:x}")
    }

    /// The fill for a finite value.
    pub(crate) fn fill(&self, value: f64) -> String {
        self.color(self.along(value))
    }
}

/// What can be seen on a fill (`#rrggbb`) without shouting: grey on light ones, white on dark.
pub(crate) fn quiet_on(fill: &str) -> &'static str {
    let channel = |at: usize| {
        let figures = fill.get(at..at + 2).unwrap_or_default();
        f64::from(u8::from_str_radix(figures, 16).unwrap_or(u8::MAX))
    };
    // Luma of ITU-R BT.601.
    match 0.299 * channel(1) + 0.587 * channel(3) + 0.114 * channel(5) {
        light if light > 200.0 => "#808080",
        light if light > 120.0 => "#404040",
        _ => "#ffffff",
    }
}

/// What is read on a fill (`#rrggbb`): black on light ones, white on dark.
pub(crate) fn loud_on(fill: &str) -> &'static str {
    match quiet_on(fill) {
        "#ffffff" => "#ffffff",
        _ => "#000000",
    }
}

/// How many kinds [`distinct`] keeps apart.
pub(crate) const DISTINCT: usize = 8;

/// All eight of the Okabe-Ito palette, those of [`qualitative`] first.
pub(crate) fn distinct(index: usize) -> &'static str {
    match index % DISTINCT {
        6 => "#f0e442",
        7 => "#000000",
        other => qualitative(other),
    }
}

/// Fills that stay apart for colour-blind readers (M. Okabe and K. Ito, 2008), without its
/// black and yellow: the nth of a series.
pub(crate) fn qualitative(index: usize) -> &'static str {
    const OKABE_ITO: [&str; 6] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9"];
    OKABE_ITO[index % OKABE_ITO.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viridis_runs_from_purple_to_yellow() {
        let scale = ColorScale::default().fit(0.0, 0.5);
        assert_eq!(scale.fill(0.0), "#440154");
        assert_eq!(scale.fill(0.5), "#fde725");
        assert_eq!(scale.fill(9.0), "#fde725", "beyond the end: the end's colour");
    }

    #[test]
    fn effects_are_white_at_zero_and_even_on_both_sides() {
        let scale = ColorScale::Diverging { limit: None }.fit(-0.2, 0.5);
        assert_eq!((scale.low, scale.high), (-0.5, 0.5));
        let channels = |fill: String| {
            let channel = |at| u8::from_str_radix(&fill[at..at + 2], 16).unwrap_or(0);
            (channel(1), channel(3), channel(5))
        };
        let (r, g, b) = channels(scale.fill(0.0));
        assert!(r > 235 && g > 235 && b > 235);
        let (r, _, b) = channels(scale.fill(0.5));
        assert!(r > 90 && b < 50, "up is red");
        let (r, _, b) = channels(scale.fill(-0.5));
        assert!(r < 30 && b > 80, "down is blue");
    }

    #[test]
    fn a_scale_starts_at_zero_only_where_zero_is_near() {
        assert_eq!(ColorScale::default().fit(0.01, 0.5).low, 0.0);
        assert_eq!(ColorScale::default().fit(0.4, 0.5).low, 0.4);
    }

    #[test]
    fn a_covering_scale_reaches_as_far_as_the_values() {
        let scale = ColorScale::Covering { low: 0.5, high: 1.0 };
        let ends = |scale: FittedScale| (scale.low, scale.high);
        assert_eq!(ends(scale.fit(0.6, 0.9)), (0.5, 1.0));
        assert_eq!(ends(scale.fit(0.3, 0.9)), (0.3, 1.0));
    }

    #[test]
    fn marks_can_be_seen_on_any_fill() {
        assert_eq!(quiet_on("#ffffff"), "#808080");
        assert_eq!(quiet_on("#92c5de"), "#404040");
        assert_eq!(quiet_on("#440154"), "#ffffff");
    }

    #[test]
    fn eight_kinds_have_eight_colours() {
        let colors: std::collections::BTreeSet<_> = (0..DISTINCT).map(distinct).collect();
        assert_eq!(colors.len(), DISTINCT);
    }

    #[test]
    fn one_value_still_has_a_scale() {
        for value in [0.0, 0.3, -2.0, f64::MAX, 5e-324] {
            for scale in [ColorScale::default(), ColorScale::Diverging { limit: None }] {
                let fitted = scale.fit(value, value);
                assert!(fitted.low < fitted.high || value == 5e-324, "{value} {fitted:?}");
                assert!(fitted.fill(value).starts_with('#'));
            }
        }
    }
}
