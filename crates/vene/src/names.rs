//! What stands at the crate's root: few enough names to be read at once.

/// The names that the documentation shows there.
fn shown() -> Vec<String> {
    let code = include_str!("lib.rs").lines().skip_while(|line| line.starts_with("//!"));
    let (mut names, mut is_hidden, mut depth) = (Vec::new(), false, 0_i32);
    let mut item = String::new();
    for line in code {
        let before = depth;
        depth += line.matches('{').count() as i32 - line.matches('}').count() as i32;
        if before == 0 && line == "#[doc(hidden)]" {
            is_hidden = true;
            continue;
        }
        if before > 0 && !item.starts_with("pub use") {
            continue;
        }
        if item.is_empty() && !line.starts_with("pub ") {
            is_hidden &= line.starts_with('#');
            continue;
        }
        item.push_str(line.trim());
        if depth > 0 && item.starts_with("pub use") {
            continue;
        }
        let text = std::mem::take(&mut item);
        if std::mem::take(&mut is_hidden) {
            continue;
        }
        let words = text.trim_start_matches("pub mod ").trim_end_matches([';', '{']).trim();
        let list = words.rsplit(['{']).next().unwrap_or(words).trim_end_matches(['}', ';']);
        for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let name = name.rsplit(" as ").next().unwrap_or(name);
            names.push(name.rsplit("::").next().unwrap_or(name).to_owned());
        }
    }
    names
}

#[test]
fn there_are_twenty_at_most() {
    let mut names = shown();
    names.sort_unstable();
    for known in ["Model", "Sweep", "data", "run", "intervention"] {
        assert!(names.iter().any(|name| name == known), "{known}: {names:?}");
    }
    assert!(names.len() <= 20, "{}: {names:?}", names.len());
}
