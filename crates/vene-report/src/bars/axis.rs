//! The y axis of a bar chart: from numbers to heights, by powers of ten or by even steps.

use super::BarScale;
use crate::linear_axis::LinearAxis;
use crate::tick::{self, Tick};

/// An axis that has seen the numbers it is to show.
#[derive(Clone, Copy, Debug)]
pub(super) enum ValueAxis {
    /// Exponents of ten at the foot and at the top, and the smallest number with a bar.
    Log { low: i32, high: i32, floor: f64 },
    /// From the foot up.
    Linear(LinearAxis),
}

impl ValueAxis {
    /// The axis for finite numbers.
    pub(super) fn fit(scale: BarScale, values: impl Iterator<Item = f64>) -> ValueAxis {
        match scale {
            BarScale::Linear => ValueAxis::Linear(LinearAxis::fit(values)),
            BarScale::Log { floor } => {
                let floor = if floor > 0.0 { floor } else { f64::MIN_POSITIVE };
                let shown = values.filter(|value| *value >= floor).map(f64::log10);
                let (least, most) = shown
                    .fold((f64::INFINITY, f64::NEG_INFINITY), |ends, value| {
                        (ends.0.min(value), ends.1.max(value))
                    });
                if least > most {
                    return ValueAxis::Log { low: -2, high: 0, floor };
                }
                // The foot is strictly below the smallest: every number shown has some bar.
                let high = (most - 1e-9).ceil() as i32;
                let low = ((least - 1e-9).ceil() as i32 - 1).min(high - 2);
                ValueAxis::Log { low, high, floor }
            }
        }
    }

    /// How far up a number lies, from 0 to 1; `None` for one below a logarithmic axis' floor.
    pub(super) fn up(&self, value: f64) -> Option<f64> {
        match *self {
            ValueAxis::Linear(axis) => Some(axis.along(value)),
            ValueAxis::Log { floor, .. } if value < floor => None,
            ValueAxis::Log { low, high, .. } => {
                let along = (value.log10() - f64::from(low)) / f64::from(high - low);
                Some(along.clamp(0.0, 1.0))
            }
        }
    }

    /// Where bars begin, from 0 to 1: at zero, or at the foot where there is none.
    pub(super) fn start(&self) -> f64 {
        match self {
            ValueAxis::Linear(_) => self.up(0.0).unwrap_or_default(),
            ValueAxis::Log { .. } => 0.0,
        }
    }

    /// Labelled marks.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        match *self {
            ValueAxis::Linear(axis) => axis.ticks(5),
            ValueAxis::Log { low, high, .. } => tick::decades(low, high, 6),
        }
    }

    /// Marks without labels, from 0 to 1: the numbers 2 to 9 of each power of ten where the
    /// axis has few, every power where it has many.
    pub(super) fn minor(&self) -> Vec<f64> {
        let ValueAxis::Log { low, high, .. } = *self else { return Vec::new() };
        let within = if high - low <= 4 { 2..10 } else { 1..2 };
        (low..high)
            .flat_map(|power| within.clone().map(move |factor| (power, factor)))
            .filter_map(|(power, factor)| self.up(f64::from(factor) * 10_f64.powi(power)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: BarScale = BarScale::Log { floor: 1e-12 };

    #[test]
    fn powers_of_ten_enclose_the_numbers() {
        let ends = |values: &[f64]| match ValueAxis::fit(LOG, values.iter().copied()) {
            ValueAxis::Log { low, high, .. } => (low, high),
            ValueAxis::Linear(_) => (0, 0),
        };
        assert_eq!(ends(&[0.02, 0.4]), (-2, 0));
        assert_eq!(ends(&[0.001, 1.0]), (-4, 0));
        assert_eq!(ends(&[0.4, 0.5]), (-2, 0));
        assert_eq!(ends(&[0.0, 1e-30, 3e-5]), (-6, -4));
        assert_eq!(ends(&[0.0, 0.0]), (-2, 0));
    }

    #[test]
    fn zero_and_underflow_have_no_height() {
        let axis = ValueAxis::fit(LOG, [0.0, 1e-40, 0.1].into_iter());
        assert_eq!(axis.up(0.0), None);
        assert_eq!(axis.up(1e-40), None);
        assert!(axis.up(0.1).is_some_and(|up| up > 0.9));
    }

    #[test]
    fn linear_bars_start_at_zero() {
        let axis = ValueAxis::fit(BarScale::Linear, [-1.0, 3.0].into_iter());
        assert!((axis.start() - 0.2772).abs() < 0.01, "{}", axis.start());
        let axis = ValueAxis::fit(BarScale::Linear, [2.0, 3.0].into_iter());
        assert_eq!(axis.start(), 0.0);
        let axis = ValueAxis::fit(BarScale::Linear, [0.0].into_iter());
        assert_eq!(axis.start(), 0.0);
    }
}
