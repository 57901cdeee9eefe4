//! Where texts end, and who is told of what.

use std::ops::ControlFlow;

use vene::generation::{Continuation, End};
use vene::plan::ResolvedPlan;
use vene::{Example, Generator, Plan, Precision};

use super::{generate, greedy};
use crate::subject::{PLAIN, Subject};

fn unedited(subject: &Subject) -> ResolvedPlan {
    let prompts = [&subject.base, &subject.long];
    let examples = prompts.map(|prompt| Example::new(prompt.clone()));
    Plan::new().resolve(&subject.model, &examples).unwrap()
}

#[test]
fn a_stop_token_ends_its_own_text_alone() {
    let subject = Subject::new(PLAIN[1], Precision::Single);
    let plan = unedited(&subject);
    let free = generate(&greedy(8), &subject.model, &plan).continuations;
    let first = |text: &Continuation, token| text.tokens.iter().position(|&other| other == token);
    // A token of the first text that comes later in it than in the second, or never there.
    let stop = free[0].tokens[3];
    let stopped = Generator { stop: Some(vec![stop]), ..greedy(8) };
    let stopped = generate(&stopped, &subject.model, &plan).continuations;
    for (stopped, free) in stopped.iter().zip(&free) {
        match first(free, stop) {
            Some(place) => {
                assert_eq!(stopped.end, End::Stop);
                assert_eq!(stopped.tokens, free.tokens[..=place]);
            }
            None => assert_eq!((stopped.end, &stopped.tokens), (End::Enough, &free.tokens)),
        }
        assert_eq!(stopped.log_probabilities.len(), stopped.tokens.len());
    }
    assert_eq!(stopped[0].end, End::Stop);
    let text = stopped[0].text(&subject.model, &plan).unwrap();
    let words = text.split_whitespace().count();
    assert_eq!(words, stopped[0].tokens.len() - 1, "the stop token is no part of {text:?}");
}

#[test]
fn the_context_is_filled_to_its_end() {
    let subject = Subject::new(PLAIN[0], Precision::Single);
    let (plan, context) = (unedited(&subject), subject.model.config().context);
    let generation = generate(&greedy(1000), &subject.model, &plan);
    for (text, example) in generation.continuations.iter().zip(plan.examples()) {
        assert_eq!(text.end, End::ContextFull);
        // The last token needs no row of its own.
        assert_eq!(example.base.len() + text.tokens.len(), context + 1);
    }
    let full: Vec<u32> = (0..context as u32).collect();
    let plan = Plan::new().resolve(&subject.model, &[Example::new(subject.prompt(&full))]).unwrap();
    let text = generate(&greedy(1000), &subject.model, &plan).continuations.remove(0);
    assert_eq!((text.end, text.tokens.len()), (End::ContextFull, 1));
}

#[test]
fn whoever_is_told_may_break_off() {
    let subject = Subject::new(PLAIN[2], Precision::Single);
    let plan = unedited(&subject);
    let free = generate(&greedy(8), &subject.model, &plan);
    let mut told = Vec::new();
    let generation = greedy(8)
        .run(&subject.model, &plan, &mut |token| {
            told.push((token.step, token.prompt, token.token));
            if told.len() == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    let places: Vec<_> = told.iter().map(|(step, prompt, _)| (*step, *prompt)).collect();
    assert_eq!(places, [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]);
    for (step, prompt, token) in told {
        assert_eq!(free.continuations[prompt].tokens[step], token);
    }
    for (text, tokens) in generation.continuations.iter().zip([3, 2]) {
        assert_eq!((text.end, text.tokens.len()), (End::BrokenOff, tokens));
    }
}

#[test]
fn the_models_own_ends_are_the_default() {
    let subject = Subject::new(PLAIN[0], Precision::Single);
    // `eos_token_id` of its config.json.
    assert_eq!(subject.model.tokenizer().ends(), [0]);
    let plan = unedited(&subject);
    let own = Generator { stop: None, ..greedy(11) };
    let named = Generator { stop: Some(vec![0]), ..greedy(11) };
    assert_eq!(generate(&own, &subject.model, &plan), generate(&named, &subject.model, &plan));
}
