//! An axis of even steps on which 0 has a place, for effects.

use crate::tick::{self, Tick};

/// Numbers at the axis' two ends, the lower one first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinearAxis {
    low: f64,
    high: f64,
}

impl LinearAxis {
    /// The axis for finite numbers: from 0, or beyond the farthest on each side that has some.
    pub(crate) fn fit(values: impl Iterator<Item = f64>) -> LinearAxis {
        let (low, high) =
            values.fold((0.0_f64, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        let room = high * 0.06 - low * 0.06;
        let beyond = |end: f64| if end == 0.0 { 0.0 } else { end + room.copysign(end) };
        let finite = |end: f64| end.clamp(f64::MIN, f64::MAX);
        let high = if high > low { finite(beyond(high)) } else { 1.0 };
        LinearAxis { low: finite(beyond(low)), high }
    }

    /// How far along a number lies, from 0 to 1.
    pub(crate) fn along(&self, value: f64) -> f64 {
        // Halves first: the span of an axis of huge numbers must not overflow.
        let span = self.high / 2.0 - self.low / 2.0;
        ((value / 2.0 - self.low / 2.0) / span).clamp(0.0, 1.0)
    }

    /// Some `target` labelled marks.
    pub(crate) fn ticks(&self, target: usize) -> Vec<Tick> {
        tick::linear(self.low, self.high, target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_always_on_the_axis() {
        let axis = LinearAxis::fit([2.0, 3.0].into_iter());
        assert_eq!(axis.along(0.0), 0.0);
        assert!((0.9..1.0).contains(&axis.along(3.0)));
        let axis = LinearAxis::fit([-2.0, -1.0].into_iter());
        assert_eq!(axis.along(0.0), 1.0);
        assert!((0.0..0.1).contains(&axis.along(-2.0)));
        let axis = LinearAxis::fit([].into_iter());
        assert_eq!((axis.along(0.0), axis.along(1.0)), (0.0, 1.0));
    }

    #[test]
    fn the_largest_numbers_have_places() {
        let axis = LinearAxis::fit([f64::MIN, f64::MAX].into_iter());
        assert_eq!([f64::MIN, 0.0, f64::MAX].map(|value| axis.along(value)), [0.0, 0.5, 1.0]);
    }
}
