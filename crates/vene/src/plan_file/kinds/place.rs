//! Whether a published autoencoder is used where it was trained.

use vene_model::{Component, Outline, alias};

use super::{Files, Item, Result};
use crate::intervention::{AutoencoderOrigin, ParameterError, gemma_scope, sae_lens};
use crate::plan_file::files::parameters;

/// Where an intervention acts.
#[derive(Clone, Copy)]
pub(in crate::plan_file) struct Acting<'a> {
    pub outline: &'a Outline,
    pub component: Component,
    pub layer: Option<usize>,
    pub files: &'a Files,
}

impl Acting<'_> {
    /// Refuses an autoencoder of another site, within whatever intervention it stands, unless it is said to be
    /// used `anywhere`; what else does not fit is a notice of the model.
    pub fn expect(&self, described: &Item<'_>) -> Result<()> {
        if let Some(inner) = described.get("of") {
            self.expect(&inner)?;
        }
        let Some(autoencoder) = described.get("autoencoder") else { return Ok(()) };
        let (Some(name), Some(path)) = (autoencoder.get("name"), autoencoder.get("path")) else {
            return Ok(());
        };
        let read: fn(&std::path::Path) -> std::result::Result<AutoencoderOrigin, ParameterError> =
            match name.text("the name of an autoencoder")? {
                "sae_lens" => sae_lens::origin,
                "gemma_scope" => gemma_scope::origin,
                _ => return Ok(()),
            };
        let origin = read(&self.files.path(&path)?).map_err(|error| parameters(&path, error))?;
        let anywhere = autoencoder.get("anywhere").map(|item| item.flag()).transpose()?;
        if anywhere != Some(true) {
            self.expect_site(&path, &origin)?;
        }
        self.notice(&origin);
        Ok(())
    }

    fn expect_site(&self, path: &Item<'_>, origin: &AutoencoderOrigin) -> Result<()> {
        let elsewhere = |whence: &str| {
            let layer = self.layer.map_or_else(String::new, |layer| format!(" of layer {layer}"));
            Err(path.contradiction(format!(
                "the autoencoder was trained on {whence}, and the edit is of {}{layer}: edit that, or say \
                 `anywhere = true` beside its path",
                self.component
            )))
        };
        let Some(hook) = &origin.hook else {
            return match origin.layer {
                Some(layer) if Some(layer) != self.layer => elsewhere(&format!("layer {layer}")),
                _ => Ok(()),
            };
        };
        match alias::resolve(hook, self.outline.config()) {
            Ok(named) if same(named.component, named.layer) == same(self.component, self.layer) => {
                Ok(())
            }
            _ => elsewhere(hook),
        }
    }

    fn notice(&self, origin: &AutoencoderOrigin) {
        let say =
            |sentence: String| self.outline.add_notice(format!("the autoencoder: {sentence}"));
        let name = &self.outline.provenance().name;
        if let Some(model) = origin.model.as_ref().filter(|_| !origin.may_be_of(name)) {
            say(format!("it was trained on the model {model}, and {name} is run"));
        }
        let adds = self.outline.tokenizer().adds_bos();
        match origin.prepend_bos {
            Some(true) if !adds => say("it was trained on prompts that begin with a beginning-of-sequence \
                                        token, which this model leaves out (--bos always puts it there)"
                .to_owned()),
            Some(false) if adds => say("it was trained on prompts without a beginning-of-sequence token, \
                                        which this model puts there (--bos never leaves it out)"
                .to_owned()),
            _ => {}
        }
        origin.notices.iter().cloned().for_each(say);
    }
}

/// A site under one of its names: what goes into a block is what comes out of the one before.
fn same(component: Component, layer: Option<usize>) -> (Component, Option<usize>) {
    match (component, layer) {
        (Component::BlockInput, Some(layer @ 1..)) => (Component::BlockOutput, Some(layer - 1)),
        site => site,
    }
}
