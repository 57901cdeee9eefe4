//! Eigenvalues of a real square matrix, which need not be symmetric.
//!
//! The matrix is brought into Hessenberg form by Householder reflections (Golub and Van Loan, "Matrix Computations", 7.4.2);
//! then QR steps with Wilkinson's shift, by rotations in complex arithmetic, drive the last entry below the diagonal to zero
//! until all are (7.3, 7.5). Matrices here are as wide as a head.

use std::ops::{Add, Mul, Sub};

/// A complex number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Complex {
    pub re: f64,
    pub im: f64,
}

impl Complex {
    const fn new(re: f64, im: f64) -> Self {
        Self { re, im }
    }

    /// Its absolute value.
    pub fn size(self) -> f64 {
        self.re.hypot(self.im)
    }

    fn conjugate(self) -> Self {
        Self::new(self.re, -self.im)
    }

    fn times(self, factor: f64) -> Self {
        Self::new(self.re * factor, self.im * factor)
    }

    /// The root whose real part is not negative.
    fn root(self) -> Self {
        let size = self.size();
        let re = ((size + self.re) / 2.0).max(0.0).sqrt();
        let im = ((size - self.re) / 2.0).max(0.0).sqrt();
        Self::new(re, if self.im < 0.0 { -im } else { im })
    }
}

impl Add for Complex {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::new(self.re + other.re, self.im + other.im)
    }
}

impl Sub for Complex {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self::new(self.re - other.re, self.im - other.im)
    }
}

impl Mul for Complex {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self::new(self.re * other.re - self.im * other.im, self.re * other.im + self.im * other.re)
    }
}

/// Steps for one eigenvalue, after which it is taken as it is: two or three are usual.
const MOST_STEPS: usize = 100;

/// The eigenvalues of a matrix `[size, size]`, row-major, in no order.
pub(crate) fn eigenvalues(mut matrix: Vec<f64>, size: usize) -> Vec<Complex> {
    hessenberg(&mut matrix, size);
    let mut h: Vec<Complex> = matrix.into_iter().map(|value| Complex::new(value, 0.0)).collect();
    let largest = h.iter().map(|value| value.size()).fold(0.0, f64::max);
    let mut found = Vec::with_capacity(size);
    let mut end = size;
    let mut steps = 0;
    while end > 0 {
        let last = end - 1;
        // The block that is not yet taken apart: from the last entry below the diagonal that is nothing.
        let mut start = last;
        while start > 0 {
            let beside = h[(start - 1) * size + start - 1].size() + h[start * size + start].size();
            let scale = if beside > 0.0 { beside } else { largest };
            if h[start * size + start - 1].size() <= f64::EPSILON * scale {
                break;
            }
            start -= 1;
        }
        if start == last || steps == MOST_STEPS {
            found.push(h[last * size + last]);
            (end, steps) = (last, 0);
            continue;
        }
        steps += 1;
        let shift = if steps % 11 == 10 {
            // Where steps go round in circles another shift ends that.
            h[last * size + last] + Complex::new(h[last * size + last - 1].size(), 0.0)
        } else {
            wilkinson(&h, size, last)
        };
        step(&mut h, size, start, end, shift);
    }
    found
}

/// The eigenvalue of the last two rows and columns that is nearer to the last entry.
fn wilkinson(h: &[Complex], size: usize, last: usize) -> Complex {
    let at = |row: usize, column: usize| h[row * size + column];
    let (a, b) = (at(last - 1, last - 1), at(last - 1, last));
    let (c, d) = (at(last, last - 1), at(last, last));
    let half = (a - d).times(0.5);
    let root = (half * half + b * c).root();
    let [one, other] = [d + half + root, d + half - root];
    if (one - d).size() < (other - d).size() { one } else { other }
}

/// `Q R = H - shift`, then `R Q + shift`, of the block from `start` to before `end`.
fn step(h: &mut [Complex], size: usize, start: usize, end: usize, shift: Complex) {
    for at in start..end {
        h[at * size + at] = h[at * size + at] - shift;
    }
    let mut rotations = Vec::with_capacity(end - start);
    for row in start..end - 1 {
        let (x, y) = (h[row * size + row], h[(row + 1) * size + row]);
        let length = x.size().hypot(y.size());
        let (cosine, sine) = if length > 0.0 {
            (x.times(length.recip()), y.times(length.recip()))
        } else {
            (Complex::new(1.0, 0.0), Complex::default())
        };
        for column in row..end {
            let (above, below) = (h[row * size + column], h[(row + 1) * size + column]);
            h[row * size + column] = cosine.conjugate() * above + sine.conjugate() * below;
            h[(row + 1) * size + column] = cosine * below - sine * above;
        }
        rotations.push((cosine, sine));
    }
    for (offset, (cosine, sine)) in rotations.into_iter().enumerate() {
        let column = start + offset;
        for row in start..(column + 2).min(end) {
            let (left, right) = (h[row * size + column], h[row * size + column + 1]);
            h[row * size + column] = left * cosine + right * sine;
            h[row * size + column + 1] = right * cosine.conjugate() - left * sine.conjugate();
        }
    }
    for at in start..end {
        h[at * size + at] = h[at * size + at] + shift;
    }
}

/// The same eigenvalues with zeros below the first entries below the diagonal.
fn hessenberg(matrix: &mut [f64], size: usize) {
    for column in 0..size.saturating_sub(2) {
        let first = column + 1;
        let mut v: Vec<f64> = (first..size).map(|row| matrix[row * size + column]).collect();
        let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        if length == 0.0 {
            continue;
        }
        v[0] += length.copysign(v[0]);
        let square: f64 = v.iter().map(|x| x * x).sum();
        // From the left, then from the right: I - 2 v v^T / |v|^2.
        for other in 0..size {
            let along: f64 =
                (first..size).zip(&v).map(|(row, x)| matrix[row * size + other] * x).sum();
            let factor = 2.0 * along / square;
            (first..size).zip(&v).for_each(|(row, x)| matrix[row * size + other] -= factor * x);
        }
        for other in 0..size {
            let row = &mut matrix[other * size + first..(other + 1) * size];
            let along: f64 = row.iter().zip(&v).map(|(value, x)| value * x).sum();
            let factor = 2.0 * along / square;
            row.iter_mut().zip(&v).for_each(|(value, x)| *value -= factor * x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(matrix: &[f64], size: usize) -> Vec<(f64, f64)> {
        let round = |x: f64| (x * 1e9).round() / 1e9 + 0.0;
        let found = eigenvalues(matrix.to_vec(), size);
        let mut found: Vec<_> =
            found.into_iter().map(|value| (round(value.re), round(value.im))).collect();
        found.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1)));
        found
    }

    #[test]
    fn eigenvalues_are_those_of_the_characteristic_polynomial() {
        assert_eq!(sorted(&[3.0], 1), [(3.0, 0.0)]);
        // A quarter turn.
        assert_eq!(sorted(&[0.0, -1.0, 1.0, 0.0], 2), [(0.0, -1.0), (0.0, 1.0)]);
        // Companions of (x-1)(x-2)(x-3), and of x^4 - 1, whose steps without a shift go round in circles.
        let cubic = [6.0, -11.0, 6.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        assert_eq!(sorted(&cubic, 3), [(1.0, 0.0), (2.0, 0.0), (3.0, 0.0)]);
        let circle =
            [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        assert_eq!(sorted(&circle, 4), [(-1.0, 0.0), (0.0, -1.0), (0.0, 1.0), (1.0, 0.0)]);
        assert_eq!(sorted(&[0.0; 9], 3), [(0.0, 0.0); 3]);
    }

    /// Sums of powers of the eigenvalues are traces of powers of the matrix.
    #[test]
    fn their_powers_sum_to_traces() {
        let size = 40;
        let mut state = 1_u64;
        let matrix: Vec<f64> = (0..size * size)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 33) as f64 / f64::from(1_u32 << 31) - 0.5
            })
            .collect();
        let found = eigenvalues(matrix.clone(), size);
        let at = |row: usize, column: usize| matrix[row * size + column];
        let trace: f64 = (0..size).map(|row| at(row, row)).sum();
        let of_square: f64 = (0..size)
            .flat_map(|row| (0..size).map(move |column| (row, column)))
            .map(|(row, column)| at(row, column) * at(column, row))
            .sum();
        let sum = found.iter().fold(Complex::default(), |sum, value| sum + *value);
        let squares = found.iter().fold(Complex::default(), |sum, value| sum + *value * *value);
        assert!((sum.re - trace).abs() < 1e-9 && sum.im.abs() < 1e-9, "{sum:?}, {trace}");
        assert!((squares.re - of_square).abs() < 1e-9 && squares.im.abs() < 1e-9, "{squares:?}");
    }
}
