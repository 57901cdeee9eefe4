//! Where the contents of messages stand in a conversation's text.
//!
//! A content such as `user` may occur in the template's own words too, so it is not searched for: the
//! conversation is written once more with signs in place of its contents, and what stands around the signs stands
//! around the contents.

use std::ops::Range;

use super::Message;
use crate::CheckpointError;

/// Where a message's content stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Which of the messages.
    pub message: usize,
    /// The bytes of its content that are written: templates cut the spaces around it.
    pub typed: Range<usize>,
    /// Where they stand in the whole text.
    pub shown: Range<usize>,
}

/// Characters that no text has (of a plane for private use), around a message's number.
fn sign(message: usize) -> String {
    format!("\u{f0000}{message}\u{f0001}")
}

/// The contents that are written once and as they are; none where the template writes signs otherwise than texts.
pub(super) fn locate(
    messages: &[Message],
    text: &str,
    write: impl Fn(&[Message]) -> Result<String, CheckpointError>,
) -> Vec<Segment> {
    if text.contains('\u{f0000}') {
        return Vec::new();
    }
    let signed: Vec<Message> = messages
        .iter()
        .enumerate()
        .map(|(index, message)| Message::new(&message.role, sign(index)))
        .collect();
    let Ok(around) = write(&signed) else { return Vec::new() };
    let mut places: Vec<(usize, usize)> = (0..messages.len())
        .filter_map(|index| {
            let sign = sign(index);
            let mut found = around.match_indices(&sign).map(|(start, _)| start);
            let first = found.next()?;
            found.next().is_none().then_some((first, index))
        })
        .collect();
    places.sort_unstable();
    let (mut segments, mut at, mut end) = (Vec::new(), 0, 0);
    for (place, (start, index)) in places.iter().enumerate() {
        let before = &around[end..*start];
        end = start + sign(*index).len();
        let next = places.get(place + 1).map_or(around.len(), |(next, _)| *next);
        let Some(start) = text[at..].starts_with(before).then_some(at + before.len()) else {
            return Vec::new();
        };
        let is_last = place + 1 == places.len();
        let fits = |typed: &Range<usize>| {
            let content = &messages[*index].content[typed.clone()];
            let rest = text[start..].strip_prefix(content);
            let after = &around[end..next];
            rest.is_some_and(|rest| if is_last { rest == after } else { rest.starts_with(after) })
        };
        let Some(typed) = cuts(&messages[*index].content).into_iter().find(fits) else {
            return Vec::new();
        };
        at = start + typed.len();
        segments.push(Segment { message: *index, shown: start..at, typed });
    }
    segments
}

/// A content with and without the spaces around it.
fn cuts(content: &str) -> [Range<usize>; 4] {
    let start = content.len() - content.trim_start().len();
    let end = content.trim_end().len().max(start);
    [0..content.len(), start..end, start..content.len(), 0..end]
}
