//! Logistic regression: the direction along which two classes of activations are told apart.
//!
//! The weights that minimise ½ |w|² + Σ log(1 + exp(−y (w · x))), as scikit-learn's default with C = 1,
//! over values that are centred instead of an intercept (classes are of one size here). The weights
//! are a sum of the samples, w = Σ aᵢ xᵢ, so that Newton's method runs over as many numbers as there
//! are samples (Rasmussen & Williams 2006, algorithm 3.1).

use super::DirectionError;

type Result<T> = std::result::Result<T, DirectionError>;

/// Newton's steps at most; a few are enough.
const STEPS: usize = 100;

/// The weights `[width]` of a probe for rows `[sample][width]` of activations and their classes.
pub fn logistic_weights(rows: &[Vec<f64>], positive: &[bool]) -> Result<Vec<f64>> {
    let count = rows.len();
    if count != positive.len() || count < 2 {
        return Err(DirectionError::Classes { rows: count, classes: positive.len() });
    }
    let width = rows[0].len();
    let mut mean = vec![0.0; width];
    for row in rows {
        for (mean, value) in mean.iter_mut().zip(row) {
            *mean += value / count as f64;
        }
    }
    let centred: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| row.iter().zip(&mean).map(|(value, mean)| value - mean).collect())
        .collect();
    let products: Vec<Vec<f64>> =
        centred.iter().map(|one| centred.iter().map(|other| dot(one, other)).collect()).collect();
    let signs: Vec<f64> =
        positive.iter().map(|&positive| if positive { 1.0 } else { -1.0 }).collect();
    let of_samples = newton(&products, &signs)?;
    let mut weights = vec![0.0; width];
    for (row, share) in centred.iter().zip(&of_samples) {
        for (weight, value) in weights.iter_mut().zip(row) {
            *weight += share * value;
        }
    }
    Ok(weights)
}

/// What each sample adds to the weights.
fn newton(products: &[Vec<f64>], signs: &[f64]) -> Result<Vec<f64>> {
    let count = signs.len();
    let mut shares = vec![0.0; count];
    let mut value = objective(products, signs, &shares);
    for _ in 0..STEPS {
        let scores = times(products, &shares);
        // The loss' slope and curvature in each sample's score.
        let slopes: Vec<f64> =
            scores.iter().zip(signs).map(|(score, sign)| sign * logistic(-sign * score)).collect();
        let roots: Vec<f64> =
            scores.iter().map(|score| (logistic(*score) * logistic(-score)).sqrt()).collect();
        let mut matrix: Vec<Vec<f64>> = Vec::with_capacity(count);
        for (row, root) in products.iter().zip(&roots) {
            matrix.push(
                row.iter().zip(&roots).map(|(product, other)| root * product * other).collect(),
            );
        }
        for (index, row) in matrix.iter_mut().enumerate() {
            row[index] += 1.0;
        }
        let wanted: Vec<f64> =
            (0..count).map(|i| roots[i] * roots[i] * scores[i] + slopes[i]).collect();
        let moved = times(products, &wanted);
        let moved: Vec<f64> = moved.iter().zip(&roots).map(|(value, root)| value * root).collect();
        let solved = solve(matrix, moved)?;
        let next: Vec<f64> = (0..count).map(|i| wanted[i] - roots[i] * solved[i]).collect();
        // A full step may go too far where scores are far from what they will be.
        let mut length = 1.0;
        let (step, reached) = loop {
            let step: Vec<f64> =
                shares.iter().zip(&next).map(|(from, to)| from + length * (to - from)).collect();
            let reached = objective(products, signs, &step);
            if reached <= value || length < 1e-6 {
                break (step, reached);
            }
            length /= 2.0;
        };
        let gain = value - reached;
        if gain >= 0.0 {
            (shares, value) = (step, reached);
        }
        if gain.abs() <= 1e-13 * value.max(1e-300) {
            return Ok(shares);
        }
    }
    Ok(shares)
}

fn objective(products: &[Vec<f64>], signs: &[f64], shares: &[f64]) -> f64 {
    let scores = times(products, shares);
    let loss: f64 = scores
        .iter()
        .zip(signs)
        .map(|(score, sign)| {
            let margin = sign * score;
            (-margin.abs()).exp().ln_1p() + (-margin).max(0.0)
        })
        .sum();
    0.5 * dot(&scores, shares) + loss
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

pub(super) fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

pub(super) fn times(matrix: &[Vec<f64>], vector: &[f64]) -> Vec<f64> {
    matrix.iter().map(|row| dot(row, vector)).collect()
}

/// Solves a symmetric positive definite system by Cholesky's factors, which take the matrix' place.
pub(super) fn solve(mut matrix: Vec<Vec<f64>>, mut vector: Vec<f64>) -> Result<Vec<f64>> {
    let count = vector.len();
    for row in 0..count {
        for column in 0..=row {
            let known = dot(&matrix[row][..column], &matrix[column][..column]);
            let rest = matrix[row][column] - known;
            if row == column {
                if rest.is_nan() || rest <= 0.0 {
                    return Err(DirectionError::NotFinite);
                }
                matrix[row][row] = rest.sqrt();
            } else {
                matrix[row][column] = rest / matrix[column][column];
            }
        }
    }
    for row in 0..count {
        let known = dot(&matrix[row][..row], &vector[..row]);
        vector[row] = (vector[row] - known) / matrix[row][row];
    }
    for row in (0..count).rev() {
        let known: f64 = (row + 1..count).map(|below| matrix[below][row] * vector[below]).sum();
        vector[row] = (vector[row] - known) / matrix[row][row];
    }
    Ok(vector)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::logistic_weights as weights_of;
    use super::*;

    /// Two clouds that overlap, in more dimensions than samples.
    fn clouds() -> (Vec<Vec<f64>>, Vec<bool>) {
        let wave = |sample: usize, column: usize| ((sample * 31 + column * 17) as f64 * 0.37).sin();
        let positive: Vec<bool> = (0..40).map(|sample| sample % 2 == 0).collect();
        let row = |sample: usize| {
            let side = if positive[sample] { 0.4 } else { -0.4 };
            (0..60)
                .map(|column| wave(sample, column) + if column == 7 { side } else { 0.0 })
                .collect()
        };
        ((0..40).map(row).collect(), positive)
    }

    /// At the minimum the weights are what the samples' slopes pull: w = Σ y σ(−y w·x) x.
    #[test]
    fn weights_are_where_the_gradient_is_zero() {
        let (rows, positive) = clouds();
        for scale in [0.05, 1.0, 300.0] {
            let rows: Vec<Vec<f64>> =
                rows.iter().map(|row| row.iter().map(|value| value * scale).collect()).collect();
            let weights = weights_of(&rows, &positive).unwrap();
            let count = rows.len() as f64;
            let mean: Vec<f64> = (0..60)
                .map(|column| rows.iter().map(|row| row[column]).sum::<f64>() / count)
                .collect();
            let mut gradient = weights.clone();
            for (row, &positive) in rows.iter().zip(&positive) {
                let centred: Vec<f64> = row.iter().zip(&mean).map(|(x, mean)| x - mean).collect();
                let sign = if positive { 1.0 } else { -1.0 };
                let pull = sign * logistic(-sign * dot(&weights, &centred));
                for (gradient, value) in gradient.iter_mut().zip(&centred) {
                    *gradient -= pull * value;
                }
            }
            let size = dot(&weights, &weights).sqrt();
            let left = dot(&gradient, &gradient).sqrt();
            assert!(size > 0.0 && left < 1e-5 * size, "{scale}: {left} of {size}");
        }
    }

    #[test]
    fn what_tells_classes_apart_is_found() {
        let (rows, positive) = clouds();
        let weights = weights_of(&rows, &positive).unwrap();
        let largest =
            (0..60).max_by(|a, b| weights[*a].abs().total_cmp(&weights[*b].abs())).unwrap();
        assert_eq!(largest, 7);
        assert!(weights[7] > 0.0);
        assert!(weights_of(&rows, &positive[1..]).is_err());
    }
}
