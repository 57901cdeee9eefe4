//! Runs a page: one bash in an empty folder, in which `vene` and `cargo` are what was built.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::page::{Exchange, Kind, Page};
use super::{printed, root};

/// `vene` on the reader's path. The repository that pages name stands for a model of the reader's own.
const VENE: &str = r#"exec "$PAGES_VENE" "${@//HuggingFaceTB\/SmolLM2-135M/embedded}""#;

/// `cargo` on the reader's path: `cargo run -- ...` is vene, an example is cargo's.
const CARGO: &str = r#"
case " $* " in
*" --example "*) exec "$PAGES_CARGO" "$1" --quiet --manifest-path "$PAGES_ROOT/Cargo.toml" "${@:2}" ;;
" run "*" -- "*) ;;
*) echo "cargo $*: what should the page's test do?" >&2; exit 2 ;;
esac
while [ "$1" != -- ]; do shift; done
exec vene "${@:2}""#;

/// Where a page is run.
struct Folder {
    page: TempDir,
    /// Programs, and what was printed: nothing that a reader sees.
    tools: TempDir,
}

pub fn run(page: &Page, slow_ones_too: bool) -> Result<(), String> {
    let folder = Folder::new(page);
    let (script, checks) = script(page, &folder, slow_ones_too);
    if script.is_empty() {
        return Ok(());
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let status = Command::new("bash")
        .args(["-c", &script])
        .current_dir(&folder.page)
        .env("PATH", format!("{}:{path}", folder.tools.path().join("bin").display()))
        .env("PAGES_VENE", env!("CARGO_BIN_EXE_vene"))
        .env("PAGES_CARGO", std::env::var("CARGO").unwrap_or("cargo".to_owned()))
        .env("PAGES_ROOT", root())
        .env("HF_HUB_OFFLINE", "1")
        .env("HF_HOME", folder.tools.path().join("huggingface"))
        .env_remove("VENE_MODEL")
        .env("COLUMNS", "100")
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("bash: {error}"))?;
    let logged = |number: usize| fs::read_to_string(folder.log(number)).ok();
    if !status.success() {
        let reached = (0..).take_while(|number| folder.log(*number).exists()).last();
        let place = reached.map_or(0, |number| checks[number].line);
        let said = reached.and_then(logged).unwrap_or_default();
        return Err(format!("line {place}: {status}\n{said}"));
    }
    let (mut parted, mut rewritten) = (Vec::new(), Vec::new());
    for (number, check) in checks.iter().enumerate() {
        let printed = logged(number).ok_or(format!("line {}: it was not run", check.line))?;
        if let Some(exchange) = check.exchange
            && let Err(error) = printed::compare(&exchange.prints, &printed)
        {
            parted.push(format!("line {}: {error}", exchange.lines.start));
            rewritten.push((exchange, printed));
        }
    }
    if parted.is_empty() {
        return tables(page, &folder);
    }
    if std::env::var("VENE_WRITE_PAGES").is_ok_and(|value| value == "1") {
        rewrite(page, &rewritten);
        parted.push("the page was written anew: look at what changed".to_owned());
    }
    Err(parted.join("\n"))
}

/// Puts what was printed into the page, but where it leaves lines out on purpose.
fn rewrite(page: &Page, printed: &[(&Exchange, String)]) {
    let mut lines: Vec<&str> = page.text.lines().collect();
    for (exchange, printed) in printed.iter().rev() {
        if !exchange.prints.iter().any(|line| line == "...") {
            lines.splice(exchange.lines.clone(), printed.trim_end().lines());
        }
    }
    fs::write(root().join(&page.name), lines.join("\n") + "\n").unwrap();
}

/// What is run between two logs.
struct Check<'p> {
    line: usize,
    /// The command, where the page shows what it prints.
    exchange: Option<&'p Exchange>,
}

/// The page as a script: each stretch of commands prints to a log of its own.
fn script<'p>(page: &'p Page, folder: &Folder, slow_ones_too: bool) -> (String, Vec<Check<'p>>) {
    let (mut script, mut checks) = (String::new(), Vec::new());
    let blocks = page.blocks.iter().filter(|block| slow_ones_too || !block.slow);
    for block in blocks {
        let line = block.line;
        let mut stretch = |commands: &str, exchange: Option<&'p Exchange>| {
            let log = folder.log(checks.len());
            // A command that the page shows to fail does not end the script; a subshell would lose what others set.
            let shows_error = |exchange: &Exchange| {
                exchange.prints.iter().any(|line| line.starts_with("error: "))
            };
            let fails = if exchange.is_some_and(shows_error) { "! " } else { "" };
            writeln!(script, "exec > '{}' 2>&1\n{fails}{commands}", log.display()).unwrap();
            checks.push(Check { line, exchange });
        };
        match &block.kind {
            Kind::Commands(text) => stretch(text, None),
            Kind::Session(exchanges) => {
                for exchange in exchanges {
                    stretch(&exchange.command, Some(exchange));
                }
            }
            Kind::File { name, text } => {
                let given = folder.tools.path().join(format!("{line}-{}", name.replace('/', "-")));
                fs::write(&given, text).unwrap();
                stretch(&format!("cp '{}' '{name}'", given.display()), None);
            }
            Kind::Setup(_) | Kind::Rust | Kind::NotRun => {}
        }
    }
    if !checks.is_empty() {
        script.insert_str(0, "set -euo pipefail\n");
    }
    (script, checks)
}

impl Folder {
    fn new(page: &Page) -> Self {
        let folder =
            Self { page: tempfile::tempdir().unwrap(), tools: tempfile::tempdir().unwrap() };
        let bin = folder.tools.path().join("bin");
        fs::create_dir(&bin).unwrap();
        program(&bin.join("vene"), VENE);
        program(&bin.join("cargo"), CARGO);
        if page.name.starts_with("docs/examples/") {
            folder.like_the_repository(page);
        }
        folder
    }

    /// A worked example runs in the root of the repository: models and scripts are there, and so is the page.
    fn like_the_repository(&self, page: &Page) {
        symlink(root().join(".cache"), self.page.path().join(".cache")).unwrap();
        let pages = self.page.path().join("docs/examples");
        fs::create_dir_all(pages.join("figures")).unwrap();
        for entry in fs::read_dir(root().join("docs/examples")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "py") {
                symlink(&path, pages.join(path.file_name().unwrap())).unwrap();
            }
        }
        fs::write(self.page.path().join(&page.name), &page.text).unwrap();
        for example in ["directions", "price_tagging"] {
            let line = format!("exec cargo run --release -p vene --example {example} -- \"$@\"");
            program(&self.tools.path().join("bin").join(example), &line);
        }
    }

    fn log(&self, number: usize) -> PathBuf {
        self.tools.path().join(format!("{number}.log"))
    }
}

fn program(path: &Path, text: &str) {
    fs::write(path, format!("#!/usr/bin/env bash\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The tables of a worked example, made again of what was run (`docs/examples/fill.py`; a page that its own program
/// writes was written by now): they must say what the page says.
fn tables(page: &Page, folder: &Folder) -> Result<(), String> {
    if !page.text.contains("<!-- end -->") {
        return Ok(());
    }
    let copy = folder.page.path().join(&page.name);
    if folder.page.path().join("vene-out").is_dir() {
        let written_by_program = page.text.contains("cargo run --release -p vene --example");
        if !written_by_program {
            let filled = Command::new("python3")
                .arg("docs/examples/fill.py")
                .arg(&copy)
                .current_dir(&folder.page)
                .status()
                .map_err(|error| format!("python3: {error}"))?;
            if !filled.success() {
                return Err(format!("docs/examples/fill.py: {filled}"));
            }
        }
        let filled = fs::read_to_string(copy).map_err(|error| error.to_string())?;
        let shown: Vec<String> = page.text.lines().map(str::to_owned).collect();
        for (number, (shown, filled)) in shown.iter().zip(filled.lines()).enumerate() {
            printed::compare(std::slice::from_ref(shown), filled)
                .map_err(|error| format!("line {}: {error}", number + 1))?;
        }
    }
    Ok(())
}
