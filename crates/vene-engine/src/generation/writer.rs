//! A generation that is going on: prompts are read, a token is taken of each distribution, and the texts are extended by it.

use std::ops::{ControlFlow, Range};

use candle_core::Tensor;
use vene_model::{Decoder, DecoderConfig, Operations, Outline};
use vene_random::Draws;

use super::continuation::{Continuation, End, Generation, NewToken, StepReceipt};
use super::penalty::penalised;
use super::{GenerationError, Generator, LikelyToken, StopStream};
use crate::error::RunError;
use crate::plan::{Example, Receipt, ResolvedPlan};
use crate::{Budget, Decode, Distribution, Sequence, Showed};

/// A generation that is going on.
pub(super) struct Writer<'a, 'e> {
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

impl<'a, 'e> Writer<'a, 'e> {
    /// Of nothing yet.
    pub(super) fn new(
        generator: &'a Generator,
        outline: &'a Outline,
        plan: &'a ResolvedPlan,
        each: &'e mut dyn FnMut(&NewToken<'_>) -> ControlFlow<()>,
    ) -> Self {
        let (context, receipts) = (outline.config().context, Vec::new());
        Self { generator, outline, plan, context, receipts, each }
    }

    /// Writes all texts.
    pub(super) fn write<O: Operations>(
        mut self,
        decoder: &Decoder<O>,
    ) -> Result<Generation, GenerationError> {
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
