"""Conversations as prompts, and how their answers end."""

import json
import shutil

import pytest
from conftest import ITALY, ROOT, SPAIN

import vene

# What a user says becomes the embedded model's own texts.
TEMPLATE = (
    "{% for turn in messages %}{% if turn.role == 'system' %}{{ turn.content }}: {% else %}{{ turn.content | trim }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %} is{% endif %}")
SAID = "The capital of Spain"


def turns(text, system=None):
    first = [] if system is None else [{"role": "system", "content": system}]
    return [*first, {"role": "user", "content": text}]


@pytest.fixture(scope="module")
def talker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("talker")
    for file in (ROOT / "crates/vene-embedded/model").iterdir():
        shutil.copy(file, folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    asked = {"eos_token_id": 0, "do_sample": True, "temperature": 0.4, "max_new_tokens": 2}
    (folder / "generation_config.json").write_text(json.dumps(asked))
    return vene.load(folder)


def test_a_conversation_is_a_prompt_like_any_other(talker):
    assert talker.chat_text(turns(f" {SAID}\n")) == SPAIN
    assert talker.tokens(turns(SAID)) == talker.tokens(SPAIN)
    assert talker.top(turns(SAID)) == talker.top(SPAIN)
    patch = {"edit": [{"intervention": "interchange", "component": "block_output", "layer": 2,
                       "positions": {"phrase": "Spain"}, "from": {"phrase": "Italy"}}]}
    one = talker.run(patch, turns(SAID), [turns("The capital of Italy")])
    assert one.logits().tolist() == talker.run(patch, SPAIN, [ITALY]).logits().tolist()
    table = talker.lens(turns(SAID), tokens=[" Madrid"]).table.to_pandas()
    assert table.equals(talker.lens(SPAIN, tokens=[" Madrid"]).table.to_pandas())


def test_texts_are_turns_where_that_is_asked_for(talker):
    with pytest.warns(UserWarning, match="as-configured"):
        (plain,) = talker.generate(SPAIN, 3)
        (said,) = talker.generate(SAID, 3, chat=True)
        (system,) = talker.generate(SAID, 3, chat=True, system="Geography")
        (written,) = talker.generate(f"Geography: {SPAIN}", 3)
    assert (said, system) == (plain, written)
    pair = {"components": "block_output", "layers": [1], "tokens": " Madrid"}
    one = talker.sweep(SAID, "The capital of Italy", chat=True, **pair)
    assert one.tokens.to_pandas().equals(talker.sweep(SPAIN, ITALY, **pair).tokens.to_pandas())


def test_runs_over_prompts_and_rows(talker):
    one = talker.collect([SAID], layers=[1], chat=True)["block_output/1"]
    assert one.tolist() == talker.collect([SPAIN], layers=[1])["block_output/1"].tolist()
    plan = {"edit": [{"intervention": "interchange", "component": "block_output", "layer": 2, "positions": {"role": "subject_last"}}]}
    rest = {"target": " Madrid", "foil": " Rome", "subject": "Spain", "source_subject": "Italy"}
    texts = [{"base": SPAIN, "source": ITALY, **rest}]
    said = [{"base": SAID, "source": "The capital of Italy", **rest}]
    messages = [{"messages": turns(SAID), "source_messages": turns("The capital of Italy"), **rest}]
    tables = [
        talker.run(plan, data=data, **more).examples.to_pandas()
        for data, more in [(texts, {}), (said, {"chat": True}), (messages, {})]]
    assert tables[0].equals(tables[1]) and tables[0].equals(tables[2])


def test_answers_end_where_they_are_told_to(talker):
    (text,) = talker.generate(SPAIN, 8, stop=["rid"], top_logprobs=2, temperature=None, seed=None, repetition_penalty=1.0)
    assert (text.text, text.end, text.stop_text) == (" Mad", "stop_text", "rid")
    assert text.likeliest[0][0] == (text.tokens[0], text.log_probabilities[0])
    assert [len(step) for step in text.likeliest] == [2] * len(text.tokens)
    (configured,) = talker.generate(SPAIN, as_configured=True, seed=3)
    assert len(configured.tokens) <= 2
    (penalised,) = talker.generate(SPAIN, 12, repetition_penalty=5.0)
    (free,) = talker.generate(SPAIN, 12)
    assert penalised.tokens != free.tokens
    assert talker.generate(SPAIN, 3, min_p=1.0, seed=1)[0].tokens == free.tokens[:3]


@pytest.mark.parametrize("wrong", [
    {"prompt": SAID, "system": "x"},
    {"prompt": [1, 2], "chat": True},
    {"prompt": [{"role": "user"}]},
    {"prompt": [{"role": "user", "content": "x", "name": "y"}]},
])
def test_what_is_no_conversation_is_told(talker, wrong):
    with pytest.raises(vene.InputError):
        talker.generate(**wrong)


def test_a_model_without_a_template_says_so(model):
    with pytest.raises(vene.InputError, match="neither a chat_template.jinja nor"):
        model.generate(SAID, 3, chat=True)
