//! A row's result depends on that row alone, where an intervention's traits say so: engines hand over rows of many
//! examples at once, as many as fit.

use candle_core::{DType, Device, Tensor};
use vene::intervention::{
    Dependence, Granularity, Intervention, SourceCount, Traits, UnitContext, from_fn,
};
use vene::registry;

use crate::every;

const ROWS: usize = 64;

/// What each row becomes, as bits.
type Bits = Vec<Vec<u64>>;

fn bits(tensor: &Tensor) -> Bits {
    let rows = tensor.to_dtype(DType::F64).unwrap().to_vec2::<f64>().unwrap();
    rows.into_iter().map(|row| row.into_iter().map(f64::to_bits).collect()).collect()
}

/// Rows of all sizes, with zeros of both signs.
fn rows(width: usize, seed: u64, dtype: DType) -> Tensor {
    let values: Vec<f64> = every::numbers(&[ROWS * width], seed).to_vec1().unwrap();
    let value = |(index, value): (usize, f64)| match index % 11 {
        3 => 0.0,
        7 => -0.0,
        place => value * 10f64.powi(place as i32 - 5),
    };
    let values: Vec<f64> = values.into_iter().enumerate().map(value).collect();
    Tensor::from_vec(values, (ROWS, width), &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
}

/// Whether one, seven and sixty-four rows at once give the same bits; else what differs.
fn check(intervention: &dyn Intervention, width: usize, dtype: DType) -> Result<(), String> {
    let count = match intervention.traits().sources {
        SourceCount::None => 0,
        SourceCount::One => 1,
        SourceCount::Several => 3,
    };
    let base = rows(width, 1, dtype);
    let sources: Vec<Tensor> = (0..count).map(|index| rows(width, 2 + index, dtype)).collect();
    let apply = |first: usize, count: usize, subspace: Option<&[usize]>| {
        let part = |tensor: &Tensor| tensor.narrow(0, first, count).unwrap().contiguous().unwrap();
        let sources: Vec<Tensor> = sources.iter().map(part).collect();
        let positions: Vec<usize> = (first..first + count).collect();
        let context = UnitContext { subspace, ..UnitContext::at(&positions) };
        intervention.apply(&part(&base), &sources, context).unwrap()
    };
    let has_choice = intervention.coordinates(Some(width)).is_some_and(|count| count > 1);
    let choices: [Option<&[usize]>; 2] = [None, has_choice.then_some(&[1, 0])];
    for subspace in &choices[..1 + usize::from(has_choice)] {
        let all = bits(&apply(0, ROWS, *subspace));
        for size in [1, 7] {
            for first in (0..ROWS).step_by(size) {
                let count = size.min(ROWS - first);
                if bits(&apply(first, count, *subspace)) != all[first..first + count] {
                    let name = intervention.name();
                    return Err(format!("{name}, {width} wide, {dtype:?}: {count} from {first}"));
                }
            }
        }
    }
    if intervention.traits().is_in_place() && dtype == DType::F32 {
        return check_in_place(intervention, &base, &sources, &bits(&apply(0, ROWS, None)));
    }
    Ok(())
}

/// The same of values that are edited where they lie, in stretches that are no rows.
fn check_in_place(
    intervention: &dyn Intervention,
    base: &Tensor,
    sources: &[Tensor],
    expected: &Bits,
) -> Result<(), String> {
    let flat = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let sources: Vec<Vec<f32>> = sources.iter().map(flat).collect();
    for stretch in [1, 13, usize::MAX] {
        let mut values = flat(base);
        let length = values.len();
        for (index, values) in values.chunks_mut(stretch.min(length)).enumerate() {
            let first = index * stretch.min(length);
            let sources: Vec<&[f32]> =
                sources.iter().map(|source| &source[first..][..values.len()]).collect();
            intervention.apply_in_place(values, &sources);
        }
        let values = values.into_iter().map(|value| f64::from(value).to_bits());
        if values.collect::<Vec<u64>>() != expected.concat() {
            return Err(format!("{} in place", intervention.name()));
        }
    }
    Ok(())
}

#[test]
fn a_row_has_the_same_bits_alone_and_among_others() {
    let mut checked = Vec::new();
    for width in [20, 131] {
        for dtype in [DType::F32, DType::F64] {
            let every = every::interventions(width);
            for one in every.iter().filter(|one| one.traits().is_by_row()) {
                check(one.as_ref(), width, dtype).unwrap();
                checked.push(one.name());
            }
        }
    }
    // The others say that they must be shown an example as a whole.
    let whole = every::interventions(20).into_iter().filter(|one| !one.traits().is_by_row());
    let whole: Vec<&str> = whole.map(|one| one.name()).collect();
    for row in registry::all() {
        let is_known = checked.contains(&row.name) || whole.contains(&row.name);
        assert!(is_known, "{} is not tried", row.name);
    }
    assert!(checked.len() >= 4 * 20, "{checked:?}");
}

/// One that says that it works value by value.
#[derive(Debug)]
struct InPlace(fn(&mut [f32]));

impl Intervention for InPlace {
    fn name(&self) -> &'static str {
        "in place"
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::None).granularity(Granularity::Element)
    }

    fn apply(
        &self,
        base: &Tensor,
        _: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        base * 2.0
    }

    fn apply_in_place(&self, base: &mut [f32], _: &[&[f32]]) {
        (self.0)(base);
    }
}

#[test]
fn one_whose_traits_are_wrong_is_found() {
    let by_row = |function: fn(&Tensor) -> candle_core::Result<Tensor>| {
        check(
            &from_fn("own", function).with(Dependence::Relative, Granularity::Row),
            20,
            DType::F32,
        )
    };
    assert_eq!(by_row(|base| base * 2.0), Ok(()));
    // A hair's breadth, in the last of 64 rows.
    let last_of_all = |base: &Tensor| -> candle_core::Result<Tensor> {
        let count = base.dims()[0];
        let factor = |row| if row == 63 { 1.0f32 + f32::EPSILON } else { 1.0 };
        base.broadcast_mul(&Tensor::from_iter((0..count).map(factor), base.device())?.unsqueeze(1)?)
    };
    assert!(by_row(last_of_all).is_err());
    assert!(by_row(|base| base.broadcast_sub(&base.mean_keepdim(0)?)).is_err());
    let in_place = |function| check(&InPlace(function), 20, DType::F32);
    let double = |values: &mut [f32]| values.iter_mut().for_each(|value| *value *= 2.0);
    let no_zero = |values: &mut [f32]| values.iter_mut().for_each(|value| *value += *value);
    let with_the_first = |values: &mut [f32]| {
        let first = values[0];
        values.iter_mut().for_each(|value| *value += first);
    };
    // The tensor's product makes -0 a 0.
    assert!(in_place(double).is_err() && in_place(no_zero).is_err());
    assert!(in_place(with_the_first).is_err());
    assert_eq!(
        in_place(|values| values.iter_mut().for_each(|value| *value = *value * 2.0 + 0.0)),
        Ok(())
    );
}
