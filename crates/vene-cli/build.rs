//! The commit that is built, for `vene --version`: none outside of the project's own checkout.

use std::path::Path;
use std::process::Command;

fn main() {
    // A line that names nothing else: by default any change of the package would run this again.
    println!("cargo::rerun-if-changed=build.rs");
    // In a registry's copy, or another project's repository, this package is not tracked.
    if git(&["ls-files", "--error-unmatch", "Cargo.toml"]).is_none() {
        return;
    }
    let Some(commit) = git(&["rev-parse", "--short=7", "HEAD"]) else { return };
    println!("cargo::rustc-env=VENE_COMMIT={commit}");
    // What a commit or a checkout writes. A file that is not there would make every build dirty.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["HEAD", "logs/HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        if let Some(path) = git(&["rev-parse", "--git-path", name])
            && Path::new(&path).exists()
        {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}

/// What git says, if it is there and has an answer.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
