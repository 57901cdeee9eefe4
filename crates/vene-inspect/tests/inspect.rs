//! What a look inside gives, against plain PyTorch (`fixtures/make_inspect.py`), and what must hold on every model.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::HashMap;

use candle_core::{DType, Tensor};
use vene_data::{Row, task::Task};
use vene_engine::{Edit, Executor, Forked, Plan, Positions};
use vene_inspect::attribution::{Attribution, Term};
use vene_inspect::composition::{Input, compositions, copying};
use vene_inspect::{InspectError, RowsAsked, Subject, Summary, attention, lens, weights};
use vene_model::{BeginningOfSequence, BlockKind, Component, Model, Precision};
use vene_statistics::Bootstrap;
use vene_table::Table;
use vene_test_support::{Fixture, model_names, tensors};

const PROMPT: [u32; 10] = [5, 9, 7, 12, 5, 9, 7, 3, 9, 7];
const TARGET: u32 = 7;
const FOIL: u32 = 12;

struct Case {
    name: &'static str,
    model: Model,
    values: HashMap<String, Tensor>,
}

impl Case {
    fn all() -> Vec<Self> {
        ["gpt2-plain", "llama-gqa", "gemma3-plain"]
            .map(|name| Self {
                name,
                model: Fixture::new(name).load(Precision::Single),
                values: tensors(&format!("inspect/{name}.safetensors")),
            })
            .into()
    }

    fn subject(&self) -> Subject {
        let prompt = self.model.prompt_from_tokens(&PROMPT).unwrap();
        Subject::new(prompt).asking("target", TARGET).asking("foil", FOIL)
    }

    fn values(&self, name: &str) -> Vec<f64> {
        self.values[name].to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    #[track_caller]
    fn compare(&self, what: &str, found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len(), "{}, {what}", self.name);
        let size = expected.iter().fold(0.0, |size: f64, value| size.max(value.abs())).max(1e-2);
        for (at, (one, other)) in found.iter().zip(expected).enumerate() {
            assert!(
                (one - other).abs() < 2e-5 * size,
                "{}, {what} {at}: {one}, not {other}",
                self.name
            );
        }
    }
}

/// The values of a column in the rows of a component (and of all, where none is named), in order.
fn column(table: &Table, name: &str, component: Option<Term>) -> Vec<f64> {
    let values = table.optional_floats(name).unwrap();
    let rows = 0..table.rows();
    match component {
        Some(term) => {
            let components = table.text("component").unwrap();
            rows.filter(|&row| components[row] == term.name())
                .map(|row| values[row].unwrap())
                .collect()
        }
        None => rows.map(|row| values[row].unwrap()).collect(),
    }
}

#[test]
fn the_lens_shows_what_pytorch_computes() {
    for case in Case::all() {
        let expected = case.values("lens");
        let vocabulary = case.model.config().vocabulary;
        let depths = case.model.config().layers.len() + 1;
        let found = lens::lens(&case.model, &[case.subject()], 3).unwrap();
        // Position by position, depth by depth, target and foil.
        let at = |position: usize, depth: usize, token: u32| {
            expected[(depth * PROMPT.len() + position) * vocabulary + token as usize]
        };
        let mut logits = Vec::new();
        for position in 0..PROMPT.len() {
            for depth in 0..depths {
                logits.extend([at(position, depth, TARGET), at(position, depth, FOIL)]);
            }
        }
        case.compare("logits", &column(&found.numbers, "logit", None), &logits);
        // Rank, divergence and the likeliest by their formulas on PyTorch's logits.
        let (mut ranks, mut divergences, mut likeliest) = (Vec::new(), Vec::new(), Vec::new());
        let row = |position, depth| -> Vec<f64> {
            (0..vocabulary).map(|token| at(position, depth, token as u32)).collect()
        };
        let logs = |logits: &[f64]| -> Vec<f64> {
            let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
            logits.iter().map(|logit| logit - sum.ln()).collect()
        };
        for position in 0..PROMPT.len() {
            let end = logs(&row(position, depths - 1));
            for depth in 0..depths {
                let here = row(position, depth);
                for token in [TARGET, FOIL] {
                    let larger = here.iter().filter(|logit| **logit > here[token as usize]).count();
                    ranks.push(larger as f64);
                    let log = logs(&here);
                    let terms = end.iter().zip(&log).map(|(p, q)| p.exp() * (p - q));
                    divergences.push(terms.sum::<f64>());
                }
                let mut order: Vec<usize> = (0..vocabulary).collect();
                order.sort_by(|one, other| here[*other].total_cmp(&here[*one]));
                likeliest.extend(order[..3].iter().map(|token| *token as i64));
            }
        }
        assert_eq!(column(&found.numbers, "rank", None), ranks, "{}", case.name);
        case.compare("kl", &column(&found.numbers, "kl", None), &divergences);
        assert_eq!(found.likeliest.integers("id").unwrap(), likeliest, "{}", case.name);
    }
}

#[test]
fn attributions_are_those_of_pytorch() {
    for case in Case::all() {
        let subject = case.subject().at(&Positions::Last).unwrap();
        let found = Attribution::new(&case.model).unwrap().of(&[subject], true).unwrap();
        let of = |term| column(&found.terms, "contribution", Some(term));
        case.compare("heads", &of(Term::Head), &case.values("heads"));
        case.compare("mlps", &of(Term::Mlp), &case.values("mlps"));
        let direct = |term| column(&found.terms, "direct_effect", Some(term));
        case.compare("direct heads", &direct(Term::Head), &case.values("direct_heads"));
        case.compare("direct mlps", &direct(Term::Mlp), &case.values("direct_mlps"));
        let biases = case.values("biases");
        let (attention, mlp) = biases.split_at(biases.len() / 2);
        for (term, expected) in [(Term::AttentionBias, attention), (Term::MlpBias, mlp)] {
            let found = of(term);
            if found.is_empty() {
                assert!(expected.iter().all(|bias| *bias == 0.0), "{}", case.name);
            } else {
                case.compare("biases", &found, expected);
            }
        }
        let scalars = case.values("scalars");
        case.compare("embedding", &of(Term::Embedding), &scalars[..1]);
        for (term, expected) in
            [(Term::PositionEmbedding, scalars[1]), (Term::FinalNormBias, scalars[2])]
        {
            assert_eq!(of(term).is_empty(), expected == 0.0, "{}, {term:?}", case.name);
            if expected != 0.0 {
                case.compare(term.name(), &of(term), &[expected]);
            }
        }
        case.compare("logit", &column(&found.totals, "logit", None), &scalars[3..]);
    }
}

#[test]
fn head_scores_are_those_of_pytorch() {
    for case in Case::all() {
        let table = attention::scores(&case.model, &[case.subject()]).unwrap();
        let columns = attention::METRICS.map(|name| table.floats(name).unwrap());
        let found: Vec<f64> =
            (0..table.rows()).flat_map(|row| columns.map(|column| column[row])).collect();
        case.compare("scores", &found, &case.values("scores"));
    }
}

#[test]
fn compositions_are_those_of_whole_matrices() {
    for case in Case::all() {
        let table = compositions(&case.model, Input::ALL).unwrap();
        let expected = case.values("compositions");
        let heads = case.model.config().heads;
        let all = heads * case.model.config().layers.len();
        let inputs = table.text("input").unwrap();
        let number = |name: &str, row: usize| table.integers(name).unwrap()[row] as usize;
        let mut wanted = Vec::new();
        for (row, name) in inputs.iter().enumerate() {
            let input = Input::ALL.iter().position(|input| input.name() == *name).unwrap();
            let later = number("layer", row) * heads + number("head", row);
            let earlier = number("earlier_layer", row) * heads + number("earlier_head", row);
            wanted.push(expected[(input * all + later) * all + earlier]);
        }
        assert_eq!(wanted.iter().filter(|value| **value > 0.0).count(), wanted.len());
        case.compare("compositions", table.floats("composition").unwrap(), &wanted);
    }
}

#[test]
fn copying_scores_are_those_of_the_whole_circuit() {
    for case in Case::all() {
        let table = copying(&case.model).unwrap();
        case.compare("copying", table.floats("copying").unwrap(), &case.values("copying"));
    }
}

/// Whatever the family: pre- and post-norms, parallel blocks, mixtures of experts, scales, caps, biases.
#[test]
fn the_parts_add_up_to_the_logit_on_every_model() {
    let mut transformers = 0;
    for name in model_names() {
        let fixture = Fixture::new(&name);
        for (precision, tolerance) in [(Precision::Single, 1e-4), (Precision::Double, 1e-9)] {
            let model = fixture.load(precision);
            if model.config().only_kind() != Some(BlockKind::Transformer) {
                let refused = Attribution::new(&model).map(drop).unwrap_err();
                assert!(matches!(refused, InspectError::NotATransformer { .. }), "{name}");
                continue;
            }
            transformers += 1;
            let attribution = Attribution::new(&model).unwrap();
            for asked in [&[TARGET, FOIL][..], &[TARGET]] {
                let subjects: Vec<Subject> = fixture
                    .prompts_for(&model)
                    .into_iter()
                    .map(|prompt| {
                        asked.iter().fold(Subject::new(prompt), |subject, &token| {
                            subject.asking("t", token)
                        })
                    })
                    .collect();
                let found = attribution.of(&subjects, false).unwrap();
                let terms = column(&found.terms, "contribution", None);
                let size = terms.iter().fold(0.0, |size: f64, term| size.max(term.abs()));
                let (logits, sums) =
                    (column(&found.totals, "logit", None), column(&found.totals, "sum", None));
                let outputs = column(&found.totals, "output", None);
                for ((logit, sum), output) in logits.iter().zip(&sums).zip(&outputs) {
                    let error = (logit - sum).abs() / size.max(logit.abs());
                    assert!(error < tolerance, "{name}, {precision:?}: {logit}, {sum}");
                    if model.config().logit_soft_cap.is_none() {
                        // It is what the engine gives out.
                        let error = (logit - output).abs() / size.max(logit.abs());
                        assert!(error < tolerance, "{name}, {precision:?}: {logit}, {output}");
                    }
                }
            }
        }
    }
    assert!(transformers > 150, "{transformers}");
}

/// After the last layer the lens is the model's own answer.
#[test]
fn the_lens_ends_at_the_models_answer_on_every_model() {
    for name in model_names() {
        let fixture = Fixture::new(&name);
        let model = fixture.load(Precision::Single);
        let prompts = fixture.prompts_for(&model);
        let told = Forked::new(&model).predict(&prompts.iter().collect::<Vec<_>>()).unwrap();
        for (prompt, told) in prompts.iter().zip(told) {
            let subject = Subject::new(prompt.clone()).at(&Positions::Last).unwrap();
            let found = match lens::lens(&model, &[subject], 1) {
                Ok(found) => found.numbers,
                Err(InspectError::NotATransformer { .. }) if name.starts_with("gru") => continue,
                Err(error) => panic!("{name}: {error}"),
            };
            let last = found.rows() - 1;
            let top = found.text("token").unwrap()[last];
            assert_eq!(top, model.tokenizer().display(told.likeliest()), "{name}");
            let probability = found.floats("probability").unwrap()[last];
            let expected = told.probability(told.likeliest()).unwrap();
            assert!((probability - expected).abs() < 1e-5, "{name}: {probability}, {expected}");
            assert!(found.floats("kl").unwrap()[last] < 1e-6, "{name}");
            assert_eq!(found.rows(), model.config().layers.len() + 1, "{name}");
        }
    }
}

/// Under an edit the stream after it is another, the one before it is the same, and the end is the edited run's.
#[test]
fn the_lens_sees_edits() {
    let model = Model::load("embedded").unwrap();
    let prompt = |text: &str| model.prompt(text).unwrap();
    let subject = Subject::new(prompt("The capital of Spain is")).at(&Positions::Last).unwrap();
    let edit = Edit::interchange(Component::BlockOutput, 2)
        .at(Positions::last_of("Spain"))
        .from(Positions::last_of("Italy"));
    let edited =
        subject.clone().edited(Plan::new().edit(edit), [prompt("The capital of Italy is")]);
    let found = [subject, edited].map(|subject| lens::lens(&model, &[subject], 0).unwrap().numbers);
    let tops = found.each_ref().map(|table| table.text("top").unwrap());
    assert_eq!(tops[0][..4], tops[1][..4]);
    assert_eq!([tops[0][8], tops[1][8]], ["_Madrid", "_Rome"]);
    assert!(found[1].floats("kl").unwrap()[8] < 1e-9);
}

/// Means over rows are those of the rows' own numbers, and groups are what is drawn again.
#[test]
fn rows_are_summarised_by_group() {
    let model = Model::load("embedded").unwrap();
    let task: Task = "capital".parse().unwrap();
    let rows: Vec<Row> = task.rows(&model, 24, 1).unwrap().rows;
    let roles = ["subject_last".parse().unwrap(), "last".parse().unwrap()];
    let plan = Plan::new();
    let asked = RowsAsked {
        roles: &roles,
        plan: &plan,
        form: BeginningOfSequence::Model.into(),
        needs_target: true,
        needs_foil: true,
    };
    let subjects = asked.of(&model, &rows).unwrap().subjects;
    assert_eq!(subjects.len(), 24);
    let attribution = Attribution::new(&model).unwrap();
    let mut summary = Summary::new(&subjects, vene_inspect::attribution::KEYS, ["contribution"]);
    let mut whole = Vec::new();
    for some in subjects.chunks(10) {
        let table = attribution.of(some, false).unwrap().terms;
        summary.add(&table).unwrap();
        whole.push(table);
    }
    let table = summary.table(&Bootstrap::default()).unwrap();
    let find = |table: &Table, head: i64, role: &str| -> Vec<usize> {
        let (layers, heads) =
            (table.optional_integers("layer").unwrap(), table.optional_integers("head").unwrap());
        let roles = table.text("role").unwrap();
        (0..table.rows())
            .filter(|&row| (layers[row], heads[row], roles[row]) == (Some(6), Some(head), role))
            .collect()
    };
    for head in 0..2 {
        let values: Vec<f64> = whole
            .iter()
            .flat_map(|table| {
                let rows = find(table, head, "last").into_iter();
                rows.map(|row| table.floats("contribution").unwrap()[row]).collect::<Vec<_>>()
            })
            .collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let [row] = find(&table, head, "last")[..] else { panic!("one row") };
        assert!((table.optional_floats("mean").unwrap()[row].unwrap() - mean).abs() < 1e-12);
        assert_eq!(table.integers("n").unwrap()[row], 24);
        let groups: std::collections::BTreeSet<_> =
            subjects.iter().map(|subject| subject.group.clone()).collect();
        assert_eq!(table.integers("clusters").unwrap()[row], groups.len() as i64);
        assert!(table.optional_floats("low").unwrap()[row].unwrap() <= mean);
    }
}

/// A weight by name is the file's, in one layout: what is listed can be read, in the shape that the list has.
#[test]
fn every_weight_of_every_model_is_read_by_its_name() {
    for name in model_names() {
        let fixture = Fixture::new(&name);
        let outline = fixture.outline().unwrap();
        let known = weights::list(&outline).unwrap();
        let names: Vec<&str> = known.iter().map(|info| info.name.as_str()).collect();
        let values = weights::read_all(&outline, &names).unwrap();
        assert_eq!(values.len(), known.len(), "{name}");
        for ((found, tensor), info) in values.iter().zip(&known) {
            assert_eq!((found, &tensor.shape), (&info.name, &info.shape), "{name}");
            assert_eq!(tensor.data.len(), info.shape.iter().product::<usize>(), "{name}, {found}");
        }
        assert_eq!(
            names.iter().collect::<std::collections::BTreeSet<_>>().len(),
            names.len(),
            "{name}"
        );
    }
    let model = Fixture::new("gpt2-plain").outline().unwrap();
    let file = tensors("models/gpt2-plain/model.safetensors");
    let stored = file.iter().find(|(name, _)| name.ends_with("h.1.attn.c_attn.weight")).unwrap().1;
    // `[d_model, 3 d_model]` there: queries, keys, values.
    let width = model.config().d_model;
    let keys = stored.narrow(1, width, width).unwrap().t().unwrap().flatten_all().unwrap();
    let found = weights::read(&model, "layers.1.key.weight").unwrap();
    assert_eq!(found.data, keys.to_vec1::<f32>().unwrap());
    let refused = weights::read(&model, "layers.1.keys.weight").unwrap_err().to_string();
    assert!(
        refused.contains("layers.1.keys.weight")
            && refused.contains("did you mean `layers.1.key.weight`?"),
        "{refused}"
    );
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let model = Model::load("embedded").unwrap();
    let subject = || Subject::new(model.prompt("The capital of Spain is").unwrap());
    let attribution = Attribution::new(&model).unwrap();
    let nothing = attribution.of(&[subject()], false).unwrap_err();
    assert!(matches!(nothing, InspectError::NothingAsked), "{nothing}");
    let unknown = attribution.of(&[subject().asking("x", u32::MAX)], false).unwrap_err();
    assert!(matches!(unknown, InspectError::UnknownToken { .. }), "{unknown}");
    let unknown = lens::lens(&model, &[subject().asking("x", u32::MAX)], 1).unwrap_err();
    assert!(matches!(unknown, InspectError::UnknownToken { .. }), "{unknown}");
    let nowhere = subject().at(&Positions::index(99)).unwrap_err().to_string();
    assert!(nowhere.contains("99"), "{nowhere}");
    let config = model.config();
    assert!(matches!(
        attention::heads(config, Some(&[99]), None),
        Err(InspectError::NoLayer { .. })
    ));
    assert!(matches!(
        attention::heads(config, None, Some(&[99])),
        Err(InspectError::NoHead { .. })
    ));
}
