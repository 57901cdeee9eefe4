//! The command `vene`; see the library of this package.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: vene_cli::OrExit = vene_cli::OrExit;

fn main() -> ExitCode {
    ExitCode::from(vene_cli::main(std::env::args_os()))
}
