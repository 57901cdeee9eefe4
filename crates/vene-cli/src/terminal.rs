//! Standard output, standard error, and progress.
//!
//! Output is data and goes to standard output, which may be a pipe that is closed early (`| head`):
//! that is no failure. Where it is a terminal, text that would command it is escaped ([`escape`]); pipes and files get
//! every byte. Warnings, errors and progress go to standard error, progress only where a person is looking; `error:` and
//! `warning:` have colours there (unless `NO_COLOR` is set; without a terminal where `CLICOLOR_FORCE` is).

mod bar;
mod escape;
mod loudness;

use std::borrow::Cow;
use std::cell::RefCell;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

pub use bar::Bar;
pub use loudness::{Loudness, detail, detail_end, is_quiet};

/// Prints text: as it is, or on a terminal with what would command it escaped.
pub fn print(text: &str) -> anyhow::Result<()> {
    print_with(text, escape::lines)
}

/// Prints data as JSON.
pub fn print_json(data: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(data)?;
    text.push('\n');
    print_with(&text, escape::json)
}

fn print_with(text: &str, escaped: fn(&str) -> Cow<'_, str>) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    let text = if output.is_terminal() { escaped(text) } else { Cow::Borrowed(text) };
    output.write_all(text.as_bytes())?;
    Ok(output.flush()?)
}

thread_local! {
    /// Warnings, where they are wanted as values.
    static WARNINGS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Runs something whose warnings are values too, rather than lines on standard error.
pub fn collecting_warnings<T>(run: impl FnOnce() -> T) -> (T, Vec<String>) {
    let before = WARNINGS.replace(Some(Vec::new()));
    let result = run();
    let warnings = WARNINGS.replace(before).unwrap_or_default();
    (result, warnings)
}

/// Says something that may make a result other than was meant.
pub fn warn(message: impl Display) {
    let is_kept = WARNINGS.with_borrow_mut(|kept| match kept {
        Some(kept) => {
            kept.push(message.to_string());
            true
        }
        None => false,
    });
    if is_kept || is_quiet() {
        return;
    }
    say("warning", AnsiColor::BrightYellow, &message.to_string());
}

/// Says how far something is, where there is no bar.
pub fn inform(message: impl Display) {
    if !is_quiet() {
        let _ = writeln!(io::stderr(), "{}", escape::one_line(&message.to_string()));
    }
}

/// A line on standard error: what it is, in a colour where there are colours, and the message.
fn say(what: &str, colour: AnsiColor, message: &str) {
    let style: Style = colour.on_default().bold();
    let message = escape::one_line(message);
    // It leaves the colours out where they are not wanted. Nobody can be told that standard error is closed.
    let _ = writeln!(anstream::stderr(), "{style}{what}:{style:#} {message}");
}

/// Which files were written, for people to read; nothing where only what was asked for is said.
pub fn written(folder: impl Display, files: &[String]) -> String {
    if is_quiet() {
        return String::new();
    }
    format!("\nWritten into {folder}: {}\n", files.join(", "))
}

/// A number for people: the shortest form with at most five digits that count. Files and JSON have all digits.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let rounded: f64 = format!("{value:.4e}").parse().unwrap_or(value);
    match rounded.abs() {
        0.0 => "0".to_owned(),
        size if (1e-3..1e5).contains(&size) => rounded.to_string(),
        _ => format!("{rounded:e}"),
    }
}

/// Says in one line what went wrong, and gives the exit code for it.
pub fn report(error: &anyhow::Error) -> u8 {
    let closed = |cause: &(dyn Error + 'static)| {
        let cause = cause.downcast_ref::<io::Error>();
        cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(closed) {
        return 0;
    }
    say("error", AnsiColor::BrightRed, &chain(error));
    2
}

/// A share in percent, without a sign where it is rounded to nothing.
pub fn percent(share: f64) -> String {
    format!("{:.0} %", (100.0 * share).round() + 0.0)
}

/// Candle's errors end with a backtrace where `RUST_BACKTRACE` asks for one.
fn without_backtrace(text: &str) -> &str {
    text.split("\n   0: ").next().unwrap_or(text).trim_end()
}

/// The causes from the outermost on, less those that the one before has told already.
pub fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = without_backtrace(&cause.to_string()).to_owned();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// A message of a bar: what is shown may have names of files in it.
pub fn message(text: &str) -> String {
    escape::one_line(text).into_owned()
}

/// Seconds, in the unit in which one would say them.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{s:.2} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// A bar that is seen where progress is.
fn shown(bar: ProgressBar) -> ProgressBar {
    if is_quiet() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar
}

/// The steps of something whose number is not known: a bar on standard error, invisible where that is no terminal.
pub fn steps() -> ProgressBar {
    let style = "{msg} {wide_bar} {pos}/{len} {eta}";
    let style = ProgressStyle::with_template(style).unwrap_or(ProgressStyle::default_bar());
    shown(ProgressBar::new(0)).with_style(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_nothing_has_no_sign() {
        let told = [-0.001, 0.0, 0.126, -0.5, 1.0].map(percent);
        assert_eq!(told, ["0 %", "0 %", "13 %", "-50 %", "100 %"]);
    }

    #[test]
    fn numbers_have_five_digits_at_most() {
        for (value, told) in [
            (0.4836053851183725, "0.48361"),
            (-19.80751, "-19.808"),
            (0.5, "0.5"),
            (3.0, "3"),
            (12345.678, "12346"),
            (123456.0, "1.2346e5"),
            (0.000123456, "1.2346e-4"),
            (0.00123456, "0.0012346"),
            (-0.0, "0"),
            (0.99999999, "1"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(number(value), told);
        }
    }

    #[test]
    fn a_backtrace_is_not_told() {
        let inner =
            io::Error::other("columns depend\n   0: candle_core::error::Error::bt\n   1: main\n");
        let error = anyhow::Error::new(inner).context("training");
        assert_eq!(chain(&error), "training: columns depend");
    }

    #[test]
    fn a_cause_is_told_once() {
        let inner = io::Error::other("disk full");
        let error = anyhow::Error::new(inner).context("cannot write x: disk full").context("sweep");
        assert_eq!(chain(&error), "sweep: cannot write x: disk full");
    }
}
