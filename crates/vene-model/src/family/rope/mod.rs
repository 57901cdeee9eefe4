//! What a `config.json` says about rotary encodings, in either of the two ways in which it is said:
//! `rope_theta` with `rope_scaling` (transformers 4), or all of it in `rope_parameters`
//! (transformers 5), which names layers where these differ.

mod bases;
mod scaling;

use serde_json::{Map, Value};

use super::keys::{Keys, known, shortened, wrong};
use crate::error::ModelError;
use bases::{Bases, base_in};
pub(super) use scaling::Described;
use scaling::{DEFAULT, Stated};

/// Where encodings are described.
const SCALING: &str = "rope_scaling";
const PARAMETERS: &str = "rope_parameters";
const FULL: &str = "rope_parameters.full_attention";
const PARTIAL: &str = "partial_rotary_factor";
const SLIDING: &str = "rope_parameters.sliding_attention";

/// The one rotary encoding of a model, of so many dimensions of a head, which are a share that [`factor`] told where it is
/// `partial`; `base` is the key of its base. As in transformers 5, `rope_parameters` is not read where there is a `rope_scaling`.
pub(super) fn of_model(
    keys: &Keys<'_>,
    base: &'static str,
    (dimensions, partial): (usize, bool),
    context: usize,
) -> Result<Described, ModelError> {
    let mut scaling = keys.optional_object(SCALING)?;
    let mut parameters = keys.optional_object(PARAMETERS)?;
    if let Some(parameters) = parameters.as_mut().filter(|_| partial) {
        parameters.shift_remove(PARTIAL);
    }
    let in_scaling = base_in(SCALING, &mut scaling)?;
    let in_parameters = base_in(PARAMETERS, &mut parameters)?;
    let mut bases =
        Bases { key: base, inner: Vec::new(), unread: None, has_old_form: scaling.is_some() };
    let (place, scaling) = match (scaling, parameters) {
        (Some(scaling), parameters) => {
            let who = "as transformers 4.52 and 5 do";
            compare(keys, &scaling, (PARAMETERS, parameters.as_ref()), who);
            bases.inner.extend(in_scaling);
            bases.unread = in_parameters;
            (SCALING, scaling)
        }
        (None, parameters) => {
            bases.inner.extend(in_parameters);
            (PARAMETERS, parameters.unwrap_or_default())
        }
    };
    let theta = bases.followed(keys)?;
    let places = vec![place];
    Stated { keys, places, scaling, theta, dimensions, context, of_some_layers: false }.described()
}

/// The share of a head's dimensions that is turned: by its key, or in the description of the encoding, where
/// transformers 5 writes it.
pub(super) fn factor(keys: &Keys<'_>, key: &str) -> Result<f64, ModelError> {
    let outer = keys.optional_positive(key)?;
    let parameters = keys.optional_object(PARAMETERS)?.unwrap_or_default();
    let name = format!("{PARAMETERS}.{PARTIAL}");
    let inner = match parameters.get(PARTIAL).filter(|value| !value.is_null()) {
        None => None,
        Some(value) => Some(
            value
                .as_f64()
                .filter(|share| *share > 0.0 && *share <= 1.0)
                .ok_or_else(|| wrong(&name, value, "a number above 0 and up to 1"))?,
        ),
    };
    match (inner, keys.said(key).and(outer)) {
        (Some(inner), Some(outer)) if inner != outer => Err(ModelError::Contradiction {
            one: format!("`{key}` = {outer}"),
            other: format!("`{name}` = {inner}"),
        }),
        _ => match inner.or(outer).unwrap_or(1.0) {
            share if share > 1.0 => Err(wrong(key, &share.into(), "a number above 0 and up to 1")),
            share => Ok(share),
        },
    }
}

/// The two rotary encodings of a model whose layers have one or the other: of those that attend to everything,
/// and of those with a window, whose base has the key `local_base`. As in transformers 5, `rope_scaling` is laid over the former's
/// `rope_parameters`.
pub(super) fn of_layers(
    keys: &Keys<'_>,
    local_base: &'static str,
    head_dim: usize,
    context: usize,
) -> Result<[Described; 2], ModelError> {
    let mut scaling = keys.optional_object(SCALING)?;
    let parameters = keys.optional_object(PARAMETERS)?;
    if let (Some(scaling), None) = (&mut scaling, &parameters) {
        leave_out_old_type(keys, scaling);
    }
    let mut parameters = parameters.unwrap_or_default();
    let mut part = |layers: &str| -> Result<Option<Map<String, Value>>, ModelError> {
        match parameters.remove(layers) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(other) => Err(wrong(&format!("{PARAMETERS}.{layers}"), &other, "an object")),
        }
    };
    let (mut full, mut sliding) = (part("full_attention")?, part("sliding_attention")?);
    if let Some((key, value)) = parameters.iter().next() {
        return Err(ModelError::NotUnderstood {
            key: format!("{PARAMETERS}.{key}"),
            value: shortened(value),
            understood: "full_attention and sliding_attention, each an object".into(),
        });
    }
    let has_old_form = scaling.is_some();
    let bases = |key, inner: Vec<Option<(String, f64)>>| Bases {
        key,
        inner: inner.into_iter().flatten().collect(),
        unread: None,
        has_old_form,
    };
    let of_full = [base_in(SCALING, &mut scaling)?, base_in(FULL, &mut full)?];
    let of_sliding = base_in(SLIDING, &mut sliding)?;
    let theta = bases("rope_theta", of_full.into()).followed(keys)?;
    let local_theta = bases(local_base, vec![of_sliding]).followed(keys)?;

    let stated = |places, scaling, theta| Stated {
        keys,
        places,
        scaling,
        theta,
        dimensions: head_dim,
        context,
        of_some_layers: true,
    };
    let mut places = vec![FULL];
    let mut merged = full.clone().unwrap_or_default();
    if let Some(scaling) = scaling {
        let who = "key by key, as transformers 5 does (transformers 4.52 uses it alone)";
        compare(keys, &scaling, (FULL, full.as_ref()), who);
        places.insert(0, SCALING);
        merged.extend(scaling);
        let has_local_scaling = sliding.as_ref().is_some_and(|local| differ(local, &Map::new()));
        if has_local_scaling {
            keys.notices.add(format!(
                "`{SLIDING}` = {} is used, as transformers 5 does (transformers 4.52 scales layers with a window by \
                 nothing)",
                shortened(&Value::Object(sliding.clone().unwrap_or_default())),
            ));
        }
    }
    Ok([
        stated(places, merged, theta).described()?,
        stated(vec![SLIDING], sliding.unwrap_or_default(), local_theta).described()?,
    ])
}

/// Layers of several kinds have a `rope_type` before their `rope_scaling` is read, so that an old `type` in it says
/// nothing.
fn leave_out_old_type(keys: &Keys<'_>, scaling: &mut Map<String, Value>) {
    if scaling.get("rope_type").is_some_and(|kind| !kind.is_null()) {
        return;
    }
    if let Some(kind) =
        scaling.shift_remove("type").filter(|kind| !kind.is_null() && kind != DEFAULT)
    {
        keys.notices.add(format!(
            "`{SCALING}.type` = {} is not read, as in transformers 5, which scales nothing then (transformers 4.52 \
             refuses such a file): to have the scaling, name it `rope_type`",
            shortened(&kind)
        ));
    }
}

/// Says so where a `rope_scaling`, which is used, and what stands beside it differ.
fn compare(
    keys: &Keys<'_>,
    scaling: &Map<String, Value>,
    (place, other): (&str, Option<&Map<String, Value>>),
    who: &str,
) {
    if let Some(other) = other.filter(|other| differ(scaling, other)) {
        keys.notices.add(format!(
            "`{SCALING}` = {} and `{place}` = {} say different things: `{SCALING}` is used, {who}",
            shortened(&scaling.clone().into()),
            shortened(&other.clone().into()),
        ));
    }
}

/// Whether two descriptions, from which bases were taken, say different things.
fn differ(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    let plain = |object: &Map<String, Value>| {
        let mut object = object.clone();
        object.retain(|_, value| !value.is_null());
        let kind = object.remove("type");
        let kind = object.remove("rope_type").or(kind).unwrap_or(DEFAULT.into());
        object.insert("rope_type".into(), kind);
        object
    };
    let (one, other) = (plain(one), plain(other));
    one.len() != other.len()
        || one
            .iter()
            .any(|(key, value)| other.get(key).is_none_or(|other| !known::same(value, other)))
}
