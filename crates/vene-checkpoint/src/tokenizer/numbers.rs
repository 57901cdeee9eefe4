//! The tokenizer of networks that read no text: a text is a list of numbers.
//!
//! A network's input is a row of its table of inputs, and what it says is the number of a class. So
//! the text `3 17 4` stands for rows 3, 17 and 4, and whatever takes texts takes such networks too.

use std::ops::Range;

use crate::CheckpointError;

/// Numbers with the bytes of `text` that they cover.
pub(super) fn encode(text: &str) -> Result<Vec<(u32, Range<usize>)>, CheckpointError> {
    let words = text.split_whitespace().map(|word| {
        let start = word.as_ptr() as usize - text.as_ptr() as usize;
        let number = word.parse().map_err(|_| CheckpointError::Encode {
            text: text.to_owned(),
            problem: format!(
                "{word:?} is no number; this network has no tokenizer, and a text for it is a list of \
                 the numbers of its inputs, such as \"3 17 4\""
            ),
        })?;
        Ok((number, start..start + word.len()))
    });
    words.collect()
}

/// The text of a list of numbers.
pub(super) fn decode(ids: &[u32]) -> String {
    let words: Vec<String> = ids.iter().map(u32::to_string).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Tokenizer;

    #[test]
    fn a_text_is_a_list_of_numbers() {
        let tokenizer = Tokenizer::numbers();
        let encoding = tokenizer.encode(" 3 17\t4").unwrap();
        assert_eq!((encoding.ids, encoding.bos), (vec![3, 17, 4], false));
        assert_eq!(encoding.spans, [1..2, 3..5, 6..7]);
        assert_eq!(tokenizer.decode(&[3, 17, 4]).unwrap(), "3 17 4");
        assert_eq!(
            (tokenizer.display(17).as_str(), tokenizer.single_token(" 17").unwrap()),
            ("17", 17)
        );
        for text in ["3 four", "-1", "4294967296", "1.0"] {
            let error = tokenizer.encode(text).unwrap_err().to_string();
            assert!(error.contains("is no number; this network has no tokenizer"), "{error}");
        }
        assert!(tokenizer.single_token("1 2").is_err());
    }
}
