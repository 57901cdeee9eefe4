//! What an SVG says, read back.

use vene_report::Figure;

/// The texts of an SVG, in the order drawn.
pub fn texts(figure: &Figure) -> Vec<String> {
    let marks = figure.svg().split("<text").skip(1);
    let inner = marks.map(|mark| mark.split_once('>').unwrap().1.split_once("</text>").unwrap().0);
    inner.map(str::to_owned).collect()
}

/// The fills of the rectangles with a hint in them, by hint.
pub fn hinted(figure: &Figure) -> Vec<(String, String)> {
    let marks = figure.svg().split("<rect ").skip(1);
    let hinted = marks.filter_map(|mark| {
        let fill = mark.split_once("fill=\"")?.1.split_once('"')?.0;
        let hint = mark.split_once("><title>")?.1.split_once("</title>")?.0;
        Some((hint.to_owned(), fill.to_owned()))
    });
    hinted.collect()
}

pub fn in_order(texts: &[String], wanted: &[&str]) -> bool {
    let mut texts = texts.iter();
    wanted.iter().all(|wanted| texts.any(|text| text == wanted))
}
