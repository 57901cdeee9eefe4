//! `vene completions`: what a shell needs to complete command lines.

use clap::Args;
use clap_complete::Shell;

use crate::arguments::{self, Given, read};
use crate::terminal;

/// A script by which a shell completes commands, options and their values
#[derive(Args)]
#[command(after_help = "\
Examples:
  vene completions bash

Where shells look for such scripts: bash in ~/.local/share/bash-completion/completions/vene, zsh in a file _vene in a \
folder of $fpath, fish in ~/.config/fish/completions/vene.fish. PowerShell and elvish read them from their profiles.")]
pub struct Arguments {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

impl Arguments {
    pub fn run(&self, given: &Given) -> anyhow::Result<()> {
        let shell = *read!(given, self => shell);
        given.check("a script for a shell", &[])?;
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut arguments::Arguments::line(), "vene", &mut script);
        terminal::print(&String::from_utf8(script)?)
    }
}
