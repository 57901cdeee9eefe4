//! Makes the embedded model: tokenizer, corpus, training, files, evaluation.
//!
//! ```text
//! cargo run --release -p vene-embedded --example train              # train, write, evaluate
//! cargo run --release -p vene-embedded --example train -- evaluate  # only evaluate what is there
//! ```
//!
//! The files go to `crates/vene-embedded/model`. Evaluation reads them back, so that what is
//! measured is what ships: float16 weights.

mod batch;
mod corpus;
mod evaluate;
mod files;
mod model;
mod operations;
mod tokenizer;
mod train;

use anyhow::{Result, bail};
use rand::SeedableRng;
use rand::rngs::StdRng;

use batch::Packer;
use corpus::Corpus;
use model::{Component, Config, Gpt2};
use train::Recipe;

/// How the shipped model was trained.
const RECIPE: Recipe = Recipe {
    seed: 9,
    steps: 3000,
    rows: 32,
    shards: 2,
    learning_rate: 2e-3,
    warmup: 100,
    weight_decay: 0.1,
    first_countries: 16,
    curriculum: 0.5,
    early_layers: 4,
    early_attention_cost: 4.0,
};

fn main() -> Result<()> {
    // The shards of a batch are computed side by side. With a pool of threads under each, the threads would mostly
    // wait for each other.
    // SAFETY: the program has only its first thread yet, so nobody reads the environment.
    unsafe { std::env::set_var("RAYON_NUM_THREADS", "1") };
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            make(&RECIPE)?;
            evaluate()
        }
        ["evaluate"] => evaluate(),
        _ => bail!("unknown arguments {arguments:?}; expected none, or: evaluate"),
    }
}

fn make(recipe: &Recipe) -> Result<()> {
    let mut random = StdRng::seed_from_u64(recipe.seed);
    let corpus = Corpus::new(&mut random)?;
    let tokenizer = tokenizer::train(&corpus.for_tokenizer(50_000, &mut random)?)?;
    let config = Config {
        vocabulary: tokenizer.get_vocab_size(true),
        positions: 32,
        width: 128,
        layers: 8,
        heads: 4,
    };
    println!("{config:?}\n{recipe:?}");
    let model = Gpt2::random(config, &mut random)?;
    let packer = Packer {
        corpus: &corpus,
        tokenizer: &tokenizer,
        length: config.positions,
        answer_weight: 5.0,
    };
    train::train(&model, &packer, recipe)?;
    files::write(&files::folder(), &model, &tokenizer)
}

fn evaluate() -> Result<()> {
    let (model, tokenizer) = files::read(&files::folder())?;
    evaluate::accuracy(&model, &tokenizer)?;
    let prompts = ("The capital of Spain is", "The capital of Italy is");
    for prompt in [prompts.0, prompts.1, "People in Brazil speak", "The currency of Japan is the"] {
        evaluate::top(&model, &tokenizer, prompt)?;
    }
    for component in [Component::BlockOutput, Component::MlpOutput, Component::AttentionInput] {
        evaluate::sweep(&model, &tokenizer, component, prompts, ("Madrid", "Rome"))?;
    }
    Ok(())
}
