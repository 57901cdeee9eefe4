//! The table of components as text, JSON and Markdown, all from `vene_model::component`.

use std::fmt::Write;

use serde_json::{Value, json};
use vene::{Component, alias};
use vene_model::DecoderConfig;
use vene_model::component::{COMPONENTS, Width};

use super::archetype::{FAMILIES, NETWORKS, archetype};

/// The shape of one run's activations, with a model's numbers.
fn shape(component: Component, config: &DecoderConfig) -> String {
    match (component.width(config), component.heads(config)) {
        (None, heads) => format!("[{} heads, query, key]", heads.unwrap_or(config.heads)),
        (Some(width), None) => format!("[position, {width}]"),
        (Some(width), Some(heads)) => format!("[position, {heads} heads x {}]", width / heads),
    }
}

/// The same with names in place of numbers.
fn symbolic_shape(width: Width) -> &'static str {
    match width {
        Width::Model => "[position, d_model]",
        Width::Heads => "[position, heads x head_dim]",
        Width::KeyValueHeads => "[position, key_value_heads x head_dim]",
        Width::HeadModels => "[position, heads x d_model]",
        Width::Mlp => "[position, d_mlp]",
        Width::Experts => "[position, experts]",
        Width::ExpertModels => "[position, experts x d_model]",
        Width::Vocabulary => "[position, vocabulary]",
        Width::Pattern => "[head, query, key]",
    }
}

/// The units by which it can be edited.
fn units(width: Width) -> &'static str {
    match width {
        Width::Model | Width::Mlp | Width::Experts | Width::ExpertModels | Width::Vocabulary => {
            "pos"
        }
        Width::Heads | Width::KeyValueHeads | Width::HeadModels | Width::Pattern => "pos, h, h.pos",
    }
}

/// TransformerLens's whole name.
fn transformer_lens(component: Component, config: &DecoderConfig) -> Option<String> {
    let name = alias::transformer_lens(component, config)?;
    Some(match component.per_layer() {
        true => format!("blocks.{{layer}}.{name}"),
        false => name.to_owned(),
    })
}

fn present(config: &DecoderConfig) -> impl Iterator<Item = Component> + '_ {
    Component::all(config)
}

fn absent(config: &DecoderConfig) -> impl Iterator<Item = (Component, &'static str)> + '_ {
    COMPONENTS.iter().filter_map(|info| Some((info.component, info.component.missing(config)?)))
}

fn head(name: &str, config: &DecoderConfig) -> String {
    format!("{name}: {}, {} layers, context {}", config.family, config.layers.len(), config.context)
}

/// For a terminal.
pub fn text(name: &str, config: &DecoderConfig) -> String {
    let rows: Vec<[String; 5]> = present(config)
        .map(|component| {
            let none = || "-".to_owned();
            [
                component.name().to_owned(),
                shape(component, config),
                units(component.info().width).to_owned(),
                alias::pyvene(component, config).map_or_else(none, str::to_owned),
                transformer_lens(component, config).unwrap_or_else(none),
            ]
        })
        .collect();
    let titles = ["COMPONENT", "SHAPE", "UNITS", "PYVENE", "TRANSFORMERLENS"];
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0).max(titles[column].len())
    };
    let line = |cells: [&str; 5]| {
        let cells =
            cells.iter().enumerate().map(|(column, cell)| format!("{cell:<0$}", width(column)));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut text = format!("{}\n\n{}\n", head(name, config), line(titles));
    for (row, component) in rows.iter().zip(present(config)) {
        let _ = writeln!(text, "{}", line(row.each_ref().map(String::as_str)));
        let caveat = match component.caveat(config) {
            "" => String::new(),
            caveat => format!("  ({caveat})"),
        };
        let _ = writeln!(text, "    = {}{caveat}", component.expression(config));
    }
    let absent: Vec<_> = absent(config).collect();
    if !absent.is_empty() {
        text.push_str("\nNot in this model\n");
    }
    for group in absent.chunk_by(|a, b| a.1 == b.1) {
        let names: Vec<&str> = group.iter().map(|(component, _)| component.name()).collect();
        let _ = writeln!(text, "  {}: {}", names.join(", "), group[0].1);
    }
    text.push_str(
        "\nComponents with unit h are also known in their head_... forms. A shape is that of one run, by position.\n",
    );
    text
}

/// For programs.
pub fn json(name: &str, config: &DecoderConfig) -> Value {
    let components = present(config).map(|component| {
        let info = component.info();
        json!({
            "name": component.name(),
            "expression": component.expression(config),
            "shape": shape(component, config),
            "width": component.width(config),
            "heads": component.heads(config),
            "per_layer": component.per_layer(),
            "units": units(info.width).split(", ").collect::<Vec<_>>(),
            "pyvene": alias::pyvene(component, config),
            "transformer_lens": transformer_lens(component, config),
            "caveat": Some(component.caveat(config)).filter(|caveat| !caveat.is_empty()),
        })
    });
    let missing = absent(config)
        .map(|(component, reason)| json!({ "name": component.name(), "reason": reason }));
    json!({
        "model": name,
        "family": config.family,
        "layers": config.layers.len(),
        "components": components.collect::<Vec<_>>(),
        "missing": missing.collect::<Vec<_>>(),
    })
}

const COLUMNS: &str = "\
| component | what it is | shape | units | pyvene | TransformerLens | mind |
| --- | --- | --- | --- | --- | --- | --- |
";

/// One row; names as code.
fn row(component: Component, config: &DecoderConfig, cells: [&str; 3]) -> String {
    let [shape, transformer_lens, mind] = cells;
    let info = component.info();
    let pyvene = alias::pyvene(component, config).map_or_else(String::new, code);
    format!(
        "| `{}` | {} | `{shape}` | {} | {pyvene} | {transformer_lens} | {mind} |\n",
        info.name,
        component.expression(config),
        units(info.width),
    )
}

fn code(name: impl AsRef<str>) -> String {
    format!("`{}`", name.as_ref())
}

/// One model's table as Markdown.
pub fn markdown(name: &str, config: &DecoderConfig) -> String {
    let mut text = format!("# Components of {}\n\n{COLUMNS}", head(name, config));
    for component in present(config) {
        let lens = transformer_lens(component, config).map_or_else(String::new, code);
        let cells = [&shape(component, config), &lens, component.caveat(config)];
        text.push_str(&row(component, config, cells));
    }
    for (component, reason) in absent(config) {
        let _ = write!(text, "\nNo `{component}`: {reason}.\n");
    }
    text
}

/// The table that `docs/components.md` holds.
pub fn markdown_of_all_families() -> String {
    let families = FAMILIES.map(|(known_as, family)| (known_as, archetype(family, 2)));
    let mut text = format!("{PREFACE}{COLUMNS}");
    for info in &COMPONENTS {
        let component = info.component;
        let there = families.iter().filter(|(_, config)| component.missing(config).is_none());
        let Some((_, config)) = there.clone().next() else { continue };
        let names = there.map(|(family, config)| (*family, transformer_lens(component, config)));
        let (names, mind) = (by_family(names.collect()), mind(component, &families));
        text.push_str(&row(component, config, [symbolic_shape(info.width), &names, &mind]));
    }
    text.push_str(AFTERWORD);
    text.push_str(NETWORKS_PREFACE);
    for (known_as, family) in NETWORKS {
        text.push_str(&network(known_as, &archetype(family, 2)));
    }
    text
}

/// The components of networks of one kind.
fn network(known_as: &str, config: &DecoderConfig) -> String {
    let mut text = format!(
        "\n### {known_as}\n\n| component | what it is | shape | pyvene | mind |\n| --- | --- | --- | --- | --- |\n"
    );
    for component in present(config) {
        let _ = writeln!(
            text,
            "| `{}` | {} | `{}` | {} | {} |",
            component.name(),
            component.expression(config),
            symbolic_shape(component.info().width),
            alias::pyvene(component, config).map_or_else(String::new, code),
            component.caveat(config),
        );
    }
    text
}

/// A name with the families in which it holds, where it doesn't hold in all.
fn by_family(names: Vec<(&str, Option<String>)>) -> String {
    let mut groups: Vec<(Vec<&str>, String)> = Vec::new();
    for (family, name) in &names {
        let Some(name) = name else { continue };
        match groups.iter_mut().find(|(_, other)| other == name) {
            Some((families, _)) => families.push(family),
            None => groups.push((vec![family], name.clone())),
        }
    }
    let told = groups.iter().map(|(families, name)| match families.len() == names.len() {
        true => code(name),
        false => format!("{}: {}", families.join(", "), code(name)),
    });
    told.collect::<Vec<_>>().join("; ")
}

/// The caveat, and the families that lack the component.
fn mind(component: Component, families: &[(&str, DecoderConfig)]) -> String {
    let lacking = families.iter().filter(|(_, config)| component.missing(config).is_some());
    let lacking: Vec<&str> = lacking.map(|(family, _)| *family).collect();
    let mut parts = Vec::new();
    if !lacking.is_empty() {
        parts.push(format!("not in {}", lacking.join(", ")));
    }
    if !component.info().caveat.is_empty() {
        parts.push(component.info().caveat.to_owned());
    }
    parts.join("; ")
}

const PREFACE: &str = "\
# Components

What can be read and edited in a model, in the order in which data flows. This page is what
`vene sites --markdown` prints, and a test holds it to that; `vene sites --model MODEL` prints the table of
one model, with its numbers. All of it comes from one piece of code, `crates/vene-model/src/component.rs`.

A name of another tool stands here where it means the identical tensor, and is understood wherever vene takes
a component; where it means another one it is refused, with both meanings. Weights are as published, so
TransformerLens's names hold for models loaded with `from_pretrained_no_processing`: by default it folds norms
and biases into neighbouring weights and centres what is written to the residual stream.

";

const AFTERWORD: &str = "
Components with the unit `h` are also known in pyvene's `head_` forms (`head_attention_value_output`), which are
swept by head. `block_output` of a layer and `block_input` of the next are one place: two absolute edits there
contradict each other and are refused.
";

const NETWORKS_PREFACE: &str = "
## Networks besides transformers

pyvene's multilayer perceptron (`model_type` `mlp`) and gated recurrent network (`gru`). A position is a time step, pyvene's unit `t`.
In a recurrent block edits of several positions are applied one position after the other: what is edited at one is part of the
state that the next is computed from. The logits are those of the classes.
";
