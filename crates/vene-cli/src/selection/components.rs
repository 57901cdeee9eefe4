//! Components by anybody's name, and the layers in which they are meant.

use std::collections::{BTreeSet, HashSet};

use anyhow::{Context, bail, ensure};
use vene::{Component, Plan, Positions, SweepUnit, alias, indices};
use vene_model::DecoderConfig;

/// Components, and the layers in which they are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The components, in the order in which they were named.
    pub components: Vec<Component>,
    /// The layers of those that each layer has.
    pub layers: Vec<usize>,
    /// Whether one was named in its `head_…` form.
    per_head: bool,
    /// One that was not.
    by_position: Option<Component>,
}

impl Places {
    /// Reads names of components (vene's, pyvene's or TransformerLens's) and a list of layers;
    /// without one, all layers, or those that TransformerLens's names say
    /// (`blocks.3.hook_resid_pre`).
    ///
    /// # Errors
    /// Where a name means nothing here; where names together make no grid of components by
    /// layers, which is what is swept.
    pub fn named(
        names: &[String],
        layers: Option<&str>,
        config: &DecoderConfig,
    ) -> anyhow::Result<Self> {
        let count = config.layers.len();
        let listed =
            layers.map(|list| indices(list, "layer", count).context("--layers")).transpose()?;
        let mut places =
            Self { components: Vec::new(), layers: Vec::new(), per_head: false, by_position: None };
        let mut said = HashSet::new();
        for name in names {
            let named = alias::resolve(name.trim(), config)?;
            if let Some(layer) = named.layer {
                ensure!(layer < count, "{name}: the model has {count} layers, 0 to {}", count - 1);
                ensure!(
                    listed.as_ref().is_none_or(|listed| *listed == [layer]),
                    "{name} names layer {layer}, and --layers others: leave --layers out"
                );
            }
            ensure!(
                said.insert((named.component, named.layer)),
                "{} is named twice",
                named.component
            );
            if !places.components.contains(&named.component) {
                places.components.push(named.component);
            }
            match named.per_head {
                true => places.per_head = true,
                false => places.by_position = Some(named.component),
            }
        }
        if listed.is_some() && !places.components.iter().any(|component| component.per_layer()) {
            bail!("--layers: {} is in no layer, a model has it once", names.join(", "));
        }
        places.layers = match said_layers(&said, &places.components)? {
            Some(said) => said,
            None => listed.unwrap_or_else(|| (0..count).collect()),
        };
        Ok(places)
    }

    /// A plan that keeps each component in each layer, at each of these positions.
    pub fn collects(&self, positions: &[Positions]) -> Plan {
        let mut plan = Plan::new();
        for &component in &self.components {
            let layers: Vec<Option<usize>> = if component.per_layer() {
                self.layers.iter().copied().map(Some).collect()
            } else {
                vec![None]
            };
            for layer in layers {
                for positions in positions {
                    plan = plan.collect(component, layer, positions.clone());
                }
            }
        }
        plan
    }

    /// What is edited at once: what was asked for, or else a head for `head_…` names and a
    /// position for all others.
    ///
    /// # Errors
    /// Where nothing was asked for and the names want both.
    pub fn unit(&self, wanted: Option<SweepUnit>) -> anyhow::Result<SweepUnit> {
        match (wanted, self.per_head, self.by_position) {
            (Some(unit), ..) => Ok(unit),
            (None, false, _) => Ok(SweepUnit::Position),
            (None, true, None) => Ok(SweepUnit::Head),
            (None, true, Some(other)) => bail!(
                "{other} goes by position and head_… names by head: say --unit, or sweep them one after another"
            ),
        }
    }
}

/// The layers that the names themselves say, if they do.
fn said_layers(
    said: &HashSet<(Component, Option<usize>)>,
    components: &[Component],
) -> anyhow::Result<Option<Vec<usize>>> {
    let layers: BTreeSet<usize> = said.iter().filter_map(|(_, layer)| *layer).collect();
    if layers.is_empty() {
        return Ok(None);
    }
    let per_layer = components.iter().filter(|component| component.per_layer());
    for component in per_layer {
        for layer in &layers {
            ensure!(
                said.contains(&(*component, Some(*layer))),
                "the names make no grid of components by layers ({component} is not named in layer \
                 {layer}): sweep them one after another, or name components alone and give --layers"
            );
        }
    }
    Ok(Some(layers.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::command::sites::archetype;

    fn places(names: &[&str], layers: Option<&str>) -> anyhow::Result<Places> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Places::named(&names, layers, &archetype("llama", 6))
    }

    fn refused(names: &[&str], layers: Option<&str>) -> String {
        format!("{:#}", places(names, layers).unwrap_err())
    }

    #[test]
    fn a_name_may_say_its_layer() {
        let found = places(&["blocks.3.hook_resid_pre", "blocks.5.hook_resid_pre"], None).unwrap();
        assert_eq!((found.components, found.layers), (vec![Component::BlockInput], vec![3, 5]));
        let found = places(&["hook_resid_pre", "mlp_output"], Some("-1")).unwrap();
        assert_eq!(found.layers, [5]);
        assert_eq!(found.unit(None).unwrap(), SweepUnit::Position);
    }

    #[test]
    fn names_that_contradict_each_other_are_refused() {
        assert!(refused(&["blocks.3.hook_resid_pre"], Some("4")).contains("names layer 3"));
        assert!(refused(&["blocks.9.hook_resid_pre"], None).contains("0 to 5"));
        assert!(
            refused(&["blocks.3.hook_resid_pre", "blocks.4.hook_resid_mid"], None)
                .contains("no grid")
        );
        assert!(refused(&["blocks.3.hook_resid_pre", "mlp_output"], None).contains("no grid"));
        assert!(refused(&["mlp_output", "mlp_output"], None).contains("named twice"));
        assert!(refused(&["logits"], Some("0")).contains("in no layer"));
        assert!(refused(&["mlp_outptu"], None).contains("did you mean mlp_output?"));
    }

    #[test]
    fn head_forms_go_by_head() {
        let found = places(&["head_attention_value_output"], None).unwrap();
        assert_eq!(found.layers.len(), 6);
        assert_eq!(found.unit(None).unwrap(), SweepUnit::Head);
        assert_eq!(found.unit(Some(SweepUnit::HeadPosition)).unwrap(), SweepUnit::HeadPosition);
        let mixed = places(&["mlp_output", "head_query_output"], None).unwrap();
        assert!(mixed.unit(None).unwrap_err().to_string().contains("--unit"));
        assert_eq!(mixed.unit(Some(SweepUnit::Position)).unwrap(), SweepUnit::Position);
    }
}
