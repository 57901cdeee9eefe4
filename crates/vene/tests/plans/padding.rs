//! Rows of padded batches: the prompt that they hold, and positions in it.

use vene::plan::{Padded, PaddingError, Positions};
use vene::{PositionError, Precision};
use vene_test_support::Fixture;

#[test]
fn a_row_is_its_prompt_wherever_the_padding_stands() {
    let model = Fixture::new("gpt2-plain").load(Precision::Single);
    let row = |ids: &[u32], mask: &[u8]| Padded::new(&model, ids, mask);
    let left = row(&[0, 0, 7, 8, 9], &[0, 0, 1, 1, 1]).unwrap();
    let right = row(&[7, 8, 9, 0, 0], &[1, 1, 1, 0, 0]).unwrap();
    for padded in [&left, &right] {
        assert_eq!(padded.prompt().tokens(), [7, 8, 9]);
    }
    assert_eq!([2, 4, -1, -3].map(|column| left.position(column).unwrap()), [0, 2, 2, 0]);
    assert_eq!([0, 2, -5].map(|column| right.position(column).unwrap()), [0, 2, 0]);
    let error = left.position(1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "column 1 of 5 is padding or past the end: the prompt stands in columns 2 to 4"
    );
    assert!(matches!(right.position(-1), Err(PositionError::Padding { .. })));
    assert!(left.position(5).is_err() && left.position(-6).is_err());

    let rows = [left, right];
    let columns = [vec![3], vec![0, 1]];
    let positions = Padded::positions(&rows, &columns).unwrap();
    assert_eq!(positions, Positions::Each(vec![vec![1], vec![0, 1]]));
    let error = Padded::positions(&rows, &columns[..1]).unwrap_err();
    assert_eq!(error, PositionError::TooFewExamples { example: 1, given: 1 });
}

#[test]
fn rows_that_hold_no_prompt_are_refused() {
    let model = Fixture::new("gpt2-plain").load(Precision::Single);
    let error = |ids: &[u32], mask: &[u8]| Padded::new(&model, ids, mask).unwrap_err();
    assert!(matches!(error(&[1, 2], &[1]), PaddingError::Length { tokens: 2, mask: 1 }));
    assert!(matches!(error(&[1, 2, 3], &[1, 0, 1]), PaddingError::Hole { column: 1 }));
    assert!(matches!(error(&[1, 2], &[1, 2]), PaddingError::Value { column: 1, value: 2 }));
    assert!(matches!(error(&[1, 2], &[0, 0]), PaddingError::Input(_)));
    assert!(matches!(error(&[1, 999_999], &[1, 1]), PaddingError::Input(_)));
}
