//! Folders that pyvene saved, and the arguments of a call.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use vene::plan_file::{PyveneCall, PyveneSaved};
use vene::{Example, Outline};

use super::model::lay_out;
use super::{Target, copy, file, files};
use crate::mutate::Form;

const WORDS: [&str; 40] = [
    "representations",
    "intervention_types",
    "intervention_dimensions",
    "intervention_constant_sources",
    "mode",
    "serial",
    "parallel",
    "layer",
    "component",
    "unit",
    "max_number_of_units",
    "low_rank_dimension",
    "subspace_partition",
    "group_key",
    "intervention_link_key",
    "block_output",
    "mlp_output",
    "attention_weight",
    "head_attention_value_output",
    "pos",
    "h",
    "h.pos",
    "t",
    "sources->base",
    "source_0->source_1",
    "source_1->base",
    "base",
    "unit_locations",
    "subspaces",
    "<class 'pyvene.models.interventions.VanillaIntervention'>",
    "<class 'pyvene.models.interventions.RotatedSpaceIntervention'>",
    "<class 'pyvene.models.interventions.LowRankRotatedSpaceIntervention'>",
    "<class 'pyvene.models.interventions.BoundlessRotatedSpaceIntervention'>",
    "<class 'pyvene.models.interventions.SigmoidMaskIntervention'>",
    "<class 'pyvene.models.interventions.AutoencoderIntervention'>",
    "<class 'pyvene.models.interventions.JumpReLUAutoencoderIntervention'>",
    "<class 'pyvene.models.interventions.CollectIntervention'>",
    "<class 'pyvene.models.interventions.SkipIntervention'>",
    "<class 'pyvene.models.interventions.ZeroIntervention'>",
    "<class 'os.system'>",
];

fn outline(folder: &Path) -> Result<Outline> {
    let folder = folder.join("model");
    lay_out("gpt2-plain", &folder)?;
    Ok(Outline::open(&folder.to_string_lossy(), &mut |_| ())?)
}

fn cases() -> Result<Vec<Value>> {
    Ok(serde_json::from_slice(&file("fixtures/pyvene_saved/cases.json")?)?)
}

fn call_of(case: &Value) -> Result<PyveneCall> {
    Ok(PyveneCall::from_json(&case["unit_locations"], &case["subspaces"])?.skips_own_input())
}

fn resolve(saved: &PyveneSaved, call: &PyveneCall, outline: &Outline) -> Result<()> {
    let prompt = |text| outline.prompt(text);
    let example = Example::new(prompt("t1 t2 t3 t4 t5")?)
        .source(prompt("t6 t7 t8 t9 t1")?)
        .source(prompt("t6 t7 t8 t9 t1")?);
    saved.plan(outline, call)?.resolve(outline, &[example.clone(), example])?;
    Ok(())
}

/// The folders of the fixtures, each with its call.
fn folders(folder: &Path) -> Result<Vec<(PathBuf, PyveneCall)>> {
    let mut folders = Vec::new();
    for case in cases()? {
        let name = case["name"].as_str().context("a case without a name")?;
        let to = folder.join(name);
        copy(&format!("fixtures/pyvene_saved/{name}"), &to)?;
        folders.push((to, call_of(&case)?));
    }
    Ok(folders)
}

pub fn config(folder: &Path) -> Result<Target> {
    let outline = outline(folder)?;
    let folders = folders(folder)?;
    let seeds = folders.iter().map(|(folder, _)| Ok(std::fs::read(folder.join("config.json"))?));
    let seeds = seeds.collect::<Result<Vec<_>>>()?;
    let originals = seeds.clone();
    let mut next = 0;
    Ok(Target {
        seeds,
        form: Form::Json,
        words: WORDS.to_vec(),
        read: Box::new(move |bytes| {
            next =
                originals.iter().position(|seed| seed == bytes).unwrap_or(next + 1) % folders.len();
            let (folder, call) = &folders[next];
            std::fs::write(folder.join("config.json"), bytes)?;
            resolve(&PyveneSaved::open(folder)?, call, &outline)
        }),
    })
}

pub fn call(folder: &Path) -> Result<Target> {
    let outline = outline(folder)?;
    let folders = folders(folder)?;
    let cases = cases()?;
    let seeds = cases.iter().map(|case| {
        json!({"unit_locations": case["unit_locations"], "subspaces": case["subspaces"]})
            .to_string()
            .into_bytes()
    });
    let seeds: Vec<_> = seeds.collect();
    let originals = seeds.clone();
    let mut next = 0;
    Ok(Target {
        seeds,
        form: Form::Json,
        words: WORDS.to_vec(),
        read: Box::new(move |bytes| {
            next =
                originals.iter().position(|seed| seed == bytes).unwrap_or(next + 1) % folders.len();
            let call = call_of(&serde_json::from_slice(bytes)?)?;
            resolve(&PyveneSaved::open(&folders[next].0)?, &call, &outline)
        }),
    })
}

pub fn pickle(folder: &Path) -> Result<Target> {
    let outline = outline(folder)?;
    let mut seeds = Vec::new();
    let mut places = Vec::new();
    for (folder, call) in folders(folder)? {
        for path in files(&folder.to_string_lossy(), ".bin")? {
            seeds.push(std::fs::read(&path)?);
            places.push((folder.clone(), path, call.clone()));
        }
    }
    let originals = seeds.clone();
    let mut next = 0;
    Ok(Target {
        seeds,
        form: Form::Archive,
        words: vec![
            "archive/data.pkl",
            "archive/data/0",
            "archive/byteorder",
            "archive/version",
            "data.pkl",
            "../data.pkl",
            "archive/data/1",
            "rotate_layer.parametrizations.weight.original",
        ],
        read: Box::new(move |bytes| {
            // Every other file is put back.
            std::fs::write(&places[next].1, &originals[next])?;
            next =
                originals.iter().position(|seed| seed == bytes).unwrap_or(next + 1) % places.len();
            let (folder, path, call) = &places[next];
            std::fs::write(path, bytes)?;
            resolve(&PyveneSaved::open(folder)?, call, &outline)
        }),
    })
}
