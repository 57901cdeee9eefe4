//! What the trained model knows, and where in it a fact travels.

use anyhow::{Context, Result};
use candle_core::{D, Device, Tensor};
use tokenizers::Tokenizer;
use vene_embedded::{FACTS, PHRASINGS, Relation, Split};

use crate::model::{Component, Gpt2};
use crate::tokenizer::encode;

/// Prompts that go through the model together.
const ROWS: usize = 128;

/// Prints top-1 accuracy and the right answer's mean probability, per relation and split.
///
/// An answer counts by its first token (" Buenos"). Every country is asked in every phrasing.
pub fn accuracy(model: &Gpt2, tokenizer: &Tokenizer) -> Result<()> {
    println!("\nrelation    split     prompts  top-1    mean probability");
    for relation in Relation::ALL {
        for split in [Split::Trained, Split::HeldOut] {
            let mut all = Vec::new();
            for phrasing in PHRASINGS {
                if phrasing.relation != relation || phrasing.split != split {
                    continue;
                }
                let mut questions = Vec::new();
                for fact in FACTS {
                    let answer = encode(tokenizer, &format!(" {}", fact.answer(relation)))?;
                    let answer = *answer.first().context("an answer without tokens")?;
                    questions.push((encode(tokenizer, &phrasing.prompt(fact))?, answer));
                }
                let results = ask(model, &questions)?;
                if split == Split::HeldOut {
                    print_row(relation, &format!("{:?}", phrasing.text), &results);
                }
                all.extend(results);
            }
            print_row(relation, &format!("{split:?}"), &all);
        }
    }
    Ok(())
}

fn print_row(relation: Relation, title: &str, results: &[(bool, f32)]) {
    let count = results.len() as f32;
    let right = results.iter().filter(|result| result.0).count() as f32;
    let probability: f32 = results.iter().map(|result| result.1).sum();
    println!(
        "{:10}  {title:8}  {count:7}  {:5.1} %  {:.3}",
        relation.name(),
        100.0 * right / count,
        probability / count
    );
}

/// For each prompt with its answer: whether the answer is the likeliest token, and its probability.
fn ask(model: &Gpt2, questions: &[(Vec<u32>, u32)]) -> Result<Vec<(bool, f32)>> {
    let mut results = Vec::new();
    for questions in questions.chunks(ROWS) {
        // Causal attention: what pads a prompt on its right doesn't reach its last token.
        let length = questions.iter().map(|(prompt, _)| prompt.len()).max().unwrap_or(0);
        let mut tokens = Vec::new();
        for (prompt, _) in questions {
            tokens.extend(prompt);
            tokens.resize(tokens.len() + length - prompt.len(), 0);
        }
        let tokens = Tensor::from_vec(tokens, (questions.len(), length), &Device::Cpu)?;
        let logits = model.forward(&tokens, &mut |_, _, tensor| Ok(tensor))?;
        let last: Vec<u32> = questions
            .iter()
            .enumerate()
            .map(|(row, (prompt, _))| (row * length + prompt.len() - 1) as u32)
            .collect();
        let logits = logits.index_select(&Tensor::new(last, &Device::Cpu)?, 0)?;
        let probabilities: Vec<Vec<f32>> =
            candle_nn::ops::softmax(&logits, D::Minus1)?.to_vec2()?;
        for ((_, answer), row) in questions.iter().zip(probabilities) {
            let probability = row[*answer as usize];
            results.push((row.iter().all(|&other| other <= probability), probability));
        }
    }
    Ok(results)
}

/// Probabilities of the next token, `[vocabulary]`.
fn next(model: &Gpt2, tokens: &[u32], visitor: &mut crate::model::Visitor) -> Result<Vec<f32>> {
    let length = tokens.len();
    let tokens = Tensor::new(tokens, &Device::Cpu)?.unsqueeze(0)?;
    let logits = model.forward(&tokens, visitor)?.get(length - 1)?;
    Ok(candle_nn::ops::softmax(&logits, D::Minus1)?.to_vec1()?)
}

/// Prints the ten likeliest next tokens.
pub fn top(model: &Gpt2, tokenizer: &Tokenizer, prompt: &str) -> Result<()> {
    let tokens = encode(tokenizer, prompt)?;
    let probabilities = next(model, &tokens, &mut |_, _, tensor| Ok(tensor))?;
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|&one, &two| probabilities[two].total_cmp(&probabilities[one]));
    println!("\n{prompt}");
    for &token in order.iter().take(10) {
        let text = tokenizer.id_to_token(token as u32).unwrap_or_default();
        println!("{:16} {:.4}", text.replace('Ġ', "_"), probabilities[token]);
    }
    Ok(())
}

/// Prints, for interchanges of one component at one layer and position, the probability of the
/// source's answer and the base's.
pub fn sweep(
    model: &Gpt2,
    tokenizer: &Tokenizer,
    component: Component,
    prompts: (&str, &str),
    answers: (&str, &str),
) -> Result<()> {
    let base = encode(tokenizer, prompts.0)?;
    let source = encode(tokenizer, prompts.1)?;
    let id = |text: &str| tokenizer.token_to_id(&format!("Ġ{text}")).context("no such answer");
    let (base_answer, source_answer) = (id(answers.0)? as usize, id(answers.1)? as usize);

    let mut activations = Vec::new();
    next(model, &source, &mut |_, seen, tensor| {
        if seen == component {
            activations.push(tensor.clone());
        }
        Ok(tensor)
    })?;
    println!("\n{component:?}: {} <- {}; {} / {}", prompts.0, prompts.1, answers.1, answers.0);
    for &token in &base {
        print!("{:>16}", tokenizer.id_to_token(token).unwrap_or_default().replace('Ġ', "_"));
    }
    println!();
    for layer in (0..model.config.layers).rev() {
        for position in 0..base.len() {
            let probabilities = next(model, &base, &mut |current, seen, tensor| {
                if (current, seen) != (layer, component) {
                    return Ok(tensor);
                }
                let row = activations[layer].narrow(0, position, 1)?;
                Ok(tensor.slice_scatter(&row, 0, position)?)
            })?;
            let (to, from) = (probabilities[source_answer], probabilities[base_answer]);
            print!("   {to:5.3} / {from:5.3}");
        }
        println!("   layer {layer}");
    }
    Ok(())
}
