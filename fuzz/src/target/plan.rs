//! Plan files, saved plans, the parameters beside them.

use std::path::Path;

use anyhow::{Result, ensure};
use candle_core::{DType, Device, Tensor};
use vene::intervention::{RotatedSpace, Rotation, Subspace};
use vene::plan_file::{Format, PlanFile, Saved, save};
use vene::{Component, Edit, Example, Model, Plan, Positions, Reference};

use super::model::lay_out;
use super::{Target, file};
use crate::mutate::Form;

const WORDS: [&str; 62] = [
    "edit",
    "collect",
    "read",
    "model",
    "data",
    "train",
    "generate",
    "version",
    "intervention",
    "component",
    "layer",
    "positions",
    "heads",
    "keys",
    "concatenated",
    "within",
    "source",
    "from",
    "from_heads",
    "from_layer",
    "subspaces",
    "when",
    "control",
    "link",
    "name",
    "subspace",
    "partition",
    "rank",
    "seed",
    "parameters",
    "of",
    "vector",
    "values",
    "file",
    "tensor",
    "each",
    "phrase",
    "characters",
    "role",
    "part",
    "occurrence",
    "interchange",
    "zero",
    "mean",
    "addition",
    "noise",
    "knockout",
    "rotated_space",
    "low_rank_rotated_space",
    "boundless_rotated_space",
    "loreft",
    "latent_interchange",
    "in_subspace",
    "dropout",
    "constant_source",
    "block_output",
    "attention_score",
    "query_output",
    "mlp_output",
    "all",
    "last",
    "every_step",
];

/// Two layers, 4 heads, a residual stream of 20 dimensions.
fn model(folder: &Path) -> Result<Model> {
    let folder = folder.join("model");
    lay_out("gpt2-plain", &folder)?;
    Ok(Model::load(&folder.to_string_lossy())?)
}

fn examples(model: &Model) -> Result<Vec<Example>> {
    let prompt = |text| model.prompt(text);
    let example = |base, source, other| -> Result<Example> {
        Ok(Example::new(prompt(base)?).source(prompt(source)?).source(prompt(other)?))
    };
    Ok(vec![
        example("t1 t2 t3 t4", "t5 t6 t7 t8", "t9 t1 t1 t2")?,
        example("t4 t4 t1 t1", "t2 t2 t3 t3", "t8 t7 t6 t5")?,
    ])
}

/// Makes the plan, writes it again in both formats, and runs it.
fn exercise(file: &PlanFile, model: &Model, examples: &[Example]) -> Result<()> {
    let plan = file.plan(model);
    for format in [Format::Toml, Format::Json] {
        let text = file.text(format);
        let again = PlanFile::parse(&text, format, Path::new(""));
        ensure!(again.is_ok() || file.plan(model).is_err(), "what was written is not read: {text}");
    }
    if let Some(generate) = &file.sections.generate {
        let _ = generate.generator(model);
    }
    if let Some(train) = &file.sections.train {
        let _ = train.trainer();
    }
    let plan = plan?;
    let _ = PlanFile::of(&plan);
    let resolved = plan.resolve(model, examples)?;
    // What is read of long lists of edits is not computed here.
    ensure!(resolved.edits().len() < 200, "a long plan");
    Reference::new(model).run(&resolved)?;
    Ok(())
}

/// The examples of the documentation in a language, and others.
fn seeds(language: &str) -> Result<Vec<Vec<u8>>> {
    let page = String::from_utf8(file("docs/plans.md")?)?;
    // The file's name stands behind the language.
    let fence = format!("```{language} ");
    let files = page.split(fence.as_str()).skip(1).filter_map(|rest| rest.split_once("```"));
    let texts = files.filter_map(|(file, _)| file.split_once('\n'));
    let mut seeds: Vec<Vec<u8>> = texts.map(|(_, text)| text.as_bytes().to_vec()).collect();
    if language == "toml" {
        seeds.extend(TOML.iter().map(|text| text.as_bytes().to_vec()));
    } else {
        seeds.extend(TOML.iter().filter_map(|text| {
            let file = PlanFile::parse(text, Format::Toml, Path::new("")).ok()?;
            Some(file.text(Format::Json).into_bytes())
        }));
    }
    Ok(seeds)
}

const TOML: [&str; 5] = [
    "[[edit]]\nintervention = { name = 'rotated_space', partition = { a = '0..4', b = [4, 5] }, subspace = 'a', seed = 3 }\n\
     component = 'block_output'\nlayer = 0\npositions = { each = [[0], [1]] }\nsubspaces = ['b', [0, 1]]\n\
     [[edit]]\nintervention = 'knockout'\nlayer = 1\npositions = 'last'\nkeys = [0]\nheads = [0, 2]\n",
    "[[edit]]\nlink = 'l'\nintervention = { name = 'loreft', rank = 2 }\ncomponent = 'block_output'\nlayer = 0\n\
     [[edit]]\nlink = 'l'\ncomponent = 'mlp_output'\nlayer = 1\n[read]\npositions = [0, -1]\nlogits_of = [1, 2]\n\
     [generate]\ntokens = 4\ntemperature = 0.5\ntop_k = 3\nstop = ['t1']\n",
    "[[edit]]\nintervention = { name = 'in_subspace', of = { name = 'dropout', of = 'interchange', probability = 0.5 }, \
     subspace = '0..8' }\ncomponent = 'attention_value_output'\nlayer = 0\nheads = 1\nfrom_heads = 2\nsource = 1\nwhen = 'every_step'\n\
     [[collect]]\ncomponent = 'attention_weight'\nlayer = 0\npositions = 'all'\n[train]\nepochs = 2\nbatch = 2\nschedule = 'linear'\nwarmup = 1\n",
    "[[edit]]\nintervention = 'steering'\nsource = { values = [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, \
     0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5] }\ncomponent = 'block_output'\nlayer = 1\npositions = [1, 2]\n\
     [[edit]]\nintervention = 'zero'\nwithin = 1\ncomponent = 'mlp_output'\nlayer = 0\n",
    "[[edit]]\nintervention = { name = 'latent_interchange', error_term = 'kept', autoencoder = { name = 'linear', latents = 8 } }\n\
     component = 'block_output'\nlayer = 1\npositions = [0, 1]\nconcatenated = true\n",
];

fn parsed(folder: &Path, language: &str, format: Format, form: Form) -> Result<Target> {
    let model = model(folder)?;
    let examples = examples(&model)?;
    let folder = folder.to_owned();
    Ok(Target {
        seeds: seeds(language)?,
        form,
        words: WORDS.to_vec(),
        read: Box::new(move |bytes| {
            let file = PlanFile::parse(std::str::from_utf8(bytes)?, format, &folder)?;
            exercise(&file, &model, &examples)
        }),
    })
}

pub fn toml(folder: &Path) -> Result<Target> {
    parsed(folder, "toml", Format::Toml, Form::Text)
}

pub fn json(folder: &Path) -> Result<Target> {
    parsed(folder, "json", Format::Json, Form::Json)
}

/// A saved plan with a rotation and given values, of which one file changes.
fn saved_file(folder: &Path, name: &str, form: Form, words: &[&'static str]) -> Result<Target> {
    let model = model(folder)?;
    let examples = examples(&model)?;
    let rotation = RotatedSpace::low_rank(Rotation::random(20, 3, 1)?, Subspace::All);
    let plan = Plan::new()
        .edit(
            Edit::new(Component::BlockOutput, 0, std::sync::Arc::new(rotation)).at(Positions::Last),
        )
        .edit(Edit::steering(Component::MlpOutput, 1, vec![0.5; 20]).at(Positions::Last));
    let saved = folder.join("saved");
    save(&saved, &plan, &model)?;
    // Without the digests, which no mutation would get past.
    let file = saved.join("plan.json");
    std::fs::write(&file, PlanFile::read(&file)?.text(Format::Json))?;
    let path = saved.join(name);
    Ok(Target {
        seeds: vec![std::fs::read(&path)?],
        form,
        words: words.to_vec(),
        read: Box::new(move |bytes| {
            std::fs::write(&path, bytes)?;
            let _ = Saved::open(&saved);
            let opened = PlanFile::read(&file)?;
            let _ = opened.plan(&model);
            let plan = opened.plan_for_another_model(&model)?.resolve(&model, &examples)?;
            ensure!(plan.edits().len() < 200, "a long plan");
            Reference::new(&model).run(&plan)?;
            Ok(())
        }),
    })
}

pub fn saved(folder: &Path) -> Result<Target> {
    saved_file(folder, "plan.json", Form::Json, &WORDS)
}

pub fn tensors(folder: &Path) -> Result<Target> {
    let words =
        ["edit 0.rotate_layer.weight", "rotate_layer.weight", "mask", "F64", "F32", "BF16", "I64"];
    saved_file(folder, "interventions.safetensors", Form::Safetensors, &words)
}

pub fn parameters(folder: &Path) -> Result<Target> {
    let path = folder.join("parameters.safetensors");
    let intervention = RotatedSpace::low_rank(Rotation::random(20, 3, 1)?, Subspace::All);
    vene::intervention::save(&intervention, &path)?;
    let half = Tensor::zeros((20, 3), DType::BF16, &Device::Cpu)?;
    let other = folder.join("other.safetensors");
    candle_core::safetensors::save(&[("rotate_layer.weight", half)].into(), &other)?;
    Ok(Target {
        seeds: vec![std::fs::read(&path)?, std::fs::read(other)?],
        form: Form::Safetensors,
        words: vec![
            "rotate_layer.weight",
            "rotate_layer",
            "mask",
            "F64",
            "F32",
            "F16",
            "BF16",
            "I64",
            "U8",
        ],
        read: Box::new(move |bytes| {
            std::fs::write(&path, bytes)?;
            vene::intervention::load(&intervention, &path)?;
            Ok(())
        }),
    })
}
