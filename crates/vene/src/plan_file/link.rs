//! Links: interventions that several edits share, parameters and all.

use std::collections::BTreeMap;
use std::sync::Arc;

use vene_engine::plan::Width;
use vene_intervention::Intervention;

use super::error::{FilePlace, PlanFileError};
use super::table::Item;

/// The interventions that edits share, by the name of their `link`.
#[derive(Default)]
pub(super) struct Links<'a>(BTreeMap<&'a str, Linked<'a>>);

/// One of them.
#[derive(Clone)]
pub(super) struct Linked<'a> {
    pub intervention: Arc<dyn Intervention>,
    /// As the first of its edits describes it.
    pub described: Item<'a>,
    /// What the first of its edits edits.
    component: &'static str,
    width: Width,
}

impl<'a> Links<'a> {
    pub fn get(&self, name: &str) -> Option<&Linked<'a>> {
        self.0.get(name)
    }

    pub fn insert(
        &mut self,
        name: &'a str,
        described: Item<'a>,
        (component, width): (&'static str, Width),
        intervention: Arc<dyn Intervention>,
    ) {
        self.0.insert(name, Linked { intervention, described, component, width });
    }
}

impl Linked<'_> {
    /// Refuses an edit that describes another intervention, or edits values of another width.
    pub fn expect(
        &self,
        name: &str,
        described: &Item<'_>,
        component: &'static str,
        width: Width,
    ) -> Result<(), PlanFileError> {
        let FilePlace { at, entry, .. } = &self.described.place;
        let line = at.line.map_or(String::new(), |line| format!(" in line {line}"));
        let is_same = std::ptr::eq(described.node, self.described.node)
            || described.node == self.described.node;
        if !is_same {
            return Err(described.contradiction(format!(
                "the link `{name}` joins it to {entry}{line}, which describes another: edits of one \
                 link share one intervention, so say the same in both, or leave `intervention` out \
                 here"
            )));
        }
        if width != self.width {
            let words = |width: Width| match width {
                Width::Known(width) => format!("{width} wide"),
                Width::Unknown => "as wide as the prompts say".to_owned(),
                Width::Pattern => "a pattern of no fixed width".to_owned(),
            };
            return Err(described.contradiction(format!(
                "the link `{name}` joins {component}, {}, to {} of {entry}{line}, {}: edits of one \
                 link share one intervention, so link components of one width",
                words(width),
                self.component,
                words(self.width),
            )));
        }
        Ok(())
    }
}
