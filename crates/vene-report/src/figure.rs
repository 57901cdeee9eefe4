//! A finished figure, and its two file formats.

use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg;
use vene_files::write_atomically;

use crate::FigureError;
use crate::font::DEJAVU_SANS;

/// Pixels of a PNG for each unit of the figure: sharp on dense screens and in print.
const DENSITY: u32 = 2;
/// Four times an 8K screen: beyond it a PNG serves nobody.
const MOST_PIXELS: u64 = 4 * 7680 * 4320;

/// A figure, laid out and ready to be written.
#[derive(Clone, Debug)]
pub struct Figure {
    pub(crate) svg: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

static FONTS: LazyLock<Arc<usvg::fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = usvg::fontdb::Database::new();
    fonts.load_font_data(DEJAVU_SANS.to_vec());
    Arc::new(fonts)
});

impl Figure {
    /// The figure's width in CSS pixels: as shown in a notebook at 100 %.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// The figure's height in CSS pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The figure as an SVG document.
    pub fn svg(&self) -> &str {
        &self.svg
    }

    /// The figure as a PNG, two pixels for each unit (192 dpi).
    ///
    /// # Errors
    ///
    /// [`FigureError::TooLarge`] and [`FigureError::Render`].
    pub fn png(&self) -> Result<Vec<u8>, FigureError> {
        let (width, height) = (self.width * DENSITY, self.height * DENSITY);
        if u64::from(width) * u64::from(height) > MOST_PIXELS {
            return Err(FigureError::TooLarge { width, height });
        }
        let options = usvg::Options {
            font_family: "DejaVu Sans".to_owned(),
            fontdb: Arc::clone(&FONTS),
            ..usvg::Options::default()
        };
        let tree = usvg::Tree::from_str(&self.svg, &options)
            .map_err(|error| FigureError::Render(error.to_string()))?;
        let mut pixels =
            Pixmap::new(width, height).ok_or(FigureError::TooLarge { width, height })?;
        let scale = DENSITY as f32;
        resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
        encode(&pixels).map_err(|error| FigureError::Render(error.to_string()))
    }

    /// Writes the figure as SVG, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`FigureError::Write`].
    pub fn write_svg(&self, path: impl AsRef<Path>) -> Result<(), FigureError> {
        write(path.as_ref(), self.svg.as_bytes())
    }

    /// Writes the figure as PNG, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`FigureError::Write`], and those of [`png`](Self::png).
    pub fn write_png(&self, path: impl AsRef<Path>) -> Result<(), FigureError> {
        write(path.as_ref(), &self.png()?)
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), FigureError> {
    write_atomically(path, |file| io::Write::write_all(file, bytes))
        .map_err(|source| FigureError::Write { path: path.to_owned(), source })
}

/// An opaque PNG that says how dense it is, so that it is shown and printed in the SVG's size.
fn encode(pixels: &Pixmap) -> Result<Vec<u8>, png::EncodingError> {
    // The page is white and opaque: the fourth byte, opacity, says nothing.
    let colors: Vec<u8> =
        pixels.data().chunks_exact(4).flat_map(|pixel| pixel[..3].iter().copied()).collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, pixels.width(), pixels.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let per_metre = (f64::from(DENSITY) * 96.0 / 0.0254).round() as u32;
    encoder.set_pixel_dims(Some(png::PixelDimensions {
        xppu: per_metre,
        yppu: per_metre,
        unit: png::Unit::Meter,
    }));
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&colors)?;
    writer.finish()?;
    Ok(bytes)
}
