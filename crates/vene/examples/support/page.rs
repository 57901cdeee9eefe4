//! Tables in a page of `docs/examples`: what stands between `<!-- NAME -->` and `<!-- end -->` is written
//! anew, so that no number there is typed.

use std::path::Path;

use vene::causal::Proportion;

/// `99.2 % [98.7, 99.6]`.
pub fn percent(proportion: &Proportion) -> String {
    let number = |share: f64| format!("{:.1}", 100.0 * share);
    let share = proportion.share.map_or("–".to_owned(), |share| format!("{} %", number(share)));
    match proportion.interval {
        Some(interval) => format!("{share} [{}, {}]", number(interval.low), number(interval.high)),
        None => share,
    }
}

/// A Markdown table; all columns but the first are aligned to the right.
pub fn table(titles: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let titles: Vec<String> = titles.iter().map(|&title| title.to_owned()).collect();
    let align = |column: usize| if column == 0 { ":--" } else { "--:" }.to_owned();
    let align: Vec<String> = (0..titles.len()).map(align).collect();
    let head = [line(&titles), line(&align)];
    head.into_iter().chain(rows.iter().map(|row| line(row))).collect::<Vec<_>>().join("\n")
}

/// Writes texts into a page, by the names of their places.
pub fn fill(page: &Path, texts: &[(&str, String)]) -> std::io::Result<()> {
    let mut text = std::fs::read_to_string(page)?;
    for (name, filling) in texts {
        let marker = format!("<!-- {name} -->\n");
        let start = text.find(&marker).map(|start| start + marker.len());
        let end = start.and_then(|start| Some(start + text[start..].find("<!-- end -->")?));
        let (Some(start), Some(end)) = (start, end) else {
            return Err(std::io::Error::other(format!(
                "{}: no place between <!-- {name} --> and <!-- end -->",
                page.display()
            )));
        };
        text.replace_range(start..end, &format!("\n{filling}\n\n"));
    }
    std::fs::write(page, text)
}
