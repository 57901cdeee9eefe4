//! Interventions on an autoencoder's latents.

use std::sync::Arc;

use vene_intervention::{
    Autoencoder, ErrorTerm, FeatureChange, FeatureEdit, LatentInterchange, LinearAutoencoder,
    SparseAutoencoder, Subspace, gemma_scope, sae_lens,
};

use super::{Class, ERROR_TERM, NONE, ONE, PARTITION, Registered, SUBSPACE, needed, shared};
use crate::plan_file::PlanFileError;
use crate::plan_file::making::{
    Item, Making, Result, Stored, Table, error_term, name, seed, subspace,
};
use crate::plan_file::pyvene::{Saved, words};

pub(super) static ROWS: [Registered; 2] = [
    Registered::new(
        "latent_interchange",
        "an interchange of an autoencoder's latents",
        ONE,
        |making, table, stored| {
            let autoencoder = autoencoder(making, table, stored)?;
            let subspace = subspace(making, table, autoencoder.latents())?;
            let error_term = error_term(table)?;
            Ok(shared(LatentInterchange::new(autoencoder, subspace, error_term)))
        },
    )
    .settings(&[needed("autoencoder"), SUBSPACE, PARTITION, ERROR_TERM])
    .learns()
    .classes(&[
        Class::imported("AutoencoderIntervention", |saved| {
            let encoder = saved.take("autoencoder.encoder.0.weight")?;
            let encoder_bias = saved.take("autoencoder.encoder.0.bias")?;
            let decoder = saved.take("autoencoder.decoder.0.weight")?;
            let decoder_bias = saved.take("autoencoder.decoder.0.bias")?;
            let made = LinearAutoencoder::new(&encoder, &encoder_bias, &decoder, &decoder_bias);
            // pyvene writes `latent[..., interchange_dim]`: the latents of these numbers, not the
            // first so many.
            let latents = saved.dimensions().unwrap_or_default();
            let (made, subspace) = (made.map_err(words)?, Subspace::Dimensions(latents));
            let made = LatentInterchange::new(Arc::new(made), subspace, ErrorTerm::Dropped);
            Ok(Saved::together(made))
        }),
        Class::imported("JumpReLUAutoencoderIntervention", |saved| {
            let (encoder, encoder_bias) = (saved.take("W_enc")?, saved.take("b_enc")?);
            let (decoder, decoder_bias) = (saved.take("W_dec")?, saved.take("b_dec")?);
            let threshold = saved.take("threshold")?;
            let made = SparseAutoencoder::new(&encoder, &encoder_bias, &decoder, &decoder_bias);
            let made = made.and_then(|made| made.jump_relu(&threshold)).map_err(words)?.trained();
            let subspace = saved.first(encoder.dims().last().copied().unwrap_or(0))?;
            // It keeps the last dimension.
            let made = LatentInterchange::new(Arc::new(made), subspace, ErrorTerm::Dropped);
            Ok(Saved::rows(made))
        }),
    ]),
    Registered::new(
        "feature_edit",
        "features of an autoencoder are changed: `[{ feature = 3, set = 0.0 }]`, or `scale`, or `add`",
        NONE,
        |making, table, stored| {
            let autoencoder = autoencoder(making, table, stored)?;
            let features = table.need(
                "features",
                "changes of features, as [{ feature = 3, set = 0.0 }, { feature = 7, scale = 2.0 }]",
            )?;
            let changes = features
                .list("a list of changes")?
                .iter()
                .map(change)
                .collect::<Result<Vec<_>>>()?;
            Ok(shared(FeatureEdit::new(autoencoder, changes, error_term(table)?)))
        },
    )
    .settings(&[needed("autoencoder"), needed("features"), ERROR_TERM])
    .learns(),
];

fn change(item: &Item<'_>) -> Result<(usize, FeatureChange)> {
    const EXPECTED: &str = "a change, as { feature = 3, set = 0.0 }";
    let table = item.table(EXPECTED, &["feature", "set", "scale", "add"])?;
    let feature = table.need("feature", "the feature's number")?.count()?;
    let given = (table.get("set"), table.get("scale"), table.get("add"));
    Ok((
        feature,
        match given {
            (Some(value), None, None) => FeatureChange::Set(value.number()?),
            (None, Some(by), None) => FeatureChange::Scale(by.number()?),
            (None, None, Some(value)) => FeatureChange::Add(value.number()?),
            _ => return Err(item.contradiction("give one of `set`, `scale` and `add`")),
        },
    ))
}

/// The names of autoencoders, and the keys of each.
const AUTOENCODERS: [(&str, &[&str]); 4] = [
    ("sae_lens", &["name", "path", "elsewhere"]),
    ("gemma_scope", &["name", "path", "elsewhere"]),
    ("linear", &["name", "latents", "seed"]),
    ("sparse", &["name", "activation", "centred", "trained"]),
];

fn autoencoder(
    making: &Making<'_>,
    table: &Table<'_>,
    stored: Option<&mut Stored<'_>>,
) -> Result<Arc<dyn Autoencoder>> {
    let item = table
        .need("autoencoder", "an autoencoder, as { name = \"sae_lens\", path = \"folder\" }")?;
    let name = name(&item)?;
    let names = AUTOENCODERS.map(|(name, _)| name);
    let known = AUTOENCODERS.iter().find(|(known, _)| *known == name);
    let Some((_, keys)) = known else { return Err(item.unknown("autoencoder", name, &names)) };
    let settings = item.table("an autoencoder, as { name = \"linear\", latents = 16 }", keys)?;
    let published = |read: fn(&std::path::Path) -> Read| {
        if let Some(stored) = &stored {
            return Err(stored.instead_of("path"));
        }
        let path = settings.need("path", "where its files are")?;
        let made = making.made(&path, read(&making.files.path(&path)?))?;
        making.budget.parameters(&path, &[2, made.width(), made.latents()])?;
        Ok(made)
    };
    Ok(match name {
        "sae_lens" => Arc::new(published(|path| sae_lens::load(path).map(|(sae, _)| sae))?),
        "gemma_scope" => Arc::new(published(|path| gemma_scope::load(path).map(|(sae, _)| sae))?),
        "linear" => Arc::new(linear(making, &settings, stored)?),
        _ => Arc::new(sparse(making, &settings, stored)?),
    })
}

type Read = std::result::Result<SparseAutoencoder, vene_intervention::ParameterError>;

fn linear(
    making: &Making<'_>,
    settings: &Table<'_>,
    stored: Option<&mut Stored<'_>>,
) -> Result<LinearAutoencoder> {
    let item = settings.item();
    let latents = settings.read("latents", Item::count)?;
    let made = match stored {
        None => {
            let latents = settings.need("latents", "how many latents there are")?.count()?;
            let width = making.width(item, "an autoencoder")?;
            if !(1..=width).contains(&latents) {
                let wrong = settings.get("latents").unwrap_or_else(|| item.clone());
                return Err(wrong.expected(format!(
                    "1 to {width} latents, as many as {} has dimensions here: more are read from files",
                    making.component
                )));
            }
            making.budget.parameters(item, &[2, width, latents])?;
            LinearAutoencoder::random(width, latents, seed(settings)?)
        }
        Some(stored) => {
            super::rotated::refuse_seed(settings)?;
            let mut take = |name: &str| stored.take("latent_interchange", name);
            let encoder = take("autoencoder.encoder.0.weight")?;
            let encoder_bias = take("autoencoder.encoder.0.bias")?;
            let decoder = take("autoencoder.decoder.0.weight")?;
            let decoder_bias = take("autoencoder.decoder.0.bias")?;
            LinearAutoencoder::new(&encoder, &encoder_bias, &decoder, &decoder_bias)
        }
    };
    let made = making.made(item, made)?;
    match latents {
        Some(latents) if latents != made.latents() => Err(disagree(item, latents, made.latents())),
        _ => Ok(made),
    }
}

fn disagree(item: &Item<'_>, stated: usize, found: usize) -> PlanFileError {
    item.contradiction(format!("{stated} latents are stated, and its parameters have {found}"))
}

fn sparse(
    making: &Making<'_>,
    settings: &Table<'_>,
    stored: Option<&mut Stored<'_>>,
) -> Result<SparseAutoencoder> {
    let item = settings.item();
    let Some(stored) = stored else {
        return Err(item.contradiction(
            "a sparse autoencoder is read from files: give the intervention `parameters`, or use \
             { name = \"sae_lens\", path = \"folder\" }",
        ));
    };
    let names = ["relu", "jump_relu"];
    let activation = settings.need("activation", "\"relu\" or \"jump_relu\"")?;
    let has_threshold = match activation.text("\"relu\" or \"jump_relu\"")? {
        "relu" => false,
        "jump_relu" => true,
        other => return Err(activation.unknown("activation", other, &names)),
    };
    let mut take = |name: &str| stored.take("sparse", name);
    let (encoder, encoder_bias) = (take("W_enc")?, take("b_enc")?);
    let (decoder, decoder_bias) = (take("W_dec")?, take("b_dec")?);
    let threshold = if has_threshold { Some(take("threshold")?) } else { None };
    let made = SparseAutoencoder::new(&encoder, &encoder_bias, &decoder, &decoder_bias);
    let mut made = making.made(item, made)?;
    if let Some(threshold) = threshold {
        made = making.made(item, made.jump_relu(&threshold))?;
    }
    if settings.read("centred", Item::flag)?.unwrap_or(false) {
        made = made.centred();
    }
    let trained = settings.read("trained", Item::flag)?.unwrap_or(false);
    Ok(if trained { made.trained() } else { made })
}
