//! The one typeface of all figures, and how wide text is in it.
//!
//! Layout has to know the width of a token before it is drawn, on a machine that may have no
//! fonts at all. So DejaVu Sans (Latin, Greek, Cyrillic, Arabic, Hebrew, Armenian, Georgian, most symbols;
//! free licence beside the file) is compiled in.

use std::sync::LazyLock;

use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};

/// DejaVu Sans 2.37, unmodified.
pub(crate) const DEJAVU_SANS: &[u8] = include_bytes!("../font/DejaVuSans.ttf");

/// What an SVG asks for: ours, else fonts that are as wide.
pub(crate) const FAMILY: &str = "DejaVu Sans, Bitstream Vera Sans, Verdana, sans-serif";

static FONT: LazyLock<Option<FontRef<'static>>> = LazyLock::new(|| FontRef::new(DEJAVU_SANS).ok());

/// The width of `text` set in `size`, in the units of `size`.
///
/// A character that the font lacks counts as a full square, the width of the widest scripts
/// (Chinese, Japanese, Korean), in which a viewer with more fonts may draw it.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    let Some(font) = FONT.as_ref() else {
        return text.chars().count() as f64 * size;
    };
    let glyphs = font.charmap();
    let metrics = font.glyph_metrics(Size::new(1.0), LocationRef::default());
    let ems: f64 = text
        .chars()
        .map(|character| glyphs.map(character).and_then(|glyph| metrics.advance_width(glyph)))
        .map(|advance| advance.map_or(1.0, f64::from))
        .sum();
    ems * size
}

/// `text`, or as much of its beginning as fits in `room` with an ellipsis after it.
pub(crate) fn elide(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    for character in text.chars() {
        kept.push(character);
        if width(&kept, size) + width("…", size) > room {
            kept.pop();
            break;
        }
    }
    kept.push('…');
    kept
}

/// `text` in lines of at most `room`, broken at spaces where there are any; after `limit` lines
/// the rest is elided.
pub(crate) fn wrap(text: &str, size: f64, room: f64, limit: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        // A piece is a word and the spaces before it: spaces within a line stay as they are.
        let start = rest.len() - rest.trim_start_matches(' ').len();
        let end = rest[start..].find(' ').map_or(rest.len(), |word| start + word);
        let (piece, after) = rest.split_at(end);
        if width(&line, size) + width(piece, size) <= room {
            line.push_str(piece);
            rest = after;
        } else if lines.len() + 1 >= limit {
            line = elide(&(line + rest), size, room);
            break;
        } else if line.is_empty() {
            // One word that is wider than a line: cut where it must be.
            let cut = fitting(piece, size, room);
            lines.push(piece[..cut].to_owned());
            rest = &rest[cut..];
        } else {
            lines.push(std::mem::take(&mut line));
            rest = rest.trim_start_matches(' ');
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// How many bytes of `text` fit in `room`: at least one character.
fn fitting(text: &str, size: f64, room: f64) -> usize {
    let ends = text.char_indices().map(|(index, character)| index + character.len_utf8());
    let first = text.chars().next().map_or(0, char::len_utf8);
    ends.take_while(|end| width(&text[..*end], size) <= room).last().unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_the_font() {
        // DejaVu Sans: 2048 units an em; `i` is 569 wide, `W` 2025.
        assert!((width("i", 2048.0) - 569.0).abs() < 1.0);
        assert!((width("W", 2048.0) - 2025.0).abs() < 1.0);
        assert!((width("iW", 10.0) - (5690.0 + 20250.0) / 2048.0).abs() < 0.01);
        assert!((width("漢", 10.0) - 10.0).abs() < 1e-6, "a missing glyph is a square");
    }

    #[test]
    fn elided_text_fits() {
        assert_eq!(elide("Madrid", 10.0, 100.0), "Madrid");
        let cut = elide("Llanfairpwllgwyngyll", 10.0, 60.0);
        assert!(cut.starts_with("Llan") && cut.ends_with('…') && width(&cut, 10.0) <= 60.0);
    }

    #[test]
    fn wrapped_text_fits_and_is_whole() {
        let text = "The capital of the country where the river Po meets the sea is  called";
        let lines = wrap(text, 10.0, 120.0, 9);
        assert!(
            lines.len() > 2 && lines.iter().all(|line| width(line, 10.0) <= 120.0),
            "{lines:?}"
        );
        assert_eq!(lines.join(" ").replace("  ", " "), text.replace("  ", " "));
        assert_eq!(wrap("is  called", 10.0, 120.0, 9), ["is  called"], "spaces are kept");
        let lines = wrap(text, 10.0, 120.0, 2);
        assert!(lines.len() == 2 && lines[1].ends_with('…'), "{lines:?}");
        let lines = wrap("Donaudampfschifffahrtsgesellschaftskapitän", 10.0, 60.0, 9);
        assert_eq!(lines.concat(), "Donaudampfschifffahrtsgesellschaftskapitän");
        assert_eq!(wrap("", 10.0, 60.0, 3), [""]);
        assert!(!wrap("漢字漢字", 10.0, 5.0, 9).is_empty(), "ends even where nothing fits");
    }
}
