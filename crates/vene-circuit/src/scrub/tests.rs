//! The batched evaluation held to a plain recursive one: one node, one position at a time, every value of another row by a run of its own.
#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::Arc;

use candle_core::{DType, Tensor};
use vene_data::{Answers, PreparedRow, Row};
use vene_metric::LOG_PROBABILITY;
use vene_model::{Decoder, Model, Operations, Path, Precision, Query};
use vene_random::Draws;
use vene_test_support::Fixture;

use super::draw::{self, Candidates};
use super::evaluate::Scrub;
use super::kept::KeptRuns;
use super::resolved::{Entrance, Resolved, Senders};
use super::{Claim, Hypothesis, Scrubbing};
use crate::graph::{Graph, Receiver, Sender};
use crate::node_run::{NodeRun, Places};
use crate::options::CircuitRows;

const LENGTH: usize = 5;

/// Rows of few words, so that others agree with each.
fn rows(model: &Model, count: usize) -> Vec<PreparedRow> {
    let mut draws = Draws::new([7]);
    let mut row = |index: usize| {
        let tokens: Vec<u32> = (0..LENGTH).map(|_| 3 + draws.below(3) as u32).collect();
        let text = Row::of_base(format!("row {index}")).group(format!("group {}", index % 3));
        PreparedRow {
            index,
            row: text,
            base: model.prompt_from_tokens(&tokens).unwrap(),
            source: None,
            answers: Answers::new(&[vec![5]], &[]),
            base_positions: Vec::new(),
            source_positions: Vec::new(),
            base_read: Vec::new(),
            source_read: Vec::new(),
            further: Vec::new(),
        }
    };
    (0..count).map(&mut row).collect()
}

/// A hypothesis of up to three levels, drawn.
fn drawn(graph: &Graph, number: u64) -> Hypothesis {
    let mut draws = Draws::new([11, number]);
    let features = ["token", "token-1", "prefix", "tokens", "group"];
    let agrees = |draws: &mut Draws| -> Vec<&str> {
        match draws.below(6) {
            5 => Vec::new(),
            which => vec![features[which]],
        }
    };
    let of_layer = |layer: usize, draws: &mut Draws| -> Vec<String> {
        let senders = graph.senders().filter(|sender| sender.layer() == Some(layer));
        let chosen: Vec<String> =
            senders.filter(|_| draws.below(2) == 0).map(|sender| sender.to_string()).collect();
        match chosen.is_empty() {
            true => vec![format!("a{layer}.h0")],
            false => chosen,
        }
    };
    let reads = |claim: Claim, below: &[&str], draws: &mut Draws| {
        let mut claim = claim;
        let some = |draws: &mut Draws| -> Option<Vec<String>> {
            let is_given = draws.below(4) > 0;
            let chosen: Vec<&&str> = below.iter().filter(|_| draws.below(3) > 0).collect();
            is_given.then(|| chosen.into_iter().map(|node| (*node).to_owned()).collect())
        };
        if claim.senders.iter().any(|sender| sender.starts_with('a')) {
            claim.query = some(draws);
            claim.key = some(draws);
            claim.value = some(draws);
        }
        claim.reads = some(draws);
        claim
    };
    let late = Claim::new(of_layer(1, &mut draws), agrees(&mut draws));
    let late = reads(late, &["early", "input"], &mut draws);
    let early = Claim::new(of_layer(0, &mut draws), agrees(&mut draws));
    let early = reads(early, &["input"], &mut draws);
    let nodes = [
        ("early", early),
        ("input", Claim::new(["input"], agrees(&mut draws))),
        ("late", late),
        ("rest", Claim::new(["rest"], agrees(&mut draws))),
    ];
    // Each is read by the logits or by another node.
    let logits = match draws.below(3) {
        0 => vec!["late", "early", "input"],
        1 => vec!["late", "early", "input", "rest"],
        _ => vec!["rest", "late", "early", "input"],
    };
    let logits: Vec<String> = logits.into_iter().map(str::to_owned).collect();
    let has_rest = logits.len() == 4;
    let nodes = nodes.into_iter().filter(|(name, _)| *name != "rest" || has_rest);
    Hypothesis {
        name: format!("hypothesis {number}"),
        logits,
        baseline: Vec::new(),
        nodes: nodes.map(|(name, claim)| (name.to_owned(), claim)).collect(),
    }
}

/// Evaluates a tree as it is written down.
struct Plain<'a, O: Operations> {
    decoder: &'a Decoder<O>,
    graph: &'a Graph,
    rows: &'a [PreparedRow],
    hypothesis: &'a Resolved,
    candidates: &'a Candidates,
    passes: Cell<usize>,
}

impl<O: Operations> Plain<'_, O> {
    fn run(&self, row: usize) -> NodeRun<O> {
        self.passes.set(self.passes.get() + 1);
        NodeRun::of(self.decoder, self.rows[row].base.tokens()).unwrap()
    }

    fn at(&self, tensor: &O::Tensor, position: usize) -> Tensor {
        self.decoder.operations().values(tensor, &[position]).unwrap()
    }

    fn rows_of(&self, values: &Tensor) -> O::Tensor {
        self.decoder.operations().rows_of(values).unwrap()
    }

    /// What a sender adds at a position of a row: of a head what it mixes.
    fn own(&self, sender: Sender, row: usize, position: usize) -> Tensor {
        let run = self.run(row);
        let width = self.decoder.config().head_dim;
        match sender {
            Sender::Input => self.at(&run.input, position),
            Sender::Mlp { layer } => self.at(&run.layers[layer].mlp, position),
            Sender::Head { layer, head } => {
                self.at(&run.layers[layer].mixed, position).narrow(1, head * width, width).unwrap()
            }
        }
    }

    /// What a sender of a node adds, in a row that was drawn for the node.
    fn of_node(
        &self,
        number: usize,
        sender: Sender,
        (row, key): (usize, u64),
        position: usize,
    ) -> Tensor {
        let node = &self.hypothesis.nodes[number];
        if node.is_leaf() {
            return self.own(sender, row, position);
        }
        let decoder = self.decoder;
        let places = Places::of(decoder, LENGTH);
        match sender {
            Sender::Input => self.own(sender, row, position),
            Sender::Mlp { layer } => {
                let receiver = Receiver::Mlp { layer };
                let reads = node.reads(Entrance::Mlp);
                let read = self.read(reads, Entrance::Mlp, receiver, (row, key), position);
                let read = decoder.mlp_input(layer, &self.rows_of(&read)).unwrap();
                let output = decoder.mlp_output(layer, &read).unwrap();
                self.at(&decoder.mlp_contribution(layer, output).unwrap(), 0)
            }
            Sender::Head { layer, head } => {
                let receiver = Receiver::Query { layer, head };
                let input = |entrance, position| {
                    let reads = node.reads(entrance);
                    let read = self.read(reads, entrance, receiver, (row, key), position);
                    decoder.attention_input(layer, &self.rows_of(&read)).unwrap()
                };
                let query = input(Entrance::Query, position);
                let query =
                    places.with(&[position], |at| decoder.queries(layer, &query, at)).unwrap();
                let (mut keys, mut values) = (Vec::new(), Vec::new());
                for before in 0..=position {
                    let key = input(Entrance::Key, before);
                    keys.push(places.with(&[before], |at| decoder.keys(layer, &key, at)).unwrap());
                    values.push(decoder.values(layer, &input(Entrance::Value, before)).unwrap());
                }
                let operations = decoder.operations();
                let (keys, values) =
                    (operations.stack(&keys).unwrap(), operations.stack(&values).unwrap());
                let rows: Vec<u32> = (0..=position as u32).collect();
                let queries = [Query { row: 0, position: position as u32 }];
                let path = Path { rows: &rows, queries: &queries };
                let scoring = decoder.scoring(layer).unwrap();
                let mixed = operations.attend(&query, &keys, &values, &[path], scoring).unwrap();
                let width = decoder.config().head_dim;
                self.at(&mixed, 0).narrow(1, head * width, width).unwrap()
            }
        }
    }

    /// The residual stream at an input: all that is added before it, one part after the other.
    fn read(
        &self,
        reads: Option<&[usize]>,
        entrance: Entrance,
        receiver: Receiver,
        (row, key): (usize, u64),
        position: usize,
    ) -> Tensor {
        let before = self.graph.read_by(receiver);
        let Some(reads) = reads else {
            return self.sum(before, position, &|sender| self.own(sender, row, position));
        };
        let other = self.candidates.any(&self.rows[row], draw::of_other(key, entrance));
        let claims = |number: usize, sender: Sender| match &self.hypothesis.nodes[number].senders {
            Senders::Named(senders) => senders.contains(&sender),
            Senders::Rest => false,
        };
        let is_rest = |number: &&usize| self.hypothesis.nodes[**number].senders == Senders::Rest;
        self.sum(before, position, &|sender| {
            let node = reads.iter().find(|number| claims(**number, sender));
            let Some(&number) = node.or_else(|| reads.iter().find(is_rest)) else {
                return self.own(sender, other, position);
            };
            let node = &self.hypothesis.nodes[number];
            let at = node.is_by_position().then_some(position);
            let key = draw::of_child(key, entrance, number, at);
            let drawn = self.candidates.draw((number, node), &self.rows[row], at, key);
            self.of_node(number, sender, (drawn, key), position)
        })
    }

    /// What so many senders add, from the positions' embedding on.
    fn sum(&self, before: usize, position: usize, of: &dyn Fn(Sender) -> Tensor) -> Tensor {
        let decoder = self.decoder;
        // Whatever the token: what its position adds.
        let embedded = decoder.embed(&[3], &[position]).unwrap();
        let token = decoder.embed_tokens(&[3]).unwrap();
        let mut sum = (self.at(&embedded, 0) - self.at(&token, 0)).unwrap();
        sum = (sum + of(Sender::Input)).unwrap();
        for layer in 0..self.graph.layers() {
            let is_read = |sender| self.graph.sender_index(sender) < before;
            if is_read(Sender::Head { layer, head: 0 }) {
                let heads = 0..self.graph.heads();
                let mixed: Vec<Tensor> =
                    heads.map(|head| of(Sender::Head { layer, head })).collect();
                let mixed = Tensor::cat(&mixed, 1).unwrap().contiguous().unwrap();
                let output = decoder.attention_output(layer, &self.rows_of(&mixed)).unwrap();
                let added = decoder.attention_contribution(layer, output).unwrap();
                sum = (sum + self.at(&added, 0)).unwrap();
            }
            if is_read(Sender::Mlp { layer }) {
                sum = (sum + of(Sender::Mlp { layer })).unwrap();
            }
        }
        sum
    }

    fn logits(&self, row: usize, key: u64) -> Vec<f64> {
        let reads = Some(self.hypothesis.logits.as_slice());
        let end = self.read(reads, Entrance::Logits, Receiver::Logits, (row, key), LENGTH - 1);
        let normed = self.decoder.final_norm(&self.rows_of(&end)).unwrap();
        flat(&self.at(&normed, 0))
    }
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn batches_are_what_a_plain_recursion_gives() {
    for name in ["gpt2-plain", "llama-gqa", "gemma3-plain", "gpt_neox-parallel"] {
        let model = Fixture::new(name).load(Precision::Double);
        let decoder = model.plain().unwrap();
        let rows = rows(&model, 12);
        let metrics = [Arc::new(LOG_PROBABILITY) as _];
        let of_rows = CircuitRows::of_tokens(&model, rows.clone());
        let of_rows = of_rows.metrics(metrics).reads_source(false).build().unwrap();
        let graph = of_rows.graph();
        let (mut passes, mut computed) = (0, 0);
        for number in 0..8 {
            let hypothesis = drawn(graph, number);
            let hypothesis = Resolved::of(&hypothesis, graph, &rows, (&[], &[])).unwrap();
            let candidates = Candidates::of(&hypothesis, &rows);
            let plain = Plain {
                decoder,
                graph,
                rows: &rows,
                hypothesis: &hypothesis,
                candidates: &candidates,
                passes: Cell::new(0),
            };
            let runs = KeptRuns::default();
            let places = Places::of(decoder, LENGTH);
            let scrub = Scrub {
                decoder,
                graph,
                rows: &rows,
                hypothesis: &hypothesis,
                candidates: &candidates,
                runs: &runs,
                memory: usize::MAX,
                places: &places,
            };
            let row = number as usize;
            let keys: Vec<u64> = (0..2).map(|draw| draw::of_root(0, &rows[row], draw)).collect();
            let found = scrub.logits(row, &hypothesis.logits, &keys).unwrap();
            for (draw, &key) in keys.iter().enumerate() {
                let expected = plain.logits(row, key);
                let found = flat(&found.narrow(0, draw, 1).unwrap());
                for (found, expected) in found.iter().zip(&expected) {
                    let error = (found - expected).abs();
                    assert!(error < 1e-9, "{name}, hypothesis {number}, draw {draw}: {error}");
                }
            }
            passes += plain.passes.get();
            computed += runs.computed();
        }
        assert!(10 * computed < passes, "{name}: {computed} runs, of {passes} without sharing");
    }
}

fn scrubbing(model: &Model, rows: Vec<PreparedRow>, hypothesis: Hypothesis) -> Scrubbing {
    let metrics = [Arc::new(LOG_PROBABILITY) as _];
    let rows = CircuitRows::of_tokens(model, rows).metrics(metrics).reads_source(false);
    Scrubbing::new(rows.build().unwrap(), vec![hypothesis]).unwrap().draws(4)
}

#[test]
fn what_is_true_of_every_causal_model_loses_nothing() {
    // Whatever is computed at a position depends on the tokens up to it.
    let model = Fixture::new("gemma3-plain").load(Precision::Double);
    let layers = model.config().layers.len();
    let of_layer = |layer: usize| {
        let heads = (0..model.config().heads).map(move |head| format!("a{layer}.h{head}"));
        heads.chain([format!("m{layer}")]).collect::<Vec<_>>()
    };
    let before = (0..layers - 1).flat_map(of_layer).chain(["input".to_owned()]);
    let (mlp, heads): (Vec<String>, Vec<String>) =
        of_layer(layers - 1).into_iter().partition(|name| name.starts_with('m'));
    let nodes = [
        ("early", Claim::new(before, ["prefix"])),
        ("heads", Claim::new(heads, ["prefix"]).reads(["early"])),
        ("late", Claim::new(mlp, ["prefix"]).reads(["early", "heads"])),
    ];
    let nodes = nodes.map(|(name, claim)| (name.to_owned(), claim)).into();
    let logits = ["late", "heads", "early"].map(str::to_owned).to_vec();
    let hypothesis = Hypothesis { logits, nodes, ..Hypothesis::default() };
    let found = scrubbing(&model, rows(&model, 12), hypothesis);
    let choice = found.claims().unwrap();
    // It is no empty test: other rows are drawn.
    assert!(choice.floats("candidates").unwrap().iter().all(|&count| count > 1.5));
    for row in 0..6 {
        let of_row = found.run_row(&model, row, &mut |_| ControlFlow::Continue(())).unwrap();
        for run in &of_row.runs {
            assert!((run.value[0] - of_row.base[0]).abs() < 1e-9, "{row}: {of_row:?}");
        }
    }
}

#[test]
fn a_hypothesis_of_nothing_says_what_is_said_of_other_rows() {
    let model = Fixture::new("llama-gqa").load(Precision::Double);
    let nodes = [("input".to_owned(), Claim::new(["input"], Vec::<String>::new()))];
    let logits = vec!["input".to_owned()];
    let hypothesis = Hypothesis { logits, nodes: nodes.into(), ..Hypothesis::default() };
    let rows = rows(&model, 9);
    let found = scrubbing(&model, rows.clone(), hypothesis);
    let of = |row: usize| found.run_row(&model, row, &mut |_| ControlFlow::Continue(())).unwrap();
    let said: Vec<f64> = (0..rows.len()).map(|row| of(row).base[0]).collect();
    let of_first = of(0);
    for run in &of_first.runs {
        let is_said = |said: &&f64| (**said - run.baseline[0]).abs() < 1e-9;
        assert!(said.iter().any(|one| is_said(&one)), "{:?} in {said:?}", run.baseline);
    }
    assert!(of_first.runs.iter().any(|run| (run.baseline[0] - of_first.base[0]).abs() > 1e-6));
}
