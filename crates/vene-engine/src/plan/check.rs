//! What can be said of an edit before there are examples: a plan in a file is refused early.

use std::collections::BTreeSet;

use vene_model::DecoderConfig;

use super::Role;
use super::edit::{Edit, Source};
use super::heads::Heads;
use super::positions::{Part, Positions};
use super::resolve::Resolver;
use super::resolved::Unit;
use crate::error::PlanError;
use crate::plan::Ends;

/// How many values an intervention is handed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// So many.
    Known(usize),
    /// As many as the prompts say.
    Unknown,
    /// It is handed attention patterns.
    Pattern,
}

impl Edit {
    /// Refuses what no example can make right.
    pub fn check(&self, index: usize, config: &DecoderConfig) -> Result<(), PlanError> {
        let edited = BTreeSet::new();
        let resolver = Resolver { index, edit: self, config, examples: &[], edited: &edited };
        let site = resolver.site()?;
        for heads in [&self.heads, &self.source_heads].into_iter().flatten() {
            let lists = if let Heads::Each(lists) = heads { lists.len() } else { 1 };
            for example in 0..lists {
                resolver.heads(Some(heads), example)?;
            }
        }
        let width = match self.width(config) {
            Width::Known(width) => Some(Some(width)),
            Width::Pattern => Some(None),
            Width::Unknown => None,
        };
        if let Some(width) = width {
            let refused = |problem| resolver.parameter(problem);
            self.intervention.check(width).map_err(refused)?;
            resolver.subspaces(&[width])?;
        }
        match self.source {
            // Those of examples that are not there yet.
            Some(Source::GivenEach(_)) => Ok(()),
            _ => resolver.source(site, &[]).map(drop),
        }
    }

    /// How wide the values are that the intervention is handed.
    pub fn width(&self, config: &DecoderConfig) -> Width {
        if self.component.is_pattern() {
            return Width::Pattern;
        }
        let heads = match &self.heads {
            None => None,
            Some(Heads::Same(heads)) => Some(heads.clone()),
            Some(Heads::Each(lists)) => match same_length(lists) {
                Some(length) => Some(vec![0; length]),
                None => return Width::Unknown,
            },
        };
        let positions = match (self.concatenated, positions(&self.positions)) {
            (false, _) => 1,
            (true, Some(positions)) => positions,
            (true, None) => return Width::Unknown,
        };
        let edited = BTreeSet::new();
        let resolver = Resolver { index: 0, edit: self, config, examples: &[], edited: &edited };
        let unit = Unit { positions: vec![0; positions], heads, keys: None };
        match resolver.widths(&[unit]).first() {
            Some(Some(width)) => Width::Known(*width),
            _ => Width::Unknown,
        }
    }
}

/// How many positions are meant in each example, where that is said.
fn positions(positions: &Positions) -> Option<usize> {
    match positions {
        Positions::Last => Some(1),
        Positions::At(indices) => Some(indices.len()),
        Positions::Each(lists) => same_length(lists),
        Positions::Phrase { part, .. } | Positions::Characters { part, .. } => {
            (*part != Part::All).then_some(1)
        }
        Positions::Ends(ends) => ends.number(),
        Positions::Role(Role::Ends { first, last }) => Ends::both(*first, *last).number(),
        Positions::Role(Role::Span { part: Part::All, .. }) | Positions::All => None,
        Positions::Role(_) => Some(1),
    }
}

/// The length of all lists that are not empty.
fn same_length<T>(lists: &[Vec<T>]) -> Option<usize> {
    let mut lengths = lists.iter().map(Vec::len).filter(|&length| length > 0);
    let first = lengths.next()?;
    lengths.all(|length| length == first).then_some(first)
}
