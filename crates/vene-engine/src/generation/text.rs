//! The text of tokens as they come.
//!
//! A character may be several tokens, and what a token's text is may depend on the one before it (a space
//! that begins a text is not written). So a few tokens are decoded together each time, and text that
//! ends within a character waits for the rest of it.

use vene_model::{InputError, Outline, Prompt};

/// Tokens of the prompt that are decoded with the first new ones.
const BEFORE: usize = 4;

/// Turns a prompt's continuation into text, token by token.
pub struct TextStream<'a> {
    outline: &'a Outline,
    tokens: Vec<u32>,
    /// The first token that is decoded with what is new.
    start: usize,
    /// The first token whose text was not given out yet.
    next: usize,
}

impl<'a> TextStream<'a> {
    /// Behind this prompt.
    pub fn new(outline: &'a Outline, prompt: &Prompt) -> Self {
        let tokens = prompt.tokens();
        let known = tokens.iter().rev().take(BEFORE).take_while(|&&token| is_known(outline, token));
        let tokens: Vec<u32> = tokens[tokens.len() - known.count()..].to_vec();
        Self { outline, start: 0, next: tokens.len(), tokens }
    }

    /// Takes the next token, and gives the text that has become certain by it, which may be none.
    ///
    /// # Errors
    /// The tokenizer cannot decode the tokens.
    pub fn push(&mut self, token: u32) -> Result<String, InputError> {
        if !is_known(self.outline, token) {
            // A row of the unembedding that stands for no text.
            let before = self.finish()?;
            self.tokens.clear();
            (self.start, self.next) = (0, 0);
            return Ok(before + &self.outline.tokenizer().display(token));
        }
        self.tokens.push(token);
        let text = self.pending()?;
        if text.is_empty() || text.ends_with(char::REPLACEMENT_CHARACTER) {
            return Ok(String::new());
        }
        (self.start, self.next) = (self.next, self.tokens.len());
        Ok(text)
    }

    /// Gives what waits for the rest of a character that does not come.
    ///
    /// # Errors
    /// As [`TextStream::push`].
    pub fn finish(&mut self) -> Result<String, InputError> {
        let text = self.pending()?;
        (self.start, self.next) = (self.next, self.tokens.len());
        Ok(text)
    }

    /// The text that was not given out yet.
    fn pending(&self) -> Result<String, InputError> {
        let tokenizer = self.outline.tokenizer();
        let given = tokenizer.decode(&self.tokens[self.start..self.next])?;
        let all = tokenizer.decode(&self.tokens[self.start..])?;
        Ok(all.get(given.len()..).unwrap_or_default().to_owned())
    }
}

fn is_known(outline: &Outline, token: u32) -> bool {
    (token as usize) < outline.tokenizer().vocabulary_size()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use vene_model::EMBEDDED;

    #[test]
    fn pieces_make_up_the_text() {
        let outline = Outline::open(EMBEDDED, &mut |_| ()).unwrap();
        // A character of four bytes, for which the vocabulary has no token of its own.
        let text = "The capital of Spain is 😀, they say.";
        let prompt = outline.prompt(text).unwrap();
        let (tokens, spans) = (prompt.tokens(), prompt.spans());
        let mut compared = 0;
        for cut in 1..tokens.len() {
            if spans[cut].start < spans[cut - 1].end {
                // Within the character.
                continue;
            }
            let start = outline.prompt_from_tokens(&tokens[..cut]).unwrap();
            let mut stream = TextStream::new(&outline, &start);
            let mut pieces: Vec<String> =
                tokens[cut..].iter().map(|&token| stream.push(token).unwrap()).collect();
            pieces.push(stream.finish().unwrap());
            assert_eq!(pieces.concat(), text[spans[cut].start..]);
            assert!(pieces.iter().all(|piece| !piece.contains(char::REPLACEMENT_CHARACTER)));
            compared += 1;
        }
        assert!((5..tokens.len() - 1).contains(&compared), "{compared}");
    }

    #[test]
    fn half_a_character_waits_and_then_is_told() {
        let outline = Outline::open(EMBEDDED, &mut |_| ()).unwrap();
        let prompt = outline.prompt("Spain").unwrap();
        let smile = outline.prompt("😀").unwrap();
        assert!(smile.len() > 1);
        let mut stream = TextStream::new(&outline, &prompt);
        for &token in &smile.tokens()[..smile.len() - 1] {
            assert_eq!(stream.push(token).unwrap(), "");
        }
        assert_eq!(stream.finish().unwrap(), "\u{fffd}");
    }
}
