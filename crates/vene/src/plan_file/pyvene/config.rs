//! `config.json` of a folder that pyvene saved: what each representation is.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use vene_named::shown;

use crate::plan_file::error::{At, FilePlace, PlanFileError};
use crate::plan_file::text_of;

/// No configuration is longer.
const LONGEST: u64 = 16 << 20;

/// All subspaces of a configuration name no more dimensions together.
const MOST_DIMENSIONS: usize = 1 << 22;

/// What pyvene calls a representation: where it is read and written, and by which intervention.
#[derive(Clone, Debug)]
pub(super) struct Representation {
    pub layer: i64,
    pub component: String,
    pub unit: String,
    pub partition: Option<Vec<Vec<usize>>>,
    pub group: Option<String>,
    pub link: Option<String>,
    /// The intervention's class, without its module.
    pub class: String,
    /// What `interchange_dim` was set to, one number or several.
    pub dimensions: Option<Vec<usize>>,
    /// Whether `dimensions` is a list.
    pub listed: bool,
    pub constant: bool,
    /// The name under which pyvene knows it, and which its parameters' file has.
    pub key: String,
}

/// A folder's configuration.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub path: PathBuf,
    pub serial: bool,
    pub representations: Vec<Representation>,
}

/// The fields of pyvene's `RepresentationConfig`, in the order in which a list has them.
const FIELDS: [&str; 14] = [
    "layer",
    "component",
    "unit",
    "max_number_of_units",
    "low_rank_dimension",
    "intervention_type",
    "intervention",
    "subspace_partition",
    "group_key",
    "intervention_link_key",
    "moe_key",
    "source_representation",
    "hidden_source_representation",
    "latent_dim",
];

type Result<T> = std::result::Result<T, PlanFileError>;

impl Config {
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let text = text_of(&path, LONGEST)?;
        Self::parse(&text, path)
    }

    /// That of a text; errors name `path`.
    pub fn parse(text: &str, path: PathBuf) -> Result<Self> {
        let value: Value = serde_json::from_str(text).map_err(|error| PlanFileError::Syntax {
            place: FilePlace {
                file: Some(path.as_path().into()),
                at: At::new(error.line(), Some(error.column())),
                entry: "".into(),
            },
            message: error.to_string(),
        })?;
        let reader = Reader { path: &path, dimensions: Cell::new(MOST_DIMENSIONS) };
        let serial = match value.get("mode").and_then(Value::as_str) {
            None | Some("parallel") => false,
            Some("serial") => true,
            Some(other) => {
                return Err(
                    reader.wrong("mode", format!("it is {other}; parallel and serial are known"))
                );
            }
        };
        let list = |key: &'static str| match value.get(key) {
            Some(Value::Array(items)) => Ok(Some(items)),
            None | Some(Value::Null) => Ok(None),
            Some(_) => Err(reader.wrong(key, "it is no list".to_owned())),
        };
        let representations = list("representations")?.ok_or_else(|| {
            reader.wrong(
                "representations",
                "there are none: this is no folder of pyvene's".to_owned(),
            )
        })?;
        let (types, dimensions) = (list("intervention_types")?, list("intervention_dimensions")?);
        let constants = list("intervention_constant_sources")?;
        for (key, list) in [
            ("intervention_types", types),
            ("intervention_dimensions", dimensions),
            ("intervention_constant_sources", constants),
        ] {
            let known = list.map_or(representations.len(), Vec::len);
            if known != representations.len() {
                let count = representations.len();
                return Err(reader.wrong(
                    key,
                    format!("there are {known} for {count} representations; expected one for each"),
                ));
            }
        }
        let mut read: Vec<Representation> = Vec::with_capacity(representations.len());
        let mut alike: HashMap<String, usize> = HashMap::new();
        for (index, value) in representations.iter().enumerate() {
            let at = |list: Option<&Vec<Value>>| list.and_then(|list| list.get(index)).cloned();
            let beside =
                Beside { class: at(types), dimensions: at(dimensions), constant: at(constants) };
            let mut representation = reader.representation(index, value, beside)?;
            // pyvene counts those of one kind.
            let before = alike.entry(representation.key.clone()).or_default();
            representation.key = format!("{}#{before}", representation.key);
            *before += 1;
            read.push(representation);
        }
        Ok(Self { path, serial, representations: read })
    }

    /// The error that something of a representation is wrong.
    pub fn wrong(&self, index: usize, field: &str, problem: impl Into<String>) -> PlanFileError {
        let entry = format!("representation {index}, {field}");
        wrong(&self.path, &entry, problem.into())
    }

    /// A representation's place in messages.
    pub fn place(&self, index: usize) -> FilePlace {
        let entry = format!("representation {index}").into();
        FilePlace { file: Some(self.path.as_path().into()), at: At::default(), entry }
    }
}

/// What is said of a representation in other lists.
struct Beside {
    class: Option<Value>,
    dimensions: Option<Value>,
    constant: Option<Value>,
}

struct Reader<'a> {
    path: &'a Path,
    /// How many dimensions all subspaces of the file may still name: a few bytes make a long range.
    dimensions: Cell<usize>,
}

fn wrong(path: &Path, entry: &str, problem: String) -> PlanFileError {
    let place = FilePlace { file: Some(path.into()), at: At::default(), entry: entry.into() };
    PlanFileError::Contradiction { place, problem }
}

impl Reader<'_> {
    fn wrong(&self, entry: &str, problem: String) -> PlanFileError {
        wrong(self.path, entry, problem)
    }

    fn representation(
        &self,
        index: usize,
        value: &Value,
        beside: Beside,
    ) -> Result<Representation> {
        let get = |field: &str| {
            let found = match value {
                Value::Array(items) => {
                    let place = FIELDS.iter().position(|known| *known == field);
                    place.and_then(|place| items.get(place))
                }
                other => other.get(field),
            };
            found.filter(|value| !value.is_null())
        };
        let wrong = |field: &str, value: &Value, expected: &str| {
            let value: String = shown(&value.to_string());
            let entry = format!("representation {index}, {field}");
            self.wrong(&entry, format!("it is {value}; expected {expected}"))
        };
        let text = |field: &str, usual: &str| match get(field) {
            None => Ok(usual.to_owned()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(other) => Err(wrong(field, other, "a text")),
        };
        let whole = |field: &str, usual: i64| match get(field) {
            None => Ok(usual),
            Some(other) => other.as_i64().ok_or_else(|| wrong(field, other, "a whole number")),
        };
        // Keys of groups and links are numbers or texts; what counts is which are the same.
        let key = |field: &str| match get(field) {
            None => Ok(None),
            // As many digits for all, so that they are sorted as numbers are.
            Some(Value::Number(number)) => match number.as_u64() {
                Some(number) => Ok(Some(format!("{number:020}"))),
                None => Err(wrong(field, &number.clone().into(), "a whole number from 0 on")),
            },
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(wrong(field, other, "a number or a text")),
        };
        if let Some(other) = get("moe_key") {
            return Err(wrong("moe_key", other, "none: mixtures of experts are not known here"));
        }
        let (layer, component) = (whole("layer", 0)?, text("component", "block_output")?);
        let unit = text("unit", "pos")?;
        let units = whole("max_number_of_units", 1)?;
        let units = usize::try_from(units).ok().filter(|&units| units > 0).ok_or_else(|| {
            wrong("max_number_of_units", &units.into(), "a whole number from 1 on")
        })?;
        let partition = get("subspace_partition").map(|value| {
            let expected = "a list of parts, each a list of dimensions, not too many of them";
            self.partition(value).ok_or_else(|| wrong("subspace_partition", value, expected))
        });
        let (dimensions, listed) = match beside.dimensions {
            None | Some(Value::Null) => (None, false),
            Some(value) => {
                let expected = "a number of dimensions, or a list of them";
                let found =
                    value.as_u64().map(|number| vec![number as usize]).or_else(|| numbers(&value));
                let found =
                    found.ok_or_else(|| wrong("intervention_dimensions", &value, expected))?;
                (Some(found), value.is_array())
            }
        };
        let class = match &beside.class {
            Some(Value::String(class)) => class.clone(),
            _ => {
                let entry = format!("representation {index}, intervention_types");
                return Err(self.wrong(&entry, "there is none".to_owned()));
            }
        };
        let name =
            format!("layer_{layer}_comp_{component}_unit_{}_nunit_{units}", unit.replace('.', "_"));
        Ok(Representation {
            class: self.class(index, &class)?,
            partition: partition.transpose()?,
            group: key("group_key")?,
            link: key("intervention_link_key")?,
            constant: beside.constant.as_ref().and_then(Value::as_bool).unwrap_or(false),
            key: name,
            layer,
            component,
            unit,
            dimensions,
            listed,
        })
    }

    /// Parts as pyvene reads them: one of two numbers is a range, whose end is excluded.
    fn partition(&self, value: &Value) -> Option<Vec<Vec<usize>>> {
        let part = |value: &Value| {
            let listed = numbers(value)?;
            let count = match listed.as_slice() {
                &[start, end] => end.saturating_sub(start),
                listed => listed.len(),
            };
            self.dimensions.set(self.dimensions.get().checked_sub(count)?);
            match listed.as_slice() {
                &[start, end] => Some((start..end).collect()),
                _ => Some(listed),
            }
        };
        value.as_array()?.iter().map(part).collect()
    }

    /// `<class 'pyvene.models.interventions.VanillaIntervention'>` without its module.
    fn class(&self, index: usize, text: &str) -> Result<String> {
        let full = text.strip_prefix("<class '").and_then(|rest| rest.strip_suffix("'>"));
        let full = full.unwrap_or(text);
        match full.rsplit_once('.') {
            Some(("pyvene.models.interventions", class)) => Ok(class.to_owned()),
            _ => Err(self.wrong(
                &format!("representation {index}, intervention_types"),
                format!(
                    "{} is none of pyvene's own interventions, and what it computes is not known here",
                    full.chars().take(120).collect::<String>()
                ),
            )),
        }
    }
}

fn numbers(value: &Value) -> Option<Vec<usize>> {
    let number = |value: &Value| value.as_u64().and_then(|number| usize::try_from(number).ok());
    value.as_array()?.iter().map(number).collect()
}
