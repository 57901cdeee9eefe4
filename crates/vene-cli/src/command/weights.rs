//! `vene weights`: a model's weights by name, and what heads do by their weights alone.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde_json::json;
use vene::inspect::composition::{self, Input};
use vene::inspect::weights;
use vene::{Outline, Table};

use crate::arguments::{Given, ReadBy, by_name, must_end_with, read};
use crate::folder::OutputFile;
use crate::look::{aligned, records};
use crate::model::{self, ModelArgument};
use crate::terminal;

/// A model's weights by name, as a list or in a file, and how heads compose
#[derive(Args)]
#[command(
    long_about = "\
Lists a model's weights, or writes those that are named into a file of tensors, widened to 32-bit floats. Names and layout are \
the same for all families: a projection is y = x W^T + b, with W of shape [out, in]; heads stand one after the other in the rows \
of query, key and value and in the columns of attention_output; a norm's weight is what it multiplies by.

With --composition: how much each head reads of each head before it, by its queries, keys or values (Q-, K- and V-composition, \
Elhage et al. 2021): the Frobenius norm of the product of the two heads' matrices, as a share of the product of their norms. The \
norm's weight is folded into what reads; biases, rotary encodings and norms of queries and keys are left out. With --copying: the \
sum of the eigenvalues of each head's circuit from tokens to logits, W_U W_OV W_E, over that of their sizes, which is 1 where the head \
makes every token that it attends to likelier.",
    after_help = "\
Examples:
  vene weights --model gemma-3-270m.gguf
  vene weights --name layers.0.query.weight --name unembedding.weight --out some.safetensors
  vene weights --composition query,key,value --out compositions.parquet"
)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArgument,

    /// A weight that is written (again for more), or a beginning of names with a star: layers.0.* [default: all]
    #[arg(long = "name", id = "name", value_name = "NAME")]
    name: Vec<String>,

    /// How heads compose by these inputs, in place of weights: query, key, value
    #[arg(long, value_name = "INPUT,...", value_delimiter = ',', value_parser = by_name::<Input>())]
    composition: Vec<Input>,

    /// How much each head copies, in place of weights: from -1 to 1
    #[arg(long, conflicts_with = "composition")]
    copying: bool,

    /// The file to write: NAME.safetensors, or of compositions and copying NAME.parquet or NAME.csv
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Overwrite the file if it is there already
    #[arg(long)]
    force: bool,

    /// Print the list, or the scores, as JSON
    #[arg(long)]
    json: bool,
}

const READ_BY: &ReadBy = &[
    ("name", "without --composition and --copying"),
    ("force", "with --out"),
    ("json", "without --out"),
];

/// Pairs of heads that are listed for each input.
const LISTED: usize = 10;

impl Arguments {
    pub fn run(&self, given: &Given) -> anyhow::Result<()> {
        let out = read!(given, self => out).as_deref();
        let force = out.is_some() && *read!(given, self => force);
        let json = out.is_none() && *read!(given, self => json);
        let inputs = read!(given, self => composition);
        let copying = *read!(given, self => copying);
        let of_heads = copying || !inputs.is_empty();
        let names = if of_heads { &[][..] } else { &read!(given, self => name)[..] };
        let (name, ignored) = self.model.read(given);
        given.check("a list of weights", READ_BY)?;
        let endings: &[&str] = if of_heads { &["parquet", "csv"] } else { &["safetensors"] };
        let file = out.map(|path| -> anyhow::Result<_> {
            must_end_with(path, endings)?;
            OutputFile::claim_in_new_folder(path, force)
        });
        let file = file.transpose()?;
        let name = model::named_or_embedded(name);
        let outline = model::open(&name, ignored)?;
        if of_heads {
            let table = if copying {
                composition::copying(&outline)?
            } else {
                composition::compositions(&outline, inputs)?
            };
            return match (file, out) {
                (Some(file), Some(path)) => {
                    write_table(&table, file, path)?;
                    if terminal::is_quiet() {
                        return Ok(());
                    }
                    terminal::print(&format!(
                        "Written: {}, {} rows\n",
                        path.display(),
                        table.rows()
                    ))
                }
                _ if json => terminal::print_json(&records(&table)),
                _ if copying => terminal::print(&most_copying(&table)?),
                _ => terminal::print(&largest(&table)?),
            };
        }
        let known = weights::list(&outline)?;
        let chosen = chosen(&known, names)?;
        let (Some(file), Some(path)) = (file, out) else {
            if json {
                let each =
                    chosen.iter().map(|info| json!({ "name": info.name, "shape": info.shape }));
                return terminal::print_json(&each.collect::<Vec<_>>());
            }
            let lines =
                chosen.iter().map(|info| vec![info.name.clone(), format!("{:?}", info.shape)]);
            let lines = aligned(&lines.collect::<Vec<_>>());
            let numbers: usize =
                chosen.iter().map(|info| info.shape.iter().product::<usize>()).sum();
            return terminal::print(&format!(
                "{}: {} weights, {numbers} numbers\n{lines}",
                model::short_name(&outline),
                chosen.len()
            ));
        };
        let notes = json!({ "model": model::record(&outline, &name)? }).to_string();
        file.write(|file| write_weights(&outline, &chosen, notes, file))?;
        if terminal::is_quiet() {
            return Ok(());
        }
        terminal::print(&format!("Written: {}, {} weights\n", path.display(), chosen.len()))
    }
}

/// Writes weights into a safetensors file, a layer at a time: no more than one is in memory.
fn write_weights(
    outline: &Outline,
    chosen: &[weights::WeightInfo],
    notes: String,
    file: &mut impl Write,
) -> anyhow::Result<()> {
    let mut end = 0;
    let infos = chosen.iter().map(|info| {
        let start = end;
        end += size_of::<f32>() * info.shape.iter().product::<usize>();
        let (dtype, shape) = (Dtype::F32, info.shape.clone());
        (info.name.clone(), TensorInfo { dtype, shape, data_offsets: (start, end) })
    });
    let infos = infos.collect();
    let metadata = Metadata::new(Some(HashMap::from([("vene".to_owned(), notes)])), infos)?;
    let mut header = serde_json::to_vec(&metadata)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    let bar = terminal::Bar::new(chosen.len(), "weights");
    let mut done = 0;
    for of_layer in chosen.chunk_by(|one, other| one.layer() == other.layer()) {
        let names: Vec<&str> = of_layer.iter().map(|info| info.name.as_str()).collect();
        for (_, tensor) in weights::read_all(outline, &names)? {
            for value in tensor.data {
                file.write_all(&value.to_le_bytes())?;
            }
            done += 1;
            bar.set(done);
        }
    }
    bar.finish();
    Ok(())
}

/// The weights that names mean, in the model's order; all where none is named.
fn chosen(
    known: &[weights::WeightInfo],
    names: &[String],
) -> anyhow::Result<Vec<weights::WeightInfo>> {
    for name in names {
        let is_there = known.iter().any(|info| is_meant(&info.name, name));
        ensure!(
            is_there,
            "the model has no weight `{name}`; `vene weights` lists them, such as {}",
            known.iter().take(3).map(|info| info.name.as_str()).collect::<Vec<_>>().join(", ")
        );
    }
    let meant = |info: &&weights::WeightInfo| {
        names.is_empty() || names.iter().any(|name| is_meant(&info.name, name))
    };
    Ok(known.iter().filter(meant).cloned().collect())
}

fn is_meant(weight: &str, name: &str) -> bool {
    name.strip_suffix('*').map_or(weight == name, |beginning| weight.starts_with(beginning))
}

fn write_table(table: &Table, file: OutputFile, path: &std::path::Path) -> anyhow::Result<()> {
    let is_csv = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    let bytes = vene_files::undisturbed(|| -> anyhow::Result<_> {
        let folder = tempfile::tempdir()?;
        let beside = folder.path().join("table");
        if is_csv {
            table.write_csv(&beside)?
        } else {
            table.write_parquet(&beside)?
        }
        Ok(vene_files::read(&beside, u64::MAX)?)
    })?;
    file.write(|file| Ok(file.write_all(&bytes)?))
}

/// The pairs of heads that compose most, by each input.
fn largest(table: &Table) -> anyhow::Result<String> {
    let inputs = table.text("input")?;
    let numbers = ["layer", "head", "earlier_layer", "earlier_head"];
    let numbers = numbers.map(|name| table.integers(name));
    let [layers, heads, earlier, earlier_heads] = numbers;
    let (layers, heads, earlier, earlier_heads) = (layers?, heads?, earlier?, earlier_heads?);
    let values = table.floats("composition")?;
    let mut text = String::new();
    for input in Input::ALL {
        let mut rows: Vec<usize> =
            (0..table.rows()).filter(|&row| inputs[row] == input.name()).collect();
        if rows.is_empty() {
            continue;
        }
        rows.sort_by(|one, other| values[*other].total_cmp(&values[*one]).then(one.cmp(other)));
        let mut lines = vec![vec![
            format!("by {}", input.name()),
            "reads".to_owned(),
            "composition".to_owned(),
        ]];
        for row in rows.into_iter().take(LISTED) {
            lines.push(vec![
                format!("L{}H{}", layers[row], heads[row]),
                format!("L{}H{}", earlier[row], earlier_heads[row]),
                terminal::number(values[row]),
            ]);
        }
        text.push_str(&aligned(&lines));
        text.push('\n');
    }
    Ok(text)
}

/// The heads that copy most, and those that do the opposite.
fn most_copying(table: &Table) -> anyhow::Result<String> {
    let (layers, heads) = (table.integers("layer")?, table.integers("head")?);
    let scores = table.floats("copying")?;
    let mut rows: Vec<usize> = (0..table.rows()).collect();
    rows.sort_by(|one, other| scores[*other].total_cmp(&scores[*one]).then(one.cmp(other)));
    let part = |row: &usize| {
        vec![format!("L{}H{}", layers[*row], heads[*row]), terminal::number(scores[*row])]
    };
    let mut lines = vec![vec!["head".to_owned(), "copying".to_owned()]];
    if rows.len() > 2 * LISTED {
        lines.extend(rows[..LISTED].iter().map(part));
        lines.push(vec!["...".to_owned()]);
        lines.extend(rows[rows.len() - LISTED..].iter().map(part));
    } else {
        lines.extend(rows.iter().map(part));
    }
    Ok(aligned(&lines))
}
