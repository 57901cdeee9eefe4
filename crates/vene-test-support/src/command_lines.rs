//! Command lines that a text advises: of help, of pages, of messages.

use std::collections::HashMap;

/// The lines of a text that begin with `vene`, each in words without the first: continued lines joined, quotes taken
/// off, variables that the text sets put in, and without pipes, redirections and remarks.
pub fn command_lines(text: &str) -> Vec<Vec<String>> {
    let mut variables: HashMap<String, String> = HashMap::new();
    let mut found = Vec::new();
    for line in joined(text) {
        let line = line.trim();
        if let Some((name, value)) = assignment(line) {
            variables.insert(name, value);
        } else if let Some(rest) = line.strip_prefix("vene ") {
            found.push(words(rest, &variables));
        } else if line == "vene" {
            found.push(Vec::new());
        }
    }
    found
}

/// Lines, continued ones as one: after a backslash, and within quotes that an assignment opens.
fn joined(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        let line = line.trim_end();
        let so_far = open.take().map_or_else(String::new, |text| text + " ");
        let whole = so_far + line.trim_start();
        let is_assignment = whole.split_once("=\"").is_some_and(|(name, _)| is_name(name));
        match whole.strip_suffix('\\') {
            Some(rest) => open = Some(rest.trim_end().to_owned()),
            None if is_assignment && whole.matches('"').count() == 1 => open = Some(whole),
            None => lines.push(whole),
        }
    }
    lines.extend(open);
    lines
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// `name=value` or `name="some words"`.
fn assignment(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=').filter(|(name, _)| is_name(name))?;
    Some((name.to_owned(), value.trim_matches('"').to_owned()))
}

/// The words of a line, up to a pipe, a redirection, or the remark after several spaces.
fn words(line: &str, variables: &HashMap<String, String>) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        let spaces = rest.len() - rest.trim_start().len();
        rest = rest.trim_start();
        if rest.is_empty() || (spaces > 4 && !words.is_empty()) || rest.starts_with(['|', '>', '#'])
        {
            return words;
        }
        if let Some(quoted) = rest.strip_prefix('"') {
            let (word, after) = quoted.split_once('"').unwrap_or((quoted, ""));
            words.push(word.to_owned());
            rest = after;
            continue;
        }
        let (word, after) =
            rest.split_once(' ').map_or((rest, ""), |(word, _)| (word, &rest[word.len()..]));
        // A variable may stand for several words.
        words.extend(expanded(word, variables).split_whitespace().map(str::to_owned));
        rest = after;
    }
}

/// A word with `$name` replaced; `${!name}` and what the text doesn't set become `VARIABLE`.
fn expanded(word: &str, variables: &HashMap<String, String>) -> String {
    let mut parts = word.split('$');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, after) = match part.strip_prefix("{!") {
            Some(rest) => rest.split_once('}').unwrap_or((rest, "")),
            None => {
                let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                part.split_at(end.unwrap_or(part.len()))
            }
        };
        text += variables.get(name).map_or("VARIABLE", String::as_str);
        text += after;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_words() {
        let text = "Examples:\n  vene top \"The capital\" \\\n    -n 3\n\
                    out=folder/x\nboth=\"--a b\n    --c d\"\nvene sweep $both --out $out/y > z\n\
                    vene sites --json | jq .\n  vene sites        what there is\nvene sweep --model ${!m}\n";
        let lines: Vec<String> = command_lines(text).iter().map(|words| words.join("|")).collect();
        assert_eq!(
            lines,
            [
                "top|The capital|-n|3",
                "sweep|--a|b|--c|d|--out|folder/x/y",
                "sites|--json",
                "sites",
                "sweep|--model|VARIABLE",
            ]
        );
    }
}
