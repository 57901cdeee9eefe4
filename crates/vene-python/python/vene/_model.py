"""A model: what it says, what it does when it is edited."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, overload
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from vene import _vene
from vene._activations import Activations
from vene._arrays import LazyRows, array, tensor
from vene._circuit import CircuitMethods
from vene._direction import DirectionMethods
from vene._config import Config
from vene._errors import InputError, ModelError
from vene._experiment import Names, do, listed, names
from vene._function import made, with_functions
from vene._look import Attention, Look, Looked, Weights, looked
from vene._outcome import Outcome, softmax
from vene._outcomes import Outcomes
from vene._output import ModelOutput, Unembedding
from vene._padding import Prompts
from vene._session import Session, Sessions
from vene._sweep import Swept
from vene._table import Table
from vene._text import Text
from vene._tokenizer import Tokenizer
from vene._trace import Trace
from vene._trained import Trained
from vene._warn import warn

__all__ = ["Config", "Model", "ModelOutput", "Outcome", "Session", "Text", "load", "softmax"]

Prompt = str | Sequence[int] | npt.NDArray[Any] | Sequence[Mapping[str, str]]
"""A text, token ids, or a conversation: `[{"role": "user", "content": "Hello"}]`, in the form of the model's chat template."""

GivenPlan = Mapping[str, Any] | str | Path | Trained
"""A plan: a dict that says what a plan's file says, such a file or the folder of a saved one, or what a training gave."""

Metrics = str | Callable[..., Any] | Sequence[str | Callable[..., Any]]
"""Metrics: names of built-in ones, and functions (`vene.metric`)."""


class Model(CircuitMethods, DirectionMethods):
    """A model and its tokenizer. Made by `vene.load`."""

    def __init__(self, model: _vene.Model, name: str, precision: str = "single", *, has_files: bool = True) -> None:
        self._model = model
        self._precision = precision
        self._has_files = has_files
        self._sessions = Sessions(model)
        self.name = name
        self.config = Config(**json.loads(model.config))
        self.tokenizer = Tokenizer(model)
        self.unembed = Unembedding(model, self.config.vocabulary)
        """The logits of `last_hidden_state`: `[..., d_model]` to `[..., vocabulary]`, a row when it is asked for."""

    @property
    def identity(self) -> str:
        """What identifies the weights, the same on every machine."""
        return self._model.identity

    @property
    def components(self) -> list[str]:
        """The names of what can be read and edited."""
        return self._model.components

    def tokens(self, prompt: Prompt) -> tuple[int, ...]:
        """A prompt's token ids, one for each position; a text gets the beginning-of-sequence token that the model has."""
        if isinstance(prompt, str):
            return tuple(self._model.encode(prompt))
        if (turns := conversation(prompt)) is not None:
            return tuple(self._model.prompt_tokens(turns))
        ids = np.asarray(prompt)
        if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
            raise InputError(f"a prompt is a text, or a list of token ids; given an array of shape {ids.shape}")
        return tuple(ids.tolist())

    def chat_text(self, messages: Sequence[Mapping[str, str]]) -> str:
        """A conversation's text as the model's chat template writes it, up to where the model's answer begins.

            model.chat_text([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}])

        Where the last turn is the assistant's, the text ends within it, to be continued.
        """
        turns = conversation(messages)
        if turns is None:
            raise InputError('a conversation is a list of turns: [{"role": "user", "content": "Hello"}]')
        return self._model.conversation_text(turns)

    def top(self, prompt: Prompt, n: int = 10) -> list[tuple[str, float]]:
        """The `n` likeliest next tokens, the likeliest first: each one's text and its probability (0 to 1)."""
        tokens = self.tokens(prompt)
        outcome = self._session([tokens]).run(self._plan({}), list(tokens), [])
        probabilities = softmax(array(outcome.logits()))
        best = np.argsort(-probabilities, kind="stable")[:n]
        return [(self._model.token_text(int(token)), float(probabilities[token])) for token in best]

    @overload
    def run(self, plan: GivenPlan, base: Prompt, sources: Iterable[Prompt] = ()) -> Outcome: ...
    @overload
    def run(
        self,
        plan: GivenPlan,
        *,
        data: Any,
        metric: Metrics | None = None,
        answers: str | None = None,
        limit: int | None = None,
        resamples: int | None = None,
        seed: int | None = None,
        memory: int | None = None,
        chat: bool | None = None,
        system: str | None = None,
        progress: bool | None = None,
    ) -> Outcomes: ...
    def run(
        self,
        plan: GivenPlan,
        base: Prompt | None = None,
        sources: Iterable[Prompt] = (),
        *,
        data: Any = None,
        metric: Metrics | None = None,
        progress: bool | None = None,
        **more: Any,
    ) -> Outcome | Outcomes:
        """Runs a plan, which says what a plan's file says (`docs/plans.md`), over a base and its sources, or over the rows of a
        data set.

            model.run({"edit": [{"intervention": "interchange", "component": "mlp_output", "layer": 2, "positions": "last"}]},
                      "The capital of Spain is", ["The capital of Italy is"])
            model.run(plan, data=rows, metric="logit_difference").summary.to_pandas()

        Args:
            plan: a dict, in which an intervention may be a function (`vene.intervention`), a file, the folder of a saved plan, or
                what a training gave. Over rows it may have a `grid`.
            base: the prompt whose run is edited: a text, token ids, or a conversation (`docs/chat.md`).
            sources: the prompts whose activations edits read, in the plan's order.
            data: a file, a list of dicts, or a table of pandas, polars, Arrow or Hugging Face's datasets (`docs/data-sets.md`).
            metric: names (`docs/data-sets.md`, with their units) and functions (`vene.metric`), measured in the edited and the
                unedited run of each row.
            progress: whether to show how far it is; by default on a terminal and in notebooks.
            more: over rows `answers`, `limit` (rows), `resamples` and `seed` of the intervals, `correction`, `memory`, bytes
                that passes may take, and `chat` and `system`: texts are a user's turns, in the form of the model's chat template.

        Returns:
            Of one base an `Outcome`: logits `[vocabulary]`, probabilities, activations `[positions, width]`, receipts. Over
            rows `Outcomes`: tables of rows, means with intervals and receipts, and what was collected
            `[rows, positions, width]`.
        """
        if data is not None:
            if base is not None or sources:
                raise InputError("a plan is run over a base and its sources, or over data: not over both")
            return self._over_rows("plan", plan, data, metric, progress, more)
        if base is None:
            raise InputError("a plan is run over a base, model.run(plan, base, sources), or over rows, model.run(plan, data=rows)")
        unread = [name for name, value in {"metric": metric, "progress": progress, **more}.items() if value is not None]
        if unread:
            raise InputError(f"{unread[0]} is read where a plan is run over rows (data=)")
        sources = list(sources)
        return self.session([base, *sources]).run(plan, base, sources)

    def evaluate(
        self,
        plan: GivenPlan,
        data: Any,
        *,
        metric: Metrics | None = None,
        progress: bool | None = None,
        **more: Any,
    ) -> Outcomes:
        """Runs a trained plan over rows, beside random directions and the interchange of whole activations.

        Arguments are those of `run` over rows. `Outcomes.evaluation` has each plan's loss (nats) and accuracy (0 to 1).
        """
        with _by_itself(plan) as own:
            return self._over_rows("evaluate", own, data, metric, progress, more)

    def train(
        self,
        plan: GivenPlan,
        data: Any,
        *,
        limit: int | None = None,
        memory: int | None = None,
        chat: bool | None = None,
        system: str | None = None,
        progress: bool | None = None,
        **train: Any,
    ) -> Trained:
        """Trains a plan's interventions on the rows of a data set, as `vene train` does, to the same numbers (`docs/training.md`).

            das = {"edit": [{"intervention": {"name": "low_rank_rotated_space", "rank": 16}, "component": "block_output",
                             "layer": 2, "positions": {"role": "subject_last"}}]}
            trained = model.train(das, rows, epochs=3, learning_rate=0.01)

        Args:
            plan: as in `run`; at least one of its interventions learns something.
            data: rows, as in `run`. The edited base is trained to answer a row's `foil`, the source's answer.
            limit: this many rows at most.
            memory: bytes that passes may take; by default as much as is good for speed.
            chat, system: texts are a user's turns, in the form of the model's chat template, behind a system turn.
            progress: as in `run`.
            train: keys of `[train]`: `epochs`, `batch` (rows), `learning_rate`, `held_out` (a share of the rows) ...

        Returns:
            The plan with what it learned, the loss (cross entropy in nats) and accuracy of each step, and those on held-out rows.
        """
        sections = {
            "model": {"chat": chat, "system": system}, "train": train, "data": {"limit": limit}, "limits": {"memory": memory}}
        with _by_itself(plan) as own:
            sections, given, functions = self._sections(own, sections)
            trained = do(
                _vene.train, self, "train", sections, unit="steps", data=data, plan=given, functions=functions,
                progress=progress)
        return Trained(trained)

    def collect(
        self,
        prompts: Sequence[str] | None = None,
        components: Names = "block_output",
        *,
        data: Any = None,
        layers: Iterable[int] | None = None,
        positions: Any = "last",
        pad: bool | None = None,
        limit: int | None = None,
        memory: int | None = None,
        chat: bool | None = None,
        system: str | None = None,
        progress: bool | None = None,
    ) -> Activations:
        """Keeps what components show in prompts or in the rows of a data set, one stacked array for each component and layer.

            model.collect(["The capital of Spain is", "The capital of Italy is"], "mlp_output", layers=[5])["mlp_output/5"]

        Args:
            prompts: texts; in their place `data` takes rows, as in `run`.
            components: one name or several, vene's, pyvene's or TransformerLens's.
            layers: of components that each layer has; by default all.
            positions: what a plan's file has there, or a list of that: `"last"`, a number, `"all"`, a role such as `"subject_last"`.
            pad: whether rows of unequal numbers of positions are padded with zeros; otherwise they are refused.
            limit, memory, chat, system, progress: as in `train`.

        Returns:
            Arrays in single precision by name, `"mlp_output/5"`: `[rows, positions, width]`, of attention patterns
            `[rows, heads, queries, keys]`; and a table that says which row is which.
        """
        several = positions if isinstance(positions, list | tuple) else [positions]
        collect = [
            {"component": name, **({} if layer is None else {"layer": layer}), "positions": _position(position)}
            for name, layer in self._places(components, layers)
            for position in several
        ]
        if (prompts is None) == (data is None):
            raise InputError("activations are collected of prompts, or of data: give one of them")
        given = [prompts] if isinstance(prompts, str) else list(prompts or [])
        sections: dict[str, Any] = {
            "model": {"chat": chat, "system": system},
            "collect": collect,
            "data": {"prompts": given, "limit": limit},
            "tensors": {"pad": pad},
            "limits": {"memory": memory},
        }
        collected = do(_vene.collect, self, "collect", sections, unit="prompts", data=data, progress=progress)
        return Activations.of(collected)

    def session(self, prompts: Iterable[Prompt]) -> Session:
        """Runs prompts once and keeps what plans start from: each plan then costs what its edits change.

        `Session.run(plan, base, sources)` takes any of the prompts; `Session.bytes` says how much memory they take.
        """
        return Session(self, self._session([self.tokens(prompt) for prompt in prompts]))

    def trace(self, prompt: Prompt, components: Names | None = None, layers: Iterable[int] | None = None) -> Trace:
        """What components show at every position of a prompt, by name: computed when it is asked for (`Trace`).

        What `components` and `layers` name is computed together; without them the trace has every name, and computes what is
        asked for. `trace["mlp_output/5"]` is `[positions, width]`, of attention patterns `[heads, queries, keys]`; `trace["mlp_output"]`
        stacks the layers, `[layers, positions, width]`.
        """
        sites = self._model.sites if components is None else self._places(components, layers)
        if components is None and layers is not None:
            wanted = {None, *layers}
            sites = [site for site in sites if site[1] in wanted]
        return Trace(self, self.tokens(prompt), sites, named=components is not None)

    def lens(
        self,
        prompt: Prompt | None = None,
        *,
        data: Any = None,
        positions: Any = None,
        tokens: Names | None = None,
        count: int = 5,
        plan: GivenPlan | None = None,
        sources: Iterable[Prompt] = (),
        limit: int | None = None,
        resamples: int | None = None,
    ) -> Look:
        """The logit lens: what the model would say next from each depth (`vene lens`).

            model.lens("The capital of Spain is", tokens=[" Madrid", " Rome"]).table.to_pandas()
            model.lens(data=rows, positions=["subject_last", "last"]).summary.to_pandas()

        `positions` are numbers, `"last"`, `"all"`, or roles of a data set's rows; default: all, of a data set the last. `tokens`
        are asked about (default: what the model says in the end; of a data set the rows' targets and foils), and `count` of the
        likeliest are listed at each depth. Under a `plan` the runs are those of its edits.
        """
        edits = None if plan is None else self._plan(plan)
        with self._looked(
            prompt, data, positions, ("all", "last"), tokens=tokens, plan=edits, sources=sources, limit=limit,
            resamples=resamples,
        ) as given:
            return Look.of(_vene.look_lens(self._model, given, count))

    def attribute(
        self,
        prompt: Prompt | None = None,
        token: str | int | None = None,
        foil: str | int | None = None,
        *,
        data: Any = None,
        positions: Any = None,
        direct: bool = False,
        limit: int | None = None,
        resamples: int | None = None,
    ) -> Look:
        """Direct logit attribution: the logit of a token, or its difference from that of a foil, as a sum over the parts of the
        model (`vene attribute`).

            model.attribute("The capital of Spain is", " Madrid", " Rome").table.to_pandas()
            model.attribute(data=rows).summary.to_pandas()

        The token is the likeliest by default, and of a data set each row's target, compared with its foil. With `direct` each
        part's direct effect is measured as well: what its removal from the residual stream changes.
        """
        if token is None and foil is not None:
            raise InputError("a foil is compared with a token: give that too")
        tokens = [item for item in (token, foil) if item is not None] or None
        with self._looked(
            prompt, data, positions, ("last", "last"), tokens=tokens, limit=limit, resamples=resamples
        ) as given:
            return Look.of(_vene.look_attribution(self._model, given, direct))

    def attention(
        self, prompt: Prompt, *, layers: Iterable[int] | None = None, heads: Iterable[int] | None = None
    ) -> Attention:
        """What heads attend to in a prompt (`vene attention`): all heads, or those of some layers and numbers."""
        with self._looked(prompt, None, None, ("last", "last")) as given:
            chosen = [None if numbers is None else [int(number) for number in numbers] for numbers in (layers, heads)]
            return Attention(_vene.Attention(self._model, given, *chosen))

    def head_scores(
        self, prompt: Prompt | None = None, *, data: Any = None, limit: int | None = None, resamples: int | None = None
    ) -> Look:
        """How much of each head's attention is on the token before, on earlier copies of the token, and on what followed these:
        `previous_token`, `duplicate_token`, `induction`, shares from 0 to 1."""
        with self._looked(prompt, data, None, ("last", "last"), limit=limit, resamples=resamples) as given:
            return Look.of(_vene.look_head_scores(self._model, given))

    @property
    def weights(self) -> Weights:
        """The weights by name, each read when it is asked for: `model.weights["layers.0.query.weight"]`."""
        return Weights(self._model)

    def compositions(self, inputs: Names = ("query", "key", "value")) -> Table:
        """How much each head reads of each head before it, by its weights alone (Elhage et al. 2021): Q-, K- and
        V-composition."""
        return Table(_vene.compositions(self._model, names(inputs)))

    def copying(self) -> Table:
        """How much each head copies, by its weights alone, from -1 to 1: Σ λ / Σ |λ| over the eigenvalues of its circuit from
        tokens to logits (Elhage et al. 2021)."""
        return Table(_vene.copying(self._model))

    def generate(
        self,
        prompt: Prompt,
        max_new_tokens: int | None = None,
        *,
        plan: GivenPlan | None = None,
        sources: Iterable[Prompt] = (),
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        repetition_penalty: float | None = None,
        seed: int | None = None,
        samples: int | None = None,
        stop: Iterable[str] = (),
        top_logprobs: int | None = None,
        as_configured: bool = False,
        chat: bool = False,
        system: str | None = None,
        stream: Callable[[str], None] | None = None,
    ) -> list[Text]:
        """Continues a prompt: the likeliest token each time, or drawn where a temperature, a cut, a seed or samples are given.

        Args:
            prompt: a text, token ids, or a conversation (`[{"role": "user", "content": "Hello"}]`).
            max_new_tokens: a text ends after so many, where the model doesn't end it before [default: 64].
            plan: what is edited, and at which steps (`when`, `docs/plans.md`).
            sources: the prompts that its edits read.
            temperature: divides the logits before tokens are drawn; 1 is the model's own distribution.
            top_k: draws among this many of the likeliest tokens.
            top_p: draws among the likeliest tokens that have this probability together (0 to 1).
            min_p: draws among tokens that have this share of the likeliest one's probability (0 to 1).
            repetition_penalty: makes tokens that are in the text already, prompt included, less likely (above 1).
            seed: of the draws; the same seed draws the same texts.
            samples: how many texts are drawn.
            stop: texts that end a continuation, and are left out of it. It also ends where the model ends it.
            top_logprobs: tells the log-probabilities of so many of the likeliest tokens at each step.
            as_configured: takes what the model's `generation_config.json` says for all that is not said here.
            chat: takes texts (`prompt` and `sources`) for a user's turns, in the form of the model's chat template.
            system: a system turn in front of them.
            stream: is called with each token's text of the first sample.

        Returns:
            For each sample its text, tokens, their log-probabilities (nats), and why it ended.
        """
        prompt, *sources = [_in_chat(text, chat, system) for text in (prompt, *sources)]
        section = {
            "tokens": max_new_tokens, "temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p,
            "repetition_penalty": repetition_penalty, "seed": seed, "samples": samples, "stop": list(stop) or None,
            "top_logprobs": top_logprobs, "as_configured": as_configured or None,
        }
        each = None if stream is None else lambda token: stream(self._model.token_text(token))
        said = json.loads(_vene.generate(
            self._model, self._plan(plan or {}), self._given(prompt), [self._given(source) for source in sources],
            json.dumps({key: value for key, value in section.items() if value is not None}), each))
        if said["disregarded"] is not None:
            warn([said["disregarded"]])
        return [Text.of(text) for text in said["texts"]]

    def sweep(
        self,
        base: str | None = None,
        source: Names | None = None,
        *,
        components: Names,
        data: Any = None,
        layers: Any = None,
        heads: Any = None,
        positions: Any = None,
        unit: str | None = None,
        intervention: str | Callable[..., Any] | None = None,
        tokens: Names | None = None,
        target: Names | None = None,
        foil: Names | None = None,
        metric: Metrics | None = None,
        direction: Names | None = None,
        window: int | None = None,
        effect: str | None = None,
        control: Names | None = None,
        answers: str | None = None,
        limit: int | None = None,
        resamples: int | None = None,
        seed: int | None = None,
        memory: int | None = None,
        chat: bool | None = None,
        system: str | None = None,
        progress: bool | None = None,
        **more: Any,
    ) -> Swept:
        """Makes one intervention at every one of many places, over a pair of prompts or the rows of a data set.

        The arguments are those of `vene sweep`, and mean the same (`docs/data-sets.md`).

        Args:
            base: of a pair, the prompt whose run is edited.
            source: of a pair, the prompt whose activations are read, or several.
            components: one name or several.
            data: in place of a pair rows, as in `run`.
            layers: numbers, or a range such as `"2..6"`; by default all.
            heads: likewise, with `unit="h.pos"` or `"h"`.
            positions: numbers, ranges, phrases' places and roles; by default all of a pair, the last token of rows.
            unit: what is edited at once: `"pos"`, `"h.pos"` (one head at one position), `"h"` (one head at all).
            intervention: a name (default: `"interchange"`), or a function of the edited values `[positions, width]` and, where
                it has a second parameter, those of the other prompt (`vene.intervention`).
            tokens: of a pair, tokens whose probability after the prompt is followed (0 to 1).
            target, foil: of a pair, the right answer and the other, which metrics compare.
            metric: names, with units as in `docs/data-sets.md`, and functions (`vene.metric`).
            direction: `"noising"` (the base is edited), `"denoising"` (the source is), or both.
            window: this many adjacent layers are edited at once.
            effect: `"total"`, or `"direct"`: attention after the edit is held.
            control: maps of what should not matter: `"self"`, `"shuffled"`, `"random"`.
            answers: `"whole"`, or `"first"`: the first token stands for an answer.
            limit, memory, chat, system, progress: as in `train`.
            resamples, seed: of the bootstrap, and of whatever is drawn.
            more: other keys of `[sweep]` (`noise_sd`, `draws` ...).

        Returns:
            Tables: `examples`, a row for each example and place; `tokens` of a pair; `summary` over rows, means with 95 %
            intervals over clusters of rows.
        """
        method: _vene.Intervention | None = None
        if intervention is not None and not isinstance(intervention, str):
            method, intervention = made(intervention)._native, None
        sections: dict[str, dict[str, Any]] = {
            "model": {"chat": chat, "system": system},
            "data": {
                "base": base,
                "sources": names(source),
                "target": names(target),
                "foil": names(foil),
                "limit": limit,
            },
            "sweep": {
                "components": names(components),
                "layers": listed(layers),
                "heads": listed(heads),
                "positions": listed(positions),
                "unit": unit,
                "intervention": intervention,
                "tokens": names(tokens),
                "directions": names(direction),
                "window": window,
                "effect": effect,
                "controls": names(control),
                **more,
            },
            "measure": {"answers": answers},
            "statistics": {"resamples": resamples, "seed": seed},
            "limits": {"memory": memory},
        }
        swept = do(
            _vene.sweep, self, "sweep", sections, unit="interventions", data=data, metric=metric, method=method,
            progress=progress)
        return Swept.of(swept)

    def __call__(
        self, input_ids: Any, attention_mask: Any = None, position_ids: Any = None, **_options: Any
    ) -> ModelOutput:
        """A forward pass over `[prompts, positions]` token ids, as Hugging Face's models are called.

        `attention_mask`, of the same shape, is 0 where a prompt is padded, before it or after it; positions are counted from each
        prompt's first token. Nothing is computed of padding, and hidden states are zeros there.
        """
        prompts = Prompts.of(input_ids, attention_mask, position_ids)
        plan = self._hidden_plan(self._plan({}))
        return self._output(prompts, [self._session([tokens]).run(plan, list(tokens), []) for tokens in prompts.tokens])

    def __deepcopy__(self, _memo: dict[int, Any]) -> Model:
        # It never changes.
        return self

    def __reduce__(self) -> tuple[Callable[[str, str, str], Model], tuple[str, str, str]]:
        if not self._has_files:
            raise TypeError(
                f"{self.name} was made of what is in memory, and a model is pickled as the name of its files: save it into a folder "
                "(save_pretrained), load that, vene.load(folder), and pickle the loaded one")
        # A model goes by its name: the other process opens the same files, and holds them to the identity.
        return _reopened, (self.name, self._precision, self.identity)

    def __repr__(self) -> str:
        config = self.config
        return f"vene.Model({self.name!r}: {config.family}, {config.layers} layers of width {config.d_model})"

    def _over_rows(
        self, kind: str, plan: GivenPlan, data: Any, metric: Metrics | None, progress: bool | None, more: dict[str, Any]
    ) -> Outcomes:
        """Runs a plan over rows; `more` are keys of the sections that say how."""
        sections: dict[str, dict[str, Any]] = {"model": {}, "data": {}, "measure": {}, "statistics": {}, "limits": {}}
        for key, value in more.items():
            if key not in OVER_ROWS:
                raise InputError(f"{key} is not known here; there are metric, progress, {', '.join(OVER_ROWS)}")
            sections[OVER_ROWS[key]][key] = value
        sections, given, functions = self._sections(plan, sections)
        ran = do(
            _vene.run_over_rows, self, kind, sections, unit="runs", data=data, metric=metric, plan=given, functions=functions,
            progress=progress)
        return Outcomes(ran)

    def _sections(
        self, plan: GivenPlan, sections: dict[str, dict[str, Any]]
    ) -> tuple[dict[str, Any], _vene.Plan | str | None, list[tuple[str, _vene.Intervention]]]:
        """An experiment's sections, its plan where they do not say it, and the functions that they name as interventions."""
        if isinstance(plan, Trained):
            return sections, plan.plan, []
        if isinstance(plan, str | Path):
            return sections, str(plan), []
        said, functions = with_functions(plan)
        own = {name: section for name, section in said.items() if name != "kind"}
        both = {name: {**own.pop(name, {}), **section} for name, section in sections.items()}
        return {**own, **both}, None, functions

    def _places(self, components: Names, layers: Iterable[int] | None) -> list[tuple[str, int | None]]:
        """Components in layers, by whichever names."""
        wanted = list(range(self.config.layers)) if layers is None else [int(layer) for layer in layers]
        places: list[tuple[str, int | None]] = []
        for name in names(components):
            component, own, per_layer = self._model.component(name)
            places += [(component, layer) for layer in ([own] if own is not None else wanted if per_layer else [None])]
        return places

    def _looked(
        self, prompt: Prompt | None, data: Any, positions: Any, default: tuple[str, str], *, sources: Iterable[Prompt] = (),
        **more: Any,
    ) -> AbstractContextManager[Looked]:
        """What is looked at."""
        given = None if prompt is None else self._given(prompt)
        return looked(
            self._model, given, data, positions, default, sources=[self._given(source) for source in sources], **more)

    def _given(self, prompt: Prompt) -> _vene.Prompt:
        """As it crosses the border: a text or a conversation stays one, as positions may name its phrases."""
        if isinstance(prompt, str):
            return prompt
        turns = conversation(prompt)
        return list(self.tokens(prompt)) if turns is None else turns

    def _plan(self, plan: GivenPlan) -> _vene.Plan:
        if isinstance(plan, Trained):
            return plan.plan
        if isinstance(plan, str | Path):
            return _vene.Plan.read(self._model, str(plan))
        said, own = with_functions(plan)
        return _vene.Plan.parse(self._model, json.dumps({"kind": "plan", **said}), own=own)

    def _session(self, prompts: list[tuple[int, ...]]) -> _vene.Session:
        """Runs that are kept for calls that follow each other, the last few of them."""
        return self._sessions.of(prompts)

    def _hidden_site(self) -> tuple[str, int | None]:
        """Where the unembedding reads."""
        return ("final_norm", None) if self.config.final_norm else ("block_output", self.config.layers - 1)

    def _hidden_plan(self, plan: _vene.Plan) -> _vene.Plan:
        return plan.without_distributions().collecting(*self._hidden_site())

    def _output(self, prompts: Prompts, outcomes: Sequence[_vene.Outcome]) -> ModelOutput:
        hidden = prompts.spread([array(outcome.activation(*self._hidden_site())) for outcome in outcomes])
        return ModelOutput(last_hidden_state=tensor(hidden), logits=self.unembed(hidden))


OVER_ROWS = {
    "answers": "measure", "limit": "data", "resamples": "statistics", "seed": "statistics", "correction": "statistics",
    "memory": "limits", "chat": "model", "system": "model",
}
"""Where an experiment says what a run over rows is told beside its plan."""


def conversation(prompt: Any) -> list[_vene.Message] | None:
    """The turns of a conversation; nothing where a prompt is something else."""
    if not isinstance(prompt, Sequence) or isinstance(prompt, str) or not prompt or not isinstance(prompt[0], Mapping):
        return None
    for turn in prompt:
        if not isinstance(turn, Mapping) or set(turn) != {"role", "content"}:
            raise InputError(f"a turn of a conversation has a role and a content, both texts; given {turn!r}")
    return [{"role": turn["role"], "content": turn["content"]} for turn in prompt]


def _in_chat(prompt: Prompt, chat: bool, system: str | None) -> Prompt:
    """A text as a user's turn, where that is asked for."""
    if not chat:
        if system is not None:
            raise InputError("system is a turn of a conversation: give chat=True too")
        return prompt
    if not isinstance(prompt, str):
        raise InputError("chat=True is for texts; a conversation says its turns itself, and token ids are taken as they are")
    first = [] if system is None else [{"role": "system", "content": system}]
    return [*first, {"role": "user", "content": prompt}]


_OPEN: WeakValueDictionary[tuple[str, str, str], Model] = WeakValueDictionary()
"""Models that are there: an unpickled one is not loaded twice, nor a process's own that it sends to its fork."""


def load(name: str | Path, *, precision: str = "single") -> Model:
    """Loads a model: `embedded` (a small one that ships inside), a folder, a `.gguf` file, or a Hugging Face id.

    `precision` is `single` or `double`: of the arithmetic, and of activations and logits. Weights stay as they are stored. What
    is doubtful about the model's files is a warning.
    """
    # Another process, to which it may be pickled, may have another working folder.
    name = str(Path(name).absolute()) if Path(name).exists() else str(name)
    model = _vene.Model.load(name, precision)
    warn(model.notices)
    return _OPEN.setdefault((name, precision, model.identity), Model(model, name, precision))


def _reopened(name: str, precision: str, identity: str) -> Model:
    """A pickled model."""
    key = (name, precision, identity)
    model = _OPEN.get(key)
    if model is None:
        model = load(name, precision=precision)
        if model.identity != identity:
            raise ModelError(f"{name} is not the model that was pickled: its files have changed since ({identity} is now {model.identity})")
    return model


@contextmanager
def _by_itself(plan: GivenPlan) -> Iterator[GivenPlan]:
    """A plan whose parameters are nobody else's: what was trained stays what it is when it is trained on, or compared."""
    if not isinstance(plan, Trained):
        yield plan
        return
    with TemporaryDirectory(prefix="vene-") as folder:
        yield plan.save(Path(folder) / "trained")


def _position(position: Any) -> Any:
    """A position as a plan has it: a text that is no word of plans' own is a role."""
    if isinstance(position, str) and position not in ("last", "all"):
        return {"role": position}
    return position
