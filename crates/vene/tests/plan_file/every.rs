//! Every intervention of the library, each with settings that are not the usual ones. `registry.rs` holds them to the
//! registry: one that is missing here fails there.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use vene::intervention::{
    Activation, Addition, Collect, ConstantSource, Dropout, ErrorTerm, FeatureChange, FeatureEdit,
    InSubspace, Interchange, Intervention, Knockout, LatentInterchange, Linear, LinearAutoencoder,
    Mean, Noise, PcaRotatedSpace, PrincipalComponents, RandomDirection, Reft, RotatedSpace,
    Rotation, Scaling, SigmoidMask, SparseAutoencoder, Subspace, Subtraction, Zero,
};
use vene::{Component, Edit, Positions};

/// Numbers that need all of their digits.
pub fn numbers(shape: &[usize], seed: u64) -> Tensor {
    let count: usize = shape.iter().product();
    let number = |index: usize| ((index as f64 + 1.0) * 0.37 + seed as f64).sin() / 3.0;
    let numbers: Vec<f64> = (0..count).map(number).collect();
    Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
}

fn single(tensor: &Tensor) -> Tensor {
    tensor.to_dtype(candle_core::DType::F32).unwrap()
}

/// For values of this width.
pub fn interventions(width: usize) -> Vec<Arc<dyn Intervention>> {
    let some = || Subspace::dimensions([0, 2, 3, 4, 5, 6, 7, 9]);
    let rotation = |rank: usize, seed| Rotation::random(width, rank, seed).unwrap();
    let whole = |seed| rotation(width, seed);
    let linear = |rank, seed| {
        Linear::new(&numbers(&[rank, width], seed), Some(&numbers(&[rank], seed + 1))).unwrap()
    };
    let without_bias = |rank, seed| Linear::new(&numbers(&[rank, width], seed), None).unwrap();
    let sparse = || {
        let (wide, long) = (numbers(&[width, 30], 1), numbers(&[30, width], 2));
        SparseAutoencoder::new(&wide, &numbers(&[30], 3), &long, &numbers(&[width], 4)).unwrap()
    };
    let thresholds = numbers(&[30], 5).abs().unwrap();
    let components = PrincipalComponents::fit(&numbers(&[50, width], 6), 4, true).unwrap();
    let changes = vec![
        (3, FeatureChange::Set(0.1)),
        (4, FeatureChange::Scale(0.2)),
        (5, FeatureChange::Add(-0.3)),
    ];
    vec![
        Arc::new(Interchange),
        Arc::new(Zero),
        Arc::new(Mean),
        Arc::new(Addition),
        Arc::new(Subtraction),
        Arc::new(Knockout),
        Arc::new(Noise { standard_deviation: 0.1, seed: 5 }),
        Arc::new(Scaling { factor: 0.1 + 0.2 }),
        Arc::new(RandomDirection { seed: 3 }),
        Arc::new(Collect::new(some())),
        Arc::new(InSubspace::new(Arc::new(Addition), some())),
        Arc::new(InSubspace::new(
            Arc::new(SigmoidMask::with_mask(&numbers(&[width], 19), 0.4).unwrap()),
            some(),
        )),
        Arc::new(Dropout::new(Arc::new(Interchange), 0.1, 4)),
        Arc::new(ConstantSource::new(Arc::new(Addition), &numbers(&[width], 7)).unwrap().trained()),
        Arc::new(
            ConstantSource::new(Arc::new(Interchange), &single(&numbers(&[width], 8))).unwrap(),
        ),
        Arc::new(RotatedSpace::new(whole(1), some()).unwrap()),
        Arc::new(Dropout::new(
            Arc::new(RotatedSpace::new(whole(2), Subspace::All).unwrap()),
            0.3,
            1,
        )),
        Arc::new(RotatedSpace::low_rank(rotation(5, 2), Subspace::first(3))),
        Arc::new(RotatedSpace::with_boundaries(whole(3), &[0.1, 0.7], 0.3).unwrap()),
        Arc::new(SigmoidMask::with_mask(&single(&numbers(&[width], 9)), 0.2).unwrap()),
        Arc::new(RotatedSpace::with_masks(whole(4), &numbers(&[width], 10), 0.7).unwrap()),
        Arc::new(
            PcaRotatedSpace::new(&components, Subspace::first(2), ErrorTerm::Dropped).unwrap(),
        ),
        Arc::new(LatentInterchange::new(
            Arc::new(LinearAutoencoder::random(width, 6, 1).unwrap()),
            Subspace::first(3),
            ErrorTerm::Dropped,
        )),
        Arc::new(LatentInterchange::new(
            Arc::new(sparse().jump_relu(&thresholds).unwrap().centred()),
            Subspace::All,
            ErrorTerm::Kept,
        )),
        Arc::new(FeatureEdit::new(Arc::new(sparse().trained()), changes, ErrorTerm::Kept)),
        Arc::new(Reft::loreft(rotation(3, 5), linear(3, 11), Activation::GeluTanh).unwrap()),
        Arc::new(Reft::noreft(linear(3, 12), linear(3, 13), Activation::Silu).unwrap()),
        Arc::new(Reft::direft(rotation(3, 6), linear(3, 14), Activation::Tanh).unwrap()),
        Arc::new(Reft::nodireft(without_bias(3, 15), linear(3, 16), Activation::Relu).unwrap()),
        Arc::new(Reft::consreft(rotation(3, 7), &numbers(&[3], 17)).unwrap()),
        Arc::new(Reft::lobireft(rotation(3, 8), &numbers(&[3], 18)).unwrap()),
    ]
}

/// An edit by each.
pub fn edits(width: usize) -> Vec<Edit> {
    let edit = |intervention| Edit::new(Component::BlockOutput, 1, intervention);
    let given: Vec<f64> = numbers(&[width], 20).to_vec1().unwrap();
    // A knockout is for attention scores, and is added below.
    let here = interventions(width).into_iter().filter(|one| one.name() != "knockout");
    let mut edits: Vec<Edit> = here.map(edit).collect();
    edits.extend([
        Edit::constant(Component::BlockOutput, 1, given.clone()),
        Edit::steering(Component::BlockOutput, 1, given),
        Edit::freeze(Component::BlockOutput, 1),
        Edit::skip(vene::Module::Mlp, 1),
        Edit::knockout(1).keys(Positions::index(0)),
    ]);
    edits
}
