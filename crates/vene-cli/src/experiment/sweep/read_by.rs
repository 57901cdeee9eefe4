//! By what each key of a sweep is read, where not every sweep reads it.

use crate::arguments::ReadBy;

const OVER_DATA: &str = "over a data set (--data)";
const OVER_A_PAIR: &str = "over one pair of prompts (without --data)";
const SUBJECT: &str =
    "over one pair of prompts, where --positions names one after a phrase, e.g. subject_last";
const SOURCE_SUBJECT: &str = "over one pair of prompts, where --positions names one after a phrase, e.g. subject_last, and the \
                              intervention reads a source";

/// In words that follow "it is read only".
pub const READ_BY: &ReadBy = &[
    ("[data] base", OVER_A_PAIR),
    ("[data] sources", OVER_A_PAIR),
    ("[sweep] tokens", OVER_A_PAIR),
    ("[data] target", "over one pair of prompts (without --data), with --metric"),
    ("[data] foil", "over one pair of prompts (without --data), with --metric"),
    (
        "[sweep] positions",
        "with --unit pos or h.pos: with --unit h all positions are edited at once",
    ),
    ("[sweep] subject", SUBJECT),
    ("[sweep] subject_occurrence", SUBJECT),
    ("[sweep] source_subject", SOURCE_SUBJECT),
    ("[sweep] source_subject_occurrence", SOURCE_SUBJECT),
    ("[sweep] factor", "with --intervention scaling"),
    (
        "[sweep] noise_sd",
        "with --intervention noise, or restore over a data set (--data) without --noise-times",
    ),
    (
        "[statistics] seed",
        "with --intervention noise, with --control random, or over a data set (--data)",
    ),
    ("[limits] memory", "with --executor forked"),
    ("[data] rows", OVER_DATA),
    ("[data] limit", OVER_DATA),
    ("[data] counterfactual", OVER_DATA),
    ("[measure] answers", "over a data set (--data), or with --metric"),
    ("[sweep] distinct_positions", "over a data set (--data), with --positions that lists several"),
    ("[sweep] window", "for components that are in layers"),
    (
        "[sweep] draws",
        "with --intervention noise, and over a data set (--data) with resample, noise or restore",
    ),
    (
        "[sweep] mean_over",
        "over a data set (--data), with --intervention mean and --unit pos or h.pos",
    ),
    ("[sweep] noise_times", "over a data set (--data), with --intervention restore"),
    ("[sweep] corrupt", "over a data set (--data), with --intervention restore"),
    ("[statistics] resamples", OVER_DATA),
    ("[statistics] correction", OVER_DATA),
    ("[statistics] discovery", OVER_DATA),
    ("[statistics] together", "over a data set (--data), with --discovery"),
    ("shard", OVER_DATA),
];
