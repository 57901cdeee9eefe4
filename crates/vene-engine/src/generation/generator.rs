//! The loop: read the prompts, take a token, go on.

use std::ops::{ControlFlow, Range};

use candle_core::Tensor;
use vene_model::{Decoder, DecoderConfig, Model, Operations, Outline};
use vene_random::Draws;

use super::continuation::{Continuation, End, Generation, NewToken, StepReceipt};
use super::penalty::penalised;
use super::{GenerationError, LikelyToken, Sampling, StopStream};
use crate::error::RunError;
use crate::plan::{Example, Receipt, ResolvedCollect, ResolvedPlan};
use crate::{Budget, Decode, Distribution, Sequence, Showed};

/// Writes text behind the bases of a plan, with the plan's edits.
///
/// What a sample says depends on its prompt, its edits, the seed and its number alone: not on the prompts
/// beside it, nor on the number of threads. (Two things are exceptions, as for executors: noise is drawn by
/// the example's number, and edited attention patterns round otherwise in another batch.)
#[derive(Clone, Debug, PartialEq)]
pub struct Generator {
    /// How many tokens are generated at most behind each prompt.
    pub max_new_tokens: usize,
    /// The tokens that end a text; `None` stands for those that the model's own files name, and in a conversation also for
    /// that by which the chat template ends a turn.
    pub stop: Option<Vec<u32>>,
    /// Texts that end a continuation too, wherever they stand in it.
    pub stop_texts: Vec<String>,
    /// Makes tokens less likely that are in the text already, its prompt included: their logits are divided by it, or
    /// multiplied where they are below 0. Above 0; 1 changes nothing.
    pub repetition_penalty: Option<f64>,
    /// How tokens are drawn; `None` takes the likeliest, of equally likely ones that with the lower id.
    pub sampling: Option<Sampling>,
    /// Of how many of the likeliest tokens the log-probability is kept at each step.
    pub likeliest: usize,
    /// What the draws depend on.
    pub seed: u64,
    /// How many texts are written behind each prompt, which is read once for all of them.
    pub samples: usize,
    /// About how many bytes keys, values and rows may take beside the weights: as many prompts are written behind at once as
    /// fit. Default: a quarter of what the system has free.
    pub memory: Option<usize>,
}

impl Default for Generator {
    fn default() -> Self {
        Self {
            max_new_tokens: 64,
            stop: None,
            stop_texts: Vec::new(),
            repetition_penalty: None,
            sampling: None,
            likeliest: 0,
            seed: 0,
            samples: 1,
            memory: None,
        }
    }
}

impl Generator {
    /// Samples of each prompt at most: each keeps keys and values of its own.
    pub const MOST_SAMPLES: usize = 4096;

    /// Refuses what cannot be run, before a weight is read.
    ///
    /// # Errors
    /// What is wrong with the settings, or with the plan for them; a plan of another model.
    pub fn check(&self, outline: &Outline, plan: &ResolvedPlan) -> Result<(), GenerationError> {
        plan.expect(outline.key()).map_err(RunError::from)?;
        if self.max_new_tokens == 0 {
            return Err(GenerationError::NothingToGenerate);
        }
        match (self.samples, &self.sampling) {
            (0, _) => return Err(GenerationError::NoSamples),
            (samples, _) if samples > Self::MOST_SAMPLES => {
                return Err(GenerationError::ManySamples { samples, most: Self::MOST_SAMPLES });
            }
            (2.., None) => return Err(GenerationError::GreedySamples { samples: self.samples }),
            (_, Some(sampling)) => sampling.check()?,
            (1, None) => {}
        }
        if let Some(penalty) = self.repetition_penalty
            && !(penalty.is_finite() && penalty > 0.0)
        {
            return Err(GenerationError::RepetitionPenalty { penalty });
        }
        if self.stop_texts.iter().any(String::is_empty) {
            return Err(GenerationError::EmptyStop);
        }
        let config = outline.config();
        let (family, vocabulary) = (config.family, config.vocabulary);
        if config.inputs != vocabulary {
            return Err(GenerationError::Classifier { family, classes: vocabulary });
        }
        if let Some(layer) = (0..config.layers.len()).find(|&layer| config.recurs(layer)) {
            return Err(GenerationError::Recurrent { family, layer });
        }
        let mut stop = self.stop.iter().flatten();
        if let Some(&token) = stop.find(|&&token| token as usize >= vocabulary) {
            return Err(GenerationError::UnknownToken { token, vocabulary });
        }
        for (example, texts) in plan.examples.iter().enumerate() {
            self.refuse_other_frequencies(config, example, texts.base.len())?;
        }
        let is_pattern = |collect: &&ResolvedCollect| collect.site.component().is_pattern();
        if let Some(collect) = plan.collects.iter().find(is_pattern) {
            return Err(GenerationError::CollectsPattern { site: collect.site });
        }
        for (edit, resolved) in plan.edits.iter().enumerate() {
            let max_new_tokens = self.max_new_tokens;
            match resolved.when.last_named() {
                Some(step) if step >= max_new_tokens => {
                    let site = resolved.site;
                    return Err(GenerationError::NoSuchStep { edit, site, step, max_new_tokens });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Refuses a text that would grow past a length at which its first tokens are turned otherwise: their
    /// keys are kept as they were.
    fn refuse_other_frequencies(
        &self,
        config: &DecoderConfig,
        example: usize,
        prompt: usize,
    ) -> Result<(), GenerationError> {
        let longest = prompt.saturating_add(self.max_new_tokens - 1).min(config.context);
        let after = config.longest_like(prompt);
        if longest <= after {
            return Ok(());
        }
        let (max_new_tokens, most) = (self.max_new_tokens, after - prompt + 1);
        Err(GenerationError::RotaryChanges { example, prompt, max_new_tokens, after, most })
    }

    /// Writes the texts. `each` is told of every token as it comes, and may break off: the texts are
    /// then given as far as they came. With each token comes what the plan collects ([`NewToken::collected`]). What the
    /// plan reads of distributions is of no concern here.
    ///
    /// # Errors
    /// As [`Generator::check`]; failures of the computation or of an intervention.
    pub fn run(
        &self,
        model: &Model,
        plan: &ResolvedPlan,
        each: &mut dyn FnMut(&NewToken<'_>) -> ControlFlow<()>,
    ) -> Result<Generation, GenerationError> {
        self.check(model, plan)?;
        let writer = Writer {
            generator: self,
            outline: model,
            plan,
            context: model.config().context,
            receipts: Vec::new(),
            each,
        };
        match model.fused()? {
            Some(decoder) => writer.write(decoder),
            None => writer.write(model.plain()?),
        }
    }
}

/// A generation that is going on.
struct Writer<'a, 'e> {
    generator: &'a Generator,
    outline: &'a Outline,
    plan: &'a ResolvedPlan,
    context: usize,
    receipts: Vec<StepReceipt>,
    each: &'e mut dyn FnMut(&NewToken<'_>) -> ControlFlow<()>,
}

/// A text that is being written.
struct Text<'a> {
    sequence: Sequence,
    /// What was written, where texts may end it.
    stream: Option<StopStream<'a>>,
    is_original: bool,
    /// How many tokens fit behind the prompt.
    room: usize,
    draws: Draws,
    is_done: bool,
    so_far: Continuation,
}

impl<'a> Writer<'a, '_> {
    fn write<O: Operations>(mut self, decoder: &Decoder<O>) -> Result<Generation, GenerationError> {
        let memory = self.generator.memory;
        let bytes = Budget::of(memory).bytes.min(Budget::kept(memory).max(1));
        let mut runs = Decode::new(decoder, self.plan, bytes)?;
        self.receipts.extend(runs.source_receipts().iter().cloned().map(of_prompt));
        let size_of_value = decoder.operations().plain().dtype().size_in_bytes();
        let (mut texts, mut flow) = (Vec::new(), ControlFlow::Continue(()));
        for group in self.groups(decoder.config(), size_of_value)? {
            if flow.is_break() {
                texts.extend(self.unwritten(group));
                continue;
            }
            let (written, so_far) = self.write_group(&mut runs, group)?;
            texts.extend(written.into_iter().map(|text| (text.is_original, text.so_far)));
            flow = so_far;
            runs.forget();
        }
        self.receipts.sort_by_key(|made| {
            let edit = if made.step == 0 { made.receipt.edit } else { 0 };
            (made.step, made.receipt.example, edit)
        });
        let of = |is_original: bool| {
            let texts = texts.iter().filter(|(original, _)| *original == is_original);
            texts.map(|(_, text)| text.clone()).collect()
        };
        Ok(Generation { continuations: of(false), originals: of(true), receipts: self.receipts })
    }

    /// Prompts, by example, that are written behind at once.
    fn groups(
        &self,
        config: &DecoderConfig,
        size_of_value: usize,
    ) -> Result<Vec<Range<usize>>, RunError> {
        let (generator, memory) = (self.generator, self.generator.memory);
        let of_row = 2 * config.layers.len() * config.key_value_heads * config.head_dim;
        let runs = self.plan.base_runs().len();
        let bytes = |example: &Example| {
            let new = generator.samples.saturating_mul(generator.max_new_tokens);
            let rows = example.base.len().saturating_add(new);
            rows.saturating_mul(runs * of_row * size_of_value)
        };
        let (budget, most) = (Budget::of(memory), Budget::kept(memory));
        let all: Vec<usize> = self.plan.examples().iter().map(bytes).collect();
        budget.holds(all.iter().max().map_or(0, |bytes| bytes.saturating_mul(2)))?;
        let (mut groups, mut taken): (Vec<Range<usize>>, usize) = (Vec::new(), 0);
        for (index, bytes) in all.into_iter().enumerate() {
            match groups.last_mut() {
                Some(group) if taken.saturating_add(bytes) <= most => group.end = index + 1,
                _ => {
                    groups.push(index..index + 1);
                    taken = 0;
                }
            }
            taken = taken.saturating_add(bytes);
        }
        Ok(groups)
    }

    /// Writes behind some prompts; whether to go on.
    fn write_group<O: Operations>(
        &mut self,
        runs: &mut Decode<'_, O>,
        group: Range<usize>,
    ) -> Result<(Vec<Text<'a>>, ControlFlow<()>), GenerationError> {
        let (mut texts, first) = self.begin(runs, group)?;
        let mut flow = ControlFlow::Continue(());
        for (text, prompt) in texts.iter_mut().zip(&first.places) {
            let showed = (&first.distributions[*prompt], &first.collected[*prompt][..]);
            flow = self.take(text, 0, showed)?;
            if flow.is_break() {
                break;
            }
        }
        for step in 1..self.generator.max_new_tokens {
            let mut live: Vec<&mut Text<'a>> =
                texts.iter_mut().filter(|text| !text.is_done).collect();
            if live.is_empty() || flow.is_break() {
                break;
            }
            let last: Vec<u32> =
                live.iter().filter_map(|text| text.so_far.tokens.last().copied()).collect();
            let mut sequences: Vec<&mut Sequence> =
                live.iter_mut().map(|text| &mut text.sequence).collect();
            let Showed { distributions, collected, receipts: made } =
                runs.step(step, &mut sequences, &last)?;
            self.receipts.extend(made.into_iter().map(|(place, receipt)| StepReceipt {
                step,
                sample: live[place].so_far.sample,
                receipt,
            }));
            let showed = distributions.iter().zip(collected.iter().map(Vec::as_slice));
            for (text, showed) in live.into_iter().zip(showed) {
                flow = self.take(text, step, showed)?;
                if flow.is_break() {
                    break;
                }
            }
        }
        Ok((texts, flow))
    }

    /// The prompts of a group, each with its edits and, where that is wanted, without.
    fn kinds(&self, group: Range<usize>) -> impl Iterator<Item = (usize, bool)> + use<> {
        self.plan
            .base_runs()
            .iter()
            .flat_map(move |&is_edited| group.clone().map(move |of| (of, is_edited)))
    }

    /// Texts of prompts that were not come to.
    fn unwritten(&self, group: Range<usize>) -> Vec<(bool, Continuation)> {
        let samples = self.generator.samples;
        let of_prompt = |(prompt, is_edited): (usize, bool)| {
            (0..samples).map(move |sample| (!is_edited, Continuation::new(prompt, sample)))
        };
        self.kinds(group).flat_map(of_prompt).collect()
    }

    /// Reads the prompts, and begins the texts behind them.
    fn begin<O: Operations>(
        &mut self,
        runs: &mut Decode<'_, O>,
        group: Range<usize>,
    ) -> Result<(Vec<Text<'a>>, First), GenerationError> {
        let examples = self.plan.examples();
        let kinds: Vec<(usize, bool)> = self.kinds(group).collect();
        let mut sequences: Vec<Sequence> =
            kinds.iter().map(|&(example, is_edited)| Sequence::new(example, is_edited)).collect();
        let Showed { distributions, collected, receipts: made } =
            runs.read(&mut sequences.iter_mut().collect::<Vec<_>>())?;
        self.receipts.extend(made.into_iter().map(|(_, made)| of_prompt(made)));
        let (mut texts, mut places) = (Vec::new(), Vec::new());
        for (place, ((prompt, is_edited), sequence)) in kinds.into_iter().zip(sequences).enumerate()
        {
            let base = &examples[prompt].base;
            let (tokens, stops) = (base.tokens(), &self.generator.stop_texts);
            for sample in 0..self.generator.samples {
                let key = tokens.iter().map(|&token| u64::from(token));
                let stream = || StopStream::new(self.outline, base, stops);
                texts.push(Text {
                    sequence: sequence.clone(),
                    stream: (!stops.is_empty()).then(stream),
                    is_original: !is_edited,
                    // The last token's own row is never needed.
                    room: self.context - tokens.len() + 1,
                    draws: Draws::new([self.generator.seed, sample as u64].into_iter().chain(key)),
                    is_done: false,
                    so_far: Continuation::new(prompt, sample),
                });
                places.push(place);
            }
        }
        Ok((texts, First { distributions, collected, places }))
    }

    /// Takes a text's next token.
    fn take(
        &mut self,
        text: &mut Text<'a>,
        step: usize,
        (distribution, collected): (&Distribution, &[Tensor]),
    ) -> Result<ControlFlow<()>, GenerationError> {
        let generator = self.generator;
        let base = &self.plan.examples()[text.so_far.prompt].base;
        let penalised = generator.repetition_penalty.map(|penalty| {
            let so_far = base.tokens().iter().chain(&text.so_far.tokens).copied();
            penalised(distribution, so_far, penalty)
        });
        let from = penalised.as_ref().unwrap_or(distribution);
        let token = match &generator.sampling {
            Some(sampling) => sampling.draw(from, text.draws.uniform()),
            None => from.likeliest(),
        };
        let likely = |token: u32| LikelyToken {
            token,
            // It is of this very distribution.
            log_probability: distribution.log_probability(token).unwrap_or(f64::NAN),
        };
        let Continuation {
            prompt,
            sample,
            tokens,
            log_probabilities,
            likeliest,
            end: so_far,
            stop_text,
        } = &mut text.so_far;
        tokens.push(token);
        log_probabilities.push(likely(token).log_probability);
        if generator.likeliest > 0 {
            let top = distribution.top(generator.likeliest);
            likeliest.push(top.into_iter().map(likely).collect());
        }
        let ends = match &generator.stop {
            Some(stop) => stop.contains(&token),
            None => {
                let ends = self.outline.tokenizer().ends();
                ends.contains(&token) || base.turn_end() == Some(token)
            }
        };
        if let Some(stream) = text.stream.as_mut().filter(|_| !ends) {
            stream.push(token)?;
            *stop_text = stream.found().map(str::to_owned);
        }
        let end = if ends {
            Some(End::Stop)
        } else if stop_text.is_some() {
            Some(End::StopText)
        } else if tokens.len() == generator.max_new_tokens {
            Some(End::Enough)
        } else if tokens.len() == text.room {
            Some(End::ContextFull)
        } else {
            None
        };
        if let Some(end) = end {
            text.is_done = true;
            *so_far = end;
        }
        let (prompt, sample, is_original) = (*prompt, *sample, text.is_original);
        Ok((self.each)(&NewToken {
            prompt,
            sample,
            is_original,
            step,
            token,
            distribution,
            collected,
            end,
        }))
    }
}

/// An edit that was made on a prompt.
fn of_prompt(receipt: Receipt) -> StepReceipt {
    StepReceipt { step: 0, sample: 0, receipt }
}

/// What the prompts showed, and the place among them of each text's prompt.
struct First {
    distributions: Vec<Distribution>,
    collected: Vec<Vec<Tensor>>,
    places: Vec<usize>,
}
