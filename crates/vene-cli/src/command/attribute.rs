//! `vene attribute`: which parts of a model write the answer.

mod figures;
mod shown;

use clap::Args;
use serde_json::json;
use vene::Model;
use vene::data::Row;
use vene::inspect::attribution::{self, Attribution};
use vene::inspect::{Subject, Summary};

use crate::arguments::{Given, ReadBy, heading, read};
use crate::drawn::Drawn;
use crate::look::{self, LookArguments, Seen, Task, over_rows};
use crate::model;
use crate::prompts;
use crate::record::Kind;

/// Which parts of the model write the answer: direct logit attribution
#[derive(Args)]
#[command(
    long_about = "\
Direct logit attribution (Elhage et al. 2021): the logit of a token, or the difference of two, as the sum of what the \
embedding, each head, each MLP and the biases wrote into the residual stream, with the last norm (and norms after modules, where \
a family has them) held at the scale that it had in the run. A final soft cap comes after the sum and is left out.

Of a data set (--data) each row's target is compared with its foil, or taken alone where rows have no foils, and each part has a \
mean with a 95 % interval of a bootstrap over the rows' groups. With --direct there is a second number: by how much the logit, \
or difference, falls where the part is taken out of the residual stream, the norms are computed anew and no later part reacts.",
    after_help = "\
Examples:
  vene attribute --token \" Madrid\" --foil \" Rome\" \"The capital of Spain is\"
  vene attribute --token \" Madrid\" --foil \" Rome\" --positions all --direct \"The capital of Spain is\" --out parts
  vene task capital -n 40 --out capital.jsonl
  vene attribute --model embedded --data capital.jsonl --out capital-parts

With --out: attribution.csv (a row for each position and part) and totals.csv, or of a data set summary.csv, totals-summary.csv
and examples.parquet; figures; run.json. All tables are Parquet files too."
)]
pub struct Arguments {
    /// The token whose logit is attributed, with its space: " Madrid" [default: the likeliest]
    #[arg(help_heading = heading::SEEN, long, value_name = "TOKEN")]
    token: Option<String>,

    /// The token that it is compared with: the difference of both logits is attributed
    #[arg(help_heading = heading::SEEN, long, value_name = "TOKEN", requires = "token")]
    foil: Option<String>,

    /// Positions after which the logits are read: all, last, 0,3,-1 or 0..4; of a data set by role, such as subject_last
    /// [default: last]
    #[arg(help_heading = heading::SEEN, long, value_name = "LIST", allow_hyphen_values = true)]
    positions: Option<String>,

    /// Measure each part's direct effect as well: what its removal from the residual stream changes
    #[arg(help_heading = heading::SEEN, long)]
    direct: bool,

    #[command(flatten)]
    look: LookArguments,
}

const READ_BY: &ReadBy = &[
    look::READ_BY[0],
    look::READ_BY[1],
    look::READ_BY[2],
    ("token", "without --data, whose rows have targets and foils"),
    ("foil", "without --data, whose rows have targets and foils"),
];

impl Arguments {
    pub fn run(&self, given: Given) -> anyhow::Result<()> {
        let of_rows = self.look.data.is_some();
        let precision = *read!(given, self.look.run => precision);
        let positions = read!(given, self => positions).as_deref().unwrap_or("last");
        let direct = *read!(given, self => direct);
        let opened = self.look.open(&given, None)?;
        let mut tokens = Vec::new();
        if !of_rows {
            let named =
                [("--token", read!(given, self => token)), ("--foil", read!(given, self => foil))];
            for (option, text) in named {
                if let Some(text) = text {
                    tokens.push((text.clone(), look::token(&opened.1, text, option)?));
                }
            }
        }
        // Of some rows the difference and of others the logit alone would be no mean.
        let needs = |rows: &[Row]| [true, rows.iter().any(|row| !row.foil.is_empty())];
        let mut look = self.look.look(&given, opened, positions, None, needs)?;
        given.check("an attribution", READ_BY)?;
        for subject in &mut look.subjects {
            for (text, token) in &tokens {
                *subject = subject.clone().asking(text, *token);
            }
        }
        let what = look.what();
        let task = Task {
            kind: Kind::Attribution,
            options: json!({
                "positions": positions,
                "tokens": tokens.iter().map(|(text, _)| text).collect::<Vec<_>>(),
                "direct": direct,
                "prompts": prompts::record(&look.form),
                "precision": precision.to_string(),
                "resamples": of_rows.then_some(look.bootstrap.resamples),
            }),
            tables: if of_rows {
                vec!["summary", "totals-summary"]
            } else {
                vec!["attribution", "totals"]
            },
            figures: figures::names(direct),
            more: Vec::new(),
        };
        look.deliver(task, |outline, subjects, bootstrap, folder| {
            let model = model::load(outline, precision)?;
            let attribution = Attribution::new(&model)?;
            let mut drawn = Drawn::default();
            if of_rows {
                let metrics =
                    if direct { &attribution::METRICS[..] } else { &attribution::METRICS[..1] };
                let summary = Summary::new(subjects, attribution::KEYS, metrics);
                let totals = Summary::new(subjects, ["role"], ["logit", "sum", "output"]);
                let totals = std::cell::RefCell::new(totals);
                let bytes = |subject: &_| attribution::bytes(model.config(), subject);
                let (summary, examples) = over_rows(subjects, bytes, summary, folder, |some| {
                    let found = attribution.of(some, direct)?;
                    totals.borrow_mut().add(&found.totals)?;
                    Ok(found.terms)
                })?;
                let (summary, totals) =
                    (summary.table(bootstrap)?, totals.borrow().table(bootstrap)?);
                if folder.is_some() {
                    figures::of_rows(&mut drawn, &model, &what, &summary, direct)?;
                }
                let text = shown::summary(subjects, &summary, &totals)?;
                let tables = vec![("summary", summary), ("totals-summary", totals)];
                return Ok(Seen { text, tables, examples, drawn, more: Vec::new() });
            }
            let subjects = attribution::asking_the_likeliest(&model, subjects)?;
            let found = attribution.of(&subjects, direct)?;
            if folder.is_some() {
                figures::of_prompt(&mut drawn, &model, &what, &subjects, &found.terms, direct)?;
            }
            let text = shown::prompt(&model, &subjects, &found)?;
            let tables = vec![("attribution", found.terms), ("totals", found.totals)];
            Ok(Seen { text, tables, examples: None, drawn, more: Vec::new() })
        })
    }
}

/// What is attributed, in words: `logit of _Madrid less that of _Rome`.
pub(super) fn question(model: &Model, subject: Option<&Subject>) -> String {
    let shown = |token: u32| model.tokenizer().display(token);
    match subject.map(|subject| subject.asked.as_slice()) {
        Some([one]) => format!("logit of {}", shown(one.token)),
        Some([one, other, ..]) => {
            format!("logit of {} less that of {}", shown(one.token), shown(other.token))
        }
        _ => "logit".to_owned(),
    }
}
