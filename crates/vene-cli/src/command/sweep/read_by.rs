//! By what each option of a sweep is read, where not every sweep reads it.

use crate::arguments::ReadBy;

const OVER_DATA: &str = "over a data set (--data)";
const OVER_A_PAIR: &str = "over one pair of prompts (without --data)";
const ANEW: &str = "where a sweep is started (without --resume)";
const SUBJECT: &str =
    "over one pair of prompts, where --positions names one after a phrase, e.g. subject_last";
const SOURCE_SUBJECT: &str = "over one pair of prompts, where --positions names one after a phrase, e.g. subject_last, and the \
                              intervention reads a source";

/// In words that follow "it is read only".
pub const READ_BY: &ReadBy = &[
    ("model", ANEW),
    ("component", ANEW),
    ("layers", ANEW),
    ("heads", ANEW),
    ("unit", ANEW),
    ("intervention", ANEW),
    ("executor", ANEW),
    ("bos", ANEW),
    ("precision", ANEW),
    ("dry_run", ANEW),
    ("json", ANEW),
    ("out", ANEW),
    ("force", "where something is written anew (without --resume)"),
    ("data", ANEW),
    ("base", OVER_A_PAIR),
    ("source", OVER_A_PAIR),
    ("token", OVER_A_PAIR),
    ("target", "over one pair of prompts (without --data), with --metric"),
    ("foil", "over one pair of prompts (without --data), with --metric"),
    ("positions", "with --unit pos or h.pos: with --unit h all positions are edited at once"),
    ("subject", SUBJECT),
    ("subject_occurrence", SUBJECT),
    ("source_subject", SOURCE_SUBJECT),
    ("source_subject_occurrence", SOURCE_SUBJECT),
    ("factor", "with --intervention scaling"),
    (
        "noise_sd",
        "with --intervention noise, or restore over a data set (--data) without --noise-times",
    ),
    ("seed", "with --intervention noise, with --control random, or over a data set (--data)"),
    ("memory", "with --executor forked"),
    ("limit", OVER_DATA),
    ("counterfactual", OVER_DATA),
    ("metric", ANEW),
    ("answers", "over a data set (--data), or with --metric"),
    ("distinct_positions", "over a data set (--data), with --positions that lists several"),
    ("direction", ANEW),
    ("window", "for components that are in layers"),
    ("effect", ANEW),
    (
        "draws",
        "with --intervention noise, and over a data set (--data) with resample, noise or restore",
    ),
    ("mean_over", "over a data set (--data), with --intervention mean and --unit pos or h.pos"),
    ("noise_times", "over a data set (--data), with --intervention restore"),
    ("corrupt", "over a data set (--data), with --intervention restore"),
    ("control", ANEW),
    ("resamples", OVER_DATA),
    ("correction", OVER_DATA),
    ("discovery", OVER_DATA),
    ("together", "over a data set (--data), with --discovery"),
    ("shard", OVER_DATA),
];
