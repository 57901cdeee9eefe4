//! Texts at which a continuation ends.
//!
//! A text may lie across tokens, and end within one, so it is looked for in what the tokens say together. What may be its
//! beginning waits until it is known not to be.

use vene_model::{InputError, Outline, Prompt};

use super::TextStream;

/// Turns a prompt's continuation into text up to the first of some texts.
pub struct StopStream<'a> {
    stream: TextStream<'a>,
    stops: &'a [String],
    /// What may be the beginning of one of them.
    held: String,
    found: Option<&'a str>,
}

impl<'a> StopStream<'a> {
    /// Behind this prompt, to the first of these texts. Empty ones end nothing.
    pub fn new(outline: &'a Outline, prompt: &Prompt, stops: &'a [String]) -> Self {
        let stream = TextStream::new(outline, prompt);
        Self { stream, stops, held: String::new(), found: None }
    }

    /// Takes the next token, and gives the text that has become certain by it, which may be none.
    ///
    /// # Errors
    /// The tokenizer cannot decode the tokens.
    pub fn push(&mut self, token: u32) -> Result<String, InputError> {
        let next = self.stream.push(token)?;
        Ok(self.take(&next))
    }

    /// Gives what waits for more that does not come.
    ///
    /// # Errors
    /// As [`StopStream::push`].
    pub fn finish(&mut self) -> Result<String, InputError> {
        let next = self.stream.finish()?;
        let text = self.take(&next);
        if self.found.is_some() {
            return Ok(text);
        }
        Ok(text + &std::mem::take(&mut self.held))
    }

    /// The text at which the continuation ended, if it did.
    pub fn found(&self) -> Option<&'a str> {
        self.found
    }

    fn take(&mut self, next: &str) -> String {
        if self.found.is_some() {
            return String::new();
        }
        self.held.push_str(next);
        let stops = || self.stops.iter().map(String::as_str).filter(|stop| !stop.is_empty());
        // The one that begins first; of several there the longest.
        let first = stops()
            .filter_map(|stop| Some((self.held.find(stop)?, stop)))
            .min_by_key(|(at, stop)| (*at, usize::MAX - stop.len()));
        if let Some((at, stop)) = first {
            self.found = Some(stop);
            self.held.truncate(at);
            return std::mem::take(&mut self.held);
        }
        let may_begin = |start: &usize| {
            let end = &self.held[*start..];
            stops().any(|stop| stop.starts_with(end))
        };
        let starts = self.held.char_indices().map(|(start, _)| start);
        let kept = starts.into_iter().find(may_begin).unwrap_or(self.held.len());
        let rest = self.held.split_off(kept);
        std::mem::replace(&mut self.held, rest)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use vene_model::EMBEDDED;

    #[test]
    fn what_may_be_a_beginning_waits_and_what_is_one_is_left_out() {
        let outline = Outline::open(EMBEDDED, &mut |_| ()).unwrap();
        let prompt = outline.prompt("Spain").unwrap();
        let stops = ["Rome".to_owned(), " is in".to_owned(), String::new()];
        let mut stream = StopStream::new(&outline, &prompt, &stops);
        for (next, text) in [
            ("The city", "The city"),
            (" i", ""),
            ("s R", " is "),
            ("o", ""),
            ("ad is", "Road"),
            (" i", ""),
            ("nside", ""),
            ("more", ""),
        ] {
            assert_eq!(stream.take(next), text, "{next}");
        }
        assert_eq!(stream.found(), Some(" is in"));
        assert_eq!(stream.finish().unwrap(), "");
        let mut stream = StopStream::new(&outline, &prompt, &stops);
        assert_eq!((stream.take("to Ro"), stream.finish().unwrap()), ("to ".into(), "Ro".into()));
        assert_eq!(stream.found(), None);
    }
}
