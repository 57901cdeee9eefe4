//! How a vocabulary spells bytes.
//!
//! A vocabulary's entries are no plain text. Byte-level vocabularies (GPT-2's) spell every byte
//! as one printable character, so that a space is `Ġ`; SentencePiece's spell a space as `▁`, and
//! a byte for which there is no entry as `<0x0A>`.

use serde_json::Value;

/// The spelling of a vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// One character a byte (Radford et al. 2019, "Language models are unsupervised multitask
    /// learners").
    ByteLevel,
    /// `▁` for a space, `<0xNN>` for a byte (Kudo and Richardson 2018, arXiv:1808.06226).
    SentencePiece,
    /// As it is.
    Plain,
}

/// SentencePiece's sign for a space.
pub(super) const SPACE: char = '\u{2581}';

impl Spelling {
    /// The spelling that a `tokenizer.json` decodes with.
    pub fn of_decoder(decoder: &Value) -> Self {
        let kind = decoder.get("type").and_then(Value::as_str);
        match kind {
            Some("ByteLevel") => Self::ByteLevel,
            Some("Metaspace" | "ByteFallback") => Self::SentencePiece,
            Some("Replace")
                if decoder.pointer("/pattern/String") == Some(&SPACE.to_string().into()) =>
            {
                Self::SentencePiece
            }
            Some("Sequence") => decoder
                .get("decoders")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(Self::of_decoder)
                .find(|spelling| *spelling != Self::Plain)
                .unwrap_or(Self::Plain),
            _ => Self::Plain,
        }
    }

    /// The bytes of running text that an entry stands for.
    pub fn bytes(self, entry: &str) -> Vec<u8> {
        match self {
            Self::Plain => entry.as_bytes().to_vec(),
            Self::SentencePiece => match spelled_byte(entry) {
                Some(byte) => vec![byte],
                None => entry.replace(SPACE, " ").into_bytes(),
            },
            Self::ByteLevel => {
                let bytes: Option<Vec<u8>> = entry.chars().map(byte_of).collect();
                // An entry outside of the alphabet was never meant as bytes.
                bytes.unwrap_or_else(|| entry.as_bytes().to_vec())
            }
        }
    }
}

/// The byte that `<0x0A>` spells.
pub(super) fn spelled_byte(entry: &str) -> Option<u8> {
    let digits = entry.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
        .then(|| u8::from_str_radix(digits, 16).ok())
        .flatten()
}

/// The byte that a character of the byte-level alphabet stands for: printable characters of
/// Latin-1 for themselves, and the 68 others, in order, counted from U+0100.
fn byte_of(character: char) -> Option<u8> {
    let code = u32::from(character);
    match code {
        0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF => u8::try_from(code).ok(),
        0x100..=0x120 => u8::try_from(code - 0x100).ok(),
        0x121..=0x142 => u8::try_from(code - 0x121 + 0x7F).ok(),
        0x143 => Some(0xAD),
        _ => None,
    }
}

/// The character that spells a byte: the inverse of [`byte_of`].
pub(super) fn character_of(byte: u8) -> char {
    let code = u32::from(byte);
    let spelled = match byte {
        0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF => code,
        0x00..=0x20 => 0x100 + code,
        0x7F..=0xA0 => 0x121 + code - 0x7F,
        0xAD => 0x143,
    };
    char::from_u32(spelled).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Bytes for people to read: what is UTF-8 as it is, every other byte as `<0xNN>`, so that two
/// tokens that are parts of characters remain distinguishable.
pub(super) fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("<0x{byte:02X}>"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_byte_level_alphabet_is_a_bijection() {
        let mut seen = [false; 256];
        for code in 0..0x200 {
            if let Some(byte) = char::from_u32(code).and_then(byte_of) {
                assert!(!seen[usize::from(byte)], "{byte} twice");
                assert_eq!(Some(character_of(byte)), char::from_u32(code));
                seen[usize::from(byte)] = true;
            }
        }
        assert_eq!(seen, [true; 256]);
        // The library's own alphabet has the same characters.
        for character in tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet() {
            assert!(byte_of(character).is_some());
        }
    }

    #[test]
    fn entries_become_text() {
        assert_eq!(readable(&Spelling::ByteLevel.bytes("ĠMadrid")), " Madrid");
        assert_eq!(readable(&Spelling::ByteLevel.bytes("Ċ")), "\n");
        assert_eq!(readable(&Spelling::ByteLevel.bytes("ðŁ")), "<0xF0><0x9F>");
        assert_eq!(readable(&Spelling::SentencePiece.bytes("▁Madrid")), " Madrid");
        assert_eq!(readable(&Spelling::SentencePiece.bytes("<0x0A>")), "\n");
        assert_eq!(readable(&Spelling::SentencePiece.bytes("<0xE2>")), "<0xE2>");
        assert_eq!(readable(&Spelling::SentencePiece.bytes("<0x+A>")), "<0x+A>");
    }
}
