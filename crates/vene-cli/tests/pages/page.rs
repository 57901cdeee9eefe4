//! A page as a script: what its fenced blocks are, in order. What is in no way understood is an error.

use std::fs;
use std::ops::Range;
use std::path::Path;

/// A page and its blocks.
pub struct Page {
    /// Its path from the root of the repository.
    pub name: String,
    pub text: String,
    pub blocks: Vec<Block>,
}

pub struct Block {
    /// The line of its fence, from 1.
    pub line: usize,
    pub kind: Kind,
    pub slow: bool,
}

pub enum Kind {
    /// Commands for bash.
    Commands(String),
    /// Commands, each with what it prints.
    Session(Vec<Exchange>),
    /// What a reader does once.
    Setup(String),
    /// A file that the reader writes.
    File { name: String, text: String },
    /// Rust, which rustdoc tests.
    Rust,
    /// Nothing that a reader runs.
    NotRun,
}

/// A command and what it prints.
pub struct Exchange {
    pub command: String,
    pub prints: Vec<String>,
    /// Where that stands: lines of the page, from 0.
    pub lines: Range<usize>,
}

/// What a comment says of the next block.
enum Marker {
    Slow,
    NotRun,
}

impl Page {
    pub fn read(root: &Path, name: &str) -> Result<Self, String> {
        let text = fs::read_to_string(root.join(name)).map_err(|error| error.to_string())?;
        let blocks = blocks(&text)?;
        Ok(Self { name: name.to_owned(), text, blocks })
    }
}

fn blocks(text: &str) -> Result<Vec<Block>, String> {
    let (mut blocks, mut marker, mut page_is_slow) = (Vec::new(), None, false);
    let mut above = String::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let at = index + 1;
        if let Some(info) = line.trim_start().strip_prefix("```") {
            let indent = line.len() - line.trim_start().len();
            let mut inside = String::new();
            loop {
                let (_, line) = lines.next().ok_or(format!("line {at}: the block has no end"))?;
                if line.trim() == "```" {
                    break;
                }
                inside += line.get(indent..).unwrap_or_default();
                inside.push('\n');
            }
            let marker = marker.take();
            let kind = match marker {
                Some(Marker::NotRun) => Kind::NotRun,
                Some(Marker::Slow) | None => kind(info, inside, &above, at)?,
            };
            let slow = page_is_slow || matches!(marker, Some(Marker::Slow));
            blocks.push(Block { line: at, kind, slow });
            above.clear();
        } else if line.starts_with("<!-- slow-page: ") {
            page_is_slow = true;
        } else if line.starts_with("<!-- slow: ") {
            marker = Some(Marker::Slow);
        } else if line.starts_with("<!-- not-run: ") {
            marker = Some(Marker::NotRun);
        } else if !line.trim().is_empty() {
            if marker.is_some() {
                return Err(format!("line {at}: the comment above is about no block"));
            }
            above += line;
            above.push('\n');
        }
    }
    Ok(blocks)
}

/// What a block is, by its info string and the text above it.
fn kind(info: &str, inside: String, above: &str, at: usize) -> Result<Kind, String> {
    let (language, name) = info.split_once(' ').unwrap_or((info, ""));
    let rust = language.split(',').next() == Some("rust");
    match (language, name) {
        _ if rust => Ok(Kind::Rust),
        ("", _) => Err(format!("line {at}: the block has no language")),
        ("sh", "") => Ok(Kind::Commands(inside)),
        ("bash", "") => Ok(Kind::Setup(inside)),
        ("console", "") => session(&inside, at).map(Kind::Session),
        (_, "") => Err(format!(
            "line {at}: which file is this {language}? Name it behind the language (```{language} NAME) and in the text \
             above, or say why nobody runs it: <!-- not-run: ... -->"
        )),
        (_, name) if !above.contains(&format!("`{name}`")) => {
            Err(format!("line {at}: the reader is not told that the block is `{name}`"))
        }
        (_, name) => Ok(Kind::File { name: name.to_owned(), text: inside }),
    }
}

fn session(text: &str, at: usize) -> Result<Vec<Exchange>, String> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    let mut continued = false;
    for (index, line) in (at..).zip(text.lines()) {
        if let Some(command) = line.strip_prefix("$ ") {
            let lines = index + 1..index + 1;
            exchanges.push(Exchange { command: command.to_owned(), prints: Vec::new(), lines });
            continued = command.ends_with('\\');
            continue;
        }
        let last = exchanges
            .last_mut()
            .ok_or(format!("line {at}: the block begins with what no command prints"))?;
        if continued {
            last.command.push('\n');
            last.command += line;
            last.lines = index + 1..index + 1;
            continued = line.ends_with('\\');
        } else {
            last.prints.push(line.to_owned());
            last.lines.end = index + 1;
        }
    }
    Ok(exchanges)
}

#[test]
fn what_is_not_understood_is_refused() {
    let refused = |text: &str, why: &str| {
        let error = blocks(text).err().unwrap_or_default();
        assert!(error.contains(why), "{text}: {error:?}");
    };
    refused("```toml\nx = 1\n```\n", "which file is this toml?");
    refused(
        "A plan:\n```toml plan.toml\nx = 1\n```\n",
        "the reader is not told that the block is `plan.toml`",
    );
    refused("```\nvene sites\n```\n", "the block has no language");
    refused("```sh\nvene sites\n", "the block has no end");
    refused("```console\nprinted by nobody\n```\n", "begins with what no command prints");
    refused("<!-- slow: why -->\nText.\n```sh\nvene sites\n```\n", "about no block");
    let read = blocks(
        "`plan.toml`:\n```toml plan.toml\nx = 1\n```\n<!-- slow: why -->\n```console\n$ a \\\n  b\nc\n$ d\n```\n",
    );
    let [file, session] = &read.unwrap()[..] else { panic!("two blocks") };
    assert!(
        matches!(&file.kind, Kind::File { name, text } if name == "plan.toml" && text == "x = 1\n")
    );
    let Kind::Session(exchanges) = &session.kind else { panic!("a session") };
    assert_eq!((exchanges[0].command.as_str(), exchanges[0].lines.clone()), ("a \\\n  b", 8..9));
    assert_eq!((exchanges[1].command.as_str(), exchanges[1].lines.clone()), ("d", 10..10));
    assert!(session.slow && !file.slow);
}
