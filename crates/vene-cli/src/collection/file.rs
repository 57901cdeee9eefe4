//! A collection into one file, by its name in safetensors or NumPy's formats; of rows with a table beside it.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use vene::Outline;

use super::{Checked, Settings};
use crate::folder::{Files, OutputFile};
use crate::stacked::{ENDINGS, Format, Stacked};
use crate::{interrupt, model, plan_sweep, terminal};

/// The file, and the table that says which row is which.
pub struct Claimed {
    path: PathBuf,
    file: OutputFile,
    table: Option<(PathBuf, OutputFile)>,
}

/// Whether a path is that of a file, rather than of a folder: by its ending.
pub fn is_file(out: &Path) -> bool {
    let is_known =
        |ending: &std::ffi::OsStr| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known));
    out.extension().is_some_and(is_known) && !out.is_dir()
}

impl Claimed {
    /// Claims the file, and of rows the table beside it, in a folder that is made where there is none.
    ///
    /// # Errors
    /// What is there already, or cannot be written.
    pub fn new(out: &Path, force: bool, has_table: bool) -> anyhow::Result<Self> {
        let file = OutputFile::claim_in_new_folder(out, force)?;
        let beside = || -> anyhow::Result<_> {
            let path = out.with_extension("rows.parquet");
            let file = OutputFile::claim_in_new_folder(&path, force)?;
            Ok((path, file))
        };
        let table = has_table.then(beside).transpose()?;
        Ok(Self { path: out.to_owned(), file, table })
    }
}

/// Runs a collection, and writes the file.
///
/// # Errors
/// Failures of the computation; what cannot be written.
pub fn write(
    outline: Outline,
    checked: &Checked,
    settings: &Settings,
    claimed: Claimed,
) -> anyhow::Result<()> {
    let Claimed { path: out, file, table } = claimed;
    let (sweep, layout) = (&checked.sweep, &checked.layout);
    let format = Format::of(&out);
    ensure!(
        format != Format::Npy || layout.stacks.len() == 1,
        "--out {}: a .npy file holds one tensor, and {} are collected: name it .npz or .safetensors",
        out.display(),
        layout.stacks.len()
    );
    interrupt::advise(
        "nothing was written; into a folder (--out DIR) a collection is written as it goes, and can be resumed"
            .to_owned(),
    );
    let model = model::load(outline, settings.precision)?;
    let all = 0..sweep.rows().len();
    let mut stacked =
        Stacked::new(folder_of(&out), layout.stacks.clone(), all.len(), layout.lengths.clone())?;
    let executor = checked.executor(&model);
    let bar = terminal::Bar::new(all.len(), "prompts");
    for batch in sweep.batches(model.config()) {
        let first = batch.start;
        checked.run_batch(
            &model,
            &executor,
            batch,
            &mut |done| bar.set(first + done),
            &mut |place| {
                stacked.write(
                    place.tensor,
                    first + place.row,
                    place.first,
                    place.shape,
                    place.values,
                )
            },
        )?;
    }
    bar.finish();
    let has_table = table.is_some();
    let notes = checked.description(&model, &settings.spec, &all, has_table)?;
    stacked.finish(format, &notes, file)?;
    let mut text = format!("Written: {}\n", out.display());
    if let Some((path, file)) = table {
        let table = plan_sweep::rows_table(&model, sweep, &all)?;
        let record = super::folder::begin(&model, checked, settings)?;
        let bytes = vene_files::undisturbed(|| -> anyhow::Result<_> {
            let folder = vene_files::temporary_folder(folder_of(&out))?;
            let files = Files::of(&record, folder.path());
            files.parquet("rows.parquet", table)?;
            Ok(vene_files::read(&files.path("rows.parquet"), u64::MAX)?)
        })?;
        file.write(|file| Ok(std::io::Write::write_all(file, &bytes)?))?;
        text.push_str(&format!("Which row is which: {}\n", path.display()));
    }
    if terminal::is_quiet() {
        return Ok(());
    }
    terminal::print(&(text + &checked.listing(all.len())))
}

fn folder_of(out: &Path) -> &Path {
    match out.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
