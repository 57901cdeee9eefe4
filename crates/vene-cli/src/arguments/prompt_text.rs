//! Prompts as they are written on the command line: the text itself, or where it is to be found.

use std::io::{Read, stdin};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// No prompt is longer, in bytes; what is, was meant for something else.
const LONGEST: u64 = 1 << 20;

/// Standard input can be read once.
static READ: AtomicBool = AtomicBool::new(false);

/// The text: `@FILE` is that of a file and `-` that of standard input, both without the line break at their end;
/// `@@` stands for the `@` that a text begins with; everything else is the text itself.
///
/// # Errors
/// What cannot be read, in a sentence.
pub fn prompt_text(given: &str) -> Result<String, String> {
    if given == "-" {
        if READ.swap(true, Ordering::Relaxed) {
            return Err("standard input is read once, for one text".to_owned());
        }
        return of_standard_input();
    }
    match given.strip_prefix('@') {
        None => Ok(given.to_owned()),
        Some(rest) if rest.starts_with('@') => Ok(rest.to_owned()),
        Some(path) => of_file(Path::new(path)),
    }
}

fn of_file(path: &Path) -> Result<String, String> {
    let refused = |error| {
        format!(
            "the file {}: {error} (a text that begins with @ itself is written with @@)",
            path.display()
        )
    };
    vene_files::read_text(path, LONGEST).map(without_last_break).map_err(refused)
}

fn of_standard_input() -> Result<String, String> {
    let (what, mut bytes) = ("standard input", Vec::new());
    let read = stdin().lock().take(LONGEST + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("{what}: {error}"))?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("{what} is longer than {LONGEST} bytes, which no prompt is"));
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("{what} is not a text in UTF-8"))?;
    Ok(without_last_break(text))
}

fn without_last_break(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn texts_stand_for_themselves_and_at_signs_for_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prompt.txt");
        let of_file = format!("@{}", path.display());
        for (content, expected) in
            [("a\nb\n", "a\nb"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a", " a")]
        {
            std::fs::write(&path, content).unwrap();
            assert_eq!(prompt_text(&of_file).unwrap(), expected);
        }
        assert_eq!(prompt_text("me@home").unwrap(), "me@home");
        assert_eq!(prompt_text("@@me").unwrap(), "@me");
        assert_eq!(prompt_text("@@@").unwrap(), "@@");
        assert!(prompt_text("@no/such").unwrap_err().contains("written with @@"));
        assert!(prompt_text("@").unwrap_err().contains("written with @@"));
        let folder = format!("@{}", folder.path().display());
        assert!(prompt_text(&folder).unwrap_err().contains("folder"));
        std::fs::write(&path, [0xff]).unwrap();
        assert!(prompt_text(&of_file).unwrap_err().contains("not a text in UTF-8"));
        std::fs::write(&path, vec![b'a'; LONGEST as usize + 1]).unwrap();
        assert!(prompt_text(&of_file).unwrap_err().contains("larger than"));
    }
}
