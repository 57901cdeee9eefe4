//! The main job.

use vene_table::Table;

use crate::support::{BASE, SOURCE, files, printed};

const FILES: [&str; 9] = [
    "bars.png",
    "bars.svg",
    "effects.png",
    "effects.svg",
    "heatmap.png",
    "heatmap.svg",
    "run.json",
    "sweep.csv",
    "sweep.parquet",
];

#[test]
fn the_tutorial_runs_from_end_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/folder");
    let text = printed(&["demo", "--out", out.to_str().unwrap()]);
    assert_eq!(files(&out), FILES);

    // Both prompts, each with its ten likeliest tokens in the format of pyvene's `top_vals`.
    for (prompt, capital) in [(BASE, "_Madrid"), (SOURCE, "_Rome")] {
        let mut lines = text.lines().skip_while(|line| *line != prompt).skip(1);
        let listed: Vec<(&str, f64)> = (&mut lines)
            .take(10)
            .map(|line| (line[..20].trim_end(), line[21..].parse().unwrap()))
            .collect();
        assert_eq!(listed[0].0, capital);
        assert!(listed.is_sorted_by(|a, b| a.1 >= b.1), "{listed:?}");
        assert_eq!(lines.next(), Some(""));
    }

    let table = Table::read_parquet(out.join("sweep.parquet")).unwrap();
    assert_eq!(table.rows(), 8 * 2 * 5 * 2);
    for name in ["heatmap.png", "effects.png", "bars.png"] {
        let file = std::io::BufReader::new(std::fs::File::open(out.join(name)).unwrap());
        let info = png::Decoder::new(file).read_info().unwrap();
        assert!(info.info().width > 600 && info.info().height > 600, "{name}");
    }
    let svg = std::fs::read_to_string(out.join("heatmap.svg")).unwrap();
    for label in ["_Madrid", "_Rome", "_Spain", "f0", "a0", "f7", "a7"] {
        assert!(svg.contains(&format!(">{label}<")), "{label}");
    }
}

/// What the literature finds, and the embedded model was trained for: the country's position
/// carries the answer in the early layers, the last position in the late ones.
#[test]
fn the_answer_moves_from_the_country_to_the_last_position() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    printed(&crate::support::sweep(&out, &["--component", "block_output"]));
    let table = Table::read_parquet(out.join("sweep.parquet")).unwrap();
    let (layers, positions) =
        (table.optional_integers("layer").unwrap(), table.optional_integers("position").unwrap());
    let (tokens, probabilities) =
        (table.text("token").unwrap(), table.floats("probability").unwrap());
    let rome = |layer: i64, position: i64| {
        (0..table.rows())
            .find(|&row| {
                layers[row] == Some(layer)
                    && positions[row] == Some(position)
                    && tokens[row] == " Rome"
            })
            .map(|row| probabilities[row])
            .unwrap()
    };
    for layer in 0..3 {
        assert!(rome(layer, 3) > 10.0 * rome(layer, 4), "layer {layer}");
    }
    assert!(rome(6, 4) > 3.0 * rome(6, 3));
    assert!(rome(7, 4) > 10.0 * rome(7, 3));
}
