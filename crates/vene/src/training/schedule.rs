//! How the step size changes in the course of a training.

/// The factor on the learning rate by step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Schedule {
    /// Always 1.
    #[default]
    Constant,
    /// From 0 up to 1 in the first so many steps, then down to 0 in a straight line (as in pyvene's
    /// tutorials).
    Linear {
        /// Steps of the way up.
        warmup: usize,
    },
    /// From 0 up to 1 in the first so many steps, then down to 0 along half a cosine.
    Cosine {
        /// Steps of the way up.
        warmup: usize,
    },
}

impl Schedule {
    /// The factor of a step, counted from 0, out of so many.
    pub fn factor(self, step: usize, steps: usize) -> f64 {
        let (warmup, cosine) = match self {
            Self::Constant => return 1.0,
            Self::Linear { warmup } => (warmup, false),
            Self::Cosine { warmup } => (warmup, true),
        };
        if step < warmup {
            return step as f64 / warmup as f64;
        }
        let way = (step - warmup) as f64 / steps.saturating_sub(warmup).max(1) as f64;
        match cosine {
            true => 0.5 * (1.0 + (std::f64::consts::PI * way.min(1.0)).cos()),
            false => (1.0 - way).max(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_and_down() {
        let linear = Schedule::Linear { warmup: 2 };
        let factors: Vec<f64> = (0..6).map(|step| linear.factor(step, 6)).collect();
        assert_eq!(factors, [0.0, 0.5, 1.0, 0.75, 0.5, 0.25]);
        let cosine = Schedule::Cosine { warmup: 0 };
        assert_eq!(cosine.factor(0, 4), 1.0);
        assert!((cosine.factor(2, 4) - 0.5).abs() < 1e-12);
        assert_eq!(Schedule::Constant.factor(9, 4), 1.0);
        assert_eq!(Schedule::Linear { warmup: 4 }.factor(4, 4), 1.0);
    }
}
