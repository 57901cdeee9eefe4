//! The head: tied, stored beside the embedding, missing, or another model's.

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use vene_model::{Model, Opening, Precision};
use vene_test_support::{Agreement, formula};

use crate::{Checked, TOLERANCE, last_logits, named};

#[test]
fn only_the_head_of_a_tied_pair_may_be_stored() {
    let case = named("gpt2 saved by 5");
    let rename = |name: &str| match name {
        "transformer.wte.weight" => "lm_head.weight".to_owned(),
        _ => name.to_owned(),
    };
    let mut agreement = Agreement::default();
    let weights = case.weights(rename, |_, _| ());
    let model = case.check(case.open_with(weights, &Opening::default()).unwrap(), &mut agreement);
    assert_eq!(model.notices(), [""; 0]);
    agreement.check("a head for an embedding", TOLERANCE);
}

#[test]
fn a_head_that_differs_is_used_with_a_warning_and_one_that_is_not_finite_is_not() {
    let mut agreement = Agreement::default();
    for family in ["llama", "gemma3", "gpt2"] {
        let case = named(&format!("{family} with another head than it is tied to"));
        let model = case.check(case.open().unwrap(), &mut agreement);
        let notices = model.notices();
        assert_eq!(notices.len(), 1, "{notices:?}");
        assert!(notices[0].contains("`lm_head.weight` is used"), "{notices:?}");

        let spoil = |name: &str, values: &mut Vec<f32>| {
            if name == "lm_head.weight" {
                values[3] = f32::NAN;
            }
        };
        let weights = case.weights(str::to_owned, spoil);
        let outline = case.open_with(weights, &Opening::default()).unwrap();
        let model = Model::from_outline(outline, Precision::Double, &mut |_| ()).unwrap();
        let notices = model.notices();
        assert!(
            notices.len() == 1 && notices[0].contains("holds NaN and is ignored"),
            "{notices:?}"
        );

        // Without a head the embedding is the head: the same as with one that is ignored.
        let mut tied = case.clone();
        tied.tensors.retain(|(name, _)| name != "lm_head.weight");
        let tied =
            Model::from_outline(tied.open().unwrap(), Precision::Double, &mut |_| ()).unwrap();
        let tokens = formula::prompt(9, tied.config().inputs);
        assert_eq!(last_logits(&model, &tokens), last_logits(&tied, &tokens));
        assert_eq!(tied.notices(), [""; 0]);
    }
    agreement.check("heads", TOLERANCE);
}

#[test]
fn an_equal_copy_of_the_embedding_says_nothing() {
    let mut case = named("gpt2 saved by 5");
    case.tensors.push(("lm_head.weight".into(), vec![40, 24]));
    let copy = |name: &str, values: &mut Vec<f32>| {
        if name == "lm_head.weight" {
            *values = formula::weight("transformer.wte.weight", &[40, 24], false);
        }
    };
    let outline = case.open_with(case.weights(str::to_owned, copy), &Opening::default()).unwrap();
    let mut agreement = Agreement::default();
    assert_eq!(case.check(outline, &mut agreement).notices(), [""; 0]);
    agreement.check("a copy", TOLERANCE);
}

#[test]
fn a_head_in_another_format_is_told_where_it_differs_by_more_than_its_rounding() {
    let case = named("llama with another head than it is tied to");
    for (takes_embedding, told) in [(true, 0), (false, 1)] {
        let copied = |name: &str, values: &mut Vec<f32>| {
            if takes_embedding && name == "lm_head.weight" {
                *values = formula::weight("model.embed_tokens.weight", &[40, 16], false);
            }
        };
        let weights = in_bfloat16("lm_head.weight", &case.weights(str::to_owned, copied));
        let outline = case.open_with(weights, &Opening::default()).unwrap();
        let model = Model::from_outline(outline, Precision::Double, &mut |_| ()).unwrap();
        let notices = model.notices();
        assert_eq!(notices.len(), told, "{notices:?}");
        assert!(notices.iter().all(|notice| notice.contains("with other values")), "{notices:?}");
    }
}

/// A file in which one tensor is stored in another format.
fn in_bfloat16(stored: &str, file: &[u8]) -> Vec<u8> {
    let tensors = SafeTensors::deserialize(file).unwrap();
    let tensors: Vec<(&str, Dtype, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, tensor)| {
            let shape = tensor.shape().to_vec();
            let data = tensor.data();
            if name != stored {
                return (name, Dtype::F32, shape, data.to_vec());
            }
            let numbers = data.chunks_exact(4).map(|n| u32::from_le_bytes(n.try_into().unwrap()));
            let short = numbers.flat_map(|n| (((n + 0x8000) >> 16) as u16).to_le_bytes());
            (name, Dtype::BF16, shape, short.collect())
        })
        .collect();
    let views = tensors.iter().map(|(name, dtype, shape, data)| {
        (name.to_string(), TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn heads_and_encoders_beside_a_language_model_are_left_out_with_a_word() {
    let mut agreement = Agreement::default();
    for (name, word) in [
        ("v_head.summary.weight", "a value head"),
        ("score.weight", "a classifier"),
        ("multiple_choice_head.summary.weight", "a multiple-choice head"),
        ("transformer.v_head.weight", "a value head"),
        ("summary.summary.weight", "a value head"),
        ("critic_head.weight", "a value head"),
        ("ilql_heads.v_head.0.weight", "a group of value heads"),
        ("value_model.weight", "a value model"),
        ("rm_head.weight", "a reward head"),
        ("regression_head.weight", "a regression head"),
        ("classification_head.dense.weight", "a classifier"),
        ("medusa_head.0.0.linear.weight", "a head that guesses further tokens"),
    ] {
        let mut case = named("gpt2 saved by 5");
        case.tensors.push((name.into(), vec![1, 24]));
        let model = case.check(case.open().unwrap(), &mut agreement);
        let notices = model.notices();
        assert!(notices.len() == 1 && notices[0].contains(word), "{notices:?}");
    }
    let model = named("gemma3 multimodal");
    let notices = model.check(model.open().unwrap(), &mut agreement).notices();
    assert!(notices.len() == 2 && notices.iter().any(|notice| notice.contains("an image encoder")));
    agreement.check("heads beside", TOLERANCE);
}

#[test]
fn a_model_without_a_head_says_so() {
    let mut case = named("llama saved by 5");
    case.tensors.retain(|(name, _)| name != "lm_head.weight");
    case.tensors.push(("score.weight".into(), vec![2, 16]));
    let message = case.refusal();
    assert!(
        message.contains("no language-model head") && message.contains("classifier"),
        "{message}"
    );
}
