//! Whether a published autoencoder is used where it was trained.

use vene_intervention::{AutoencoderOrigin, ParameterError, gemma_scope, sae_lens};
use vene_model::{Component, Outline, Site, alias};

use super::{Files, Item, Result};
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
    /// used elsewhere; what else does not fit is a notice of the model.
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
        let elsewhere = autoencoder.get("elsewhere").map(|item| item.flag()).transpose()?;
        if let (Some(problem), false) = (self.elsewhere(&origin), elsewhere == Some(true)) {
            return Err(autoencoder.contradiction(problem));
        }
        self.notice(&origin);
        Ok(())
    }

    /// What is wrong with an autoencoder that was trained at another place; nothing where what its files say
    /// means nothing here.
    fn elsewhere(&self, origin: &AutoencoderOrigin) -> Option<String> {
        let config = self.outline.config();
        let advice = "if that is meant, say `elsewhere = true`";
        let here = Site::new(self.component, self.layer, config).ok()?;
        let Some(hook) = &origin.hook else {
            let layer = origin.layer.filter(|layer| Some(*layer) != self.layer)?;
            return Some(format!(
                "it was trained in layer {layer}, by the name of its folder, and is to edit {here}; {advice}"
            ));
        };
        let named = alias::resolve(hook, config).ok()?;
        let trained = match Site::new(named.component, named.layer, config) {
            Ok(site) => site,
            Err(error) => {
                return Some(format!(
                    "it was trained at `{hook}` of another model ({error} here); {advice}"
                ));
            }
        };
        let is_here = trained.place(config) == here.place(config);
        (!is_here).then(|| {
            format!("it was trained at `{hook}`, {trained}, and is to edit {here}; {advice}")
        })
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
