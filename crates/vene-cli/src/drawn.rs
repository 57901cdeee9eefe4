//! Figures that were drawn, each by the name of its files.

use vene_report::Figure;

use crate::terminal;

/// Figures by name, in order.
#[derive(Clone, Default)]
pub struct Drawn(pub Vec<(String, Figure)>);

impl Drawn {
    /// Takes one; that it cannot be drawn (there may be too much for it) is a warning, rather than the run lost.
    pub fn take(&mut self, name: impl Into<String>, figure: anyhow::Result<Figure>) {
        let name = name.into();
        match figure {
            Ok(figure) => self.0.push((name, figure)),
            Err(error) => terminal::warn(format!("{name} is left out: {error:#}")),
        }
    }

    /// The names and contents of their files, an SVG and a PNG each; likewise.
    pub fn files(self) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        for (name, figure) in self.0 {
            match figure.png() {
                Ok(png) => {
                    files.push((format!("{name}.svg"), figure.svg().as_bytes().to_vec()));
                    files.push((format!("{name}.png"), png));
                }
                Err(error) => terminal::warn(format!("{name} is left out: {error:#}")),
            }
        }
        files
    }
}
