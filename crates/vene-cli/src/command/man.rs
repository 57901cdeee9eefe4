//! `vene man`: pages for `man`, one a command.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command};
use clap_mangen::Man;

use crate::arguments::{self, Given, read};
use crate::terminal;

/// Write pages for `man`, one for each command
#[derive(Args)]
#[command(after_help = "\
Examples:
  vene man man1

Then `man -l man1/vene-sweep.1` shows one; in ~/.local/share/man/man1, `man vene-sweep` finds it.")]
pub struct Arguments {
    /// The folder for them; it is made if it is not there, and pages in it are replaced
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Arguments {
    pub fn run(&self, given: &Given) -> anyhow::Result<()> {
        let folder = read!(given, self => folder);
        given.check("pages for man", &[])?;
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let mut line = arguments::Arguments::line();
        line.build();
        let pages = pages(&line)?;
        for (name, page) in &pages {
            let path = folder.join(name);
            vene_files::write_atomically(&path, |file| file.write_all(page))
                .with_context(|| path.display().to_string())?;
        }
        if terminal::is_quiet() {
            return Ok(());
        }
        terminal::print(&format!("Written into {}: {} pages\n", folder.display(), pages.len()))
    }
}

/// The page of a command and those of its subcommands, each with its file's name.
fn pages(command: &Command) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render(&mut page)?;
    let mut all = vec![(man.get_filename(), page)];
    let is_first = command.get_name() == "vene";
    for subcommand in command.get_subcommands() {
        // Of a family of commands `help` is clap's own, which only says what there is.
        if is_first || subcommand.get_name() != "help" {
            all.extend(pages(subcommand)?);
        }
    }
    Ok(all)
}
