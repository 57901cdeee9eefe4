"""A model: what it says, what it does when it is edited."""

from __future__ import annotations

import json
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vene import _vene
from vene._arrays import LazyRows, array, tensor
from vene._errors import InputError
from vene._sweep import Names, Swept, listed, names, sweep
from vene._tokenizer import Tokenizer

Prompt = str | Sequence[int] | npt.NDArray[Any]

SESSIONS = 4
"""How many sessions a model keeps for calls that follow each other."""


UNEMBEDDED = 16
"""How many rows of logits it keeps, likewise."""


@dataclass(frozen=True)
class Config:
    """A model's sizes. pyvene's and Hugging Face's names of some are there too (`n_layer`, `hidden_size` ...)."""

    family: str
    layers: int
    d_model: int
    heads: int
    key_value_heads: int
    head_dim: int
    d_mlp: int
    vocabulary: int
    context: int
    final_norm: bool

    @property
    def n_layer(self) -> int:
        return self.layers

    @property
    def num_hidden_layers(self) -> int:
        return self.layers

    @property
    def n_head(self) -> int:
        return self.heads

    @property
    def num_attention_heads(self) -> int:
        return self.heads

    @property
    def n_embd(self) -> int:
        return self.d_model

    @property
    def hidden_size(self) -> int:
        return self.d_model

    @property
    def vocab_size(self) -> int:
        return self.vocabulary


@dataclass(frozen=True)
class ModelOutput:
    """What a run gave: of one prompt, or of several of equal length."""

    last_hidden_state: Any
    """After the last norm: `[prompts, positions, d_model]`."""
    logits: LazyRows
    """`[prompts, positions, vocabulary]`; a row is computed when it is asked for."""


@dataclass(frozen=True)
class Text:
    """How a prompt was continued."""

    text: str
    tokens: list[int]
    """The new tokens, one that ended the text included."""
    log_probabilities: list[float]
    """Each token's, in nats, in the model's distribution before temperature and cuts."""
    end: str
    """Why it ended: `stop`, `enough`, `context_full`."""

    def __str__(self) -> str:
        return self.text


class Model:
    """A model and its tokenizer. Made by `vene.load`."""

    def __init__(self, model: _vene.Model, name: str) -> None:
        self._model = model
        self._sessions: OrderedDict[tuple[tuple[int, ...], ...], _vene.Session] = OrderedDict()
        self._unembedded: OrderedDict[bytes, npt.NDArray[Any]] = OrderedDict()
        self.name = name
        self.config = Config(**json.loads(model.config))
        self.tokenizer = Tokenizer(model)

    @property
    def identity(self) -> str:
        """What identifies the weights, the same on every machine."""
        return self._model.identity

    @property
    def components(self) -> list[str]:
        """The names of what can be read and edited."""
        return self._model.components

    def tokens(self, prompt: Prompt) -> tuple[int, ...]:
        """A prompt's token ids; a text gets the beginning-of-sequence token that the model has."""
        if isinstance(prompt, str):
            return tuple(self._model.encode(prompt))
        ids = np.asarray(prompt)
        if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
            raise InputError(f"a prompt is a text, or a list of token ids; given an array of shape {ids.shape}")
        return tuple(ids.tolist())

    def top(self, prompt: Prompt, n: int = 10) -> list[tuple[str, float]]:
        """The `n` likeliest next tokens, each with its probability."""
        tokens = self.tokens(prompt)
        outcome = self._session([tokens]).run(self._plan({}), list(tokens), [])
        probabilities = softmax(array(outcome.logits()))
        best = np.argsort(-probabilities, kind="stable")[:n]
        return [(self._model.token_text(int(token)), float(probabilities[token])) for token in best]

    def run(self, plan: dict[str, Any], base: Prompt, sources: Iterable[Prompt] = ()) -> Outcome:
        """Runs a plan, which says what a plan's file says (`docs/plans.md`), over a base and its sources.

            model.run({"edit": [{"intervention": "interchange", "component": "mlp_output", "layer": 2, "positions": "last"}]},
                      "The capital of Spain is", ["The capital of Italy is"])
        """
        return self.session([base, *sources]).run(plan, base, sources)

    def session(self, prompts: Iterable[Prompt]) -> Session:
        """Runs prompts once and keeps what plans start from: each plan then costs what its edits change."""
        return Session(self, list(prompts))

    def trace(
        self,
        prompt: Prompt,
        components: Names = ("block_output",),
        layers: Iterable[int] | None = None,
    ) -> dict[str, npt.NDArray[Any]]:
        """What components show at every position: `[positions, width]` by `"component/layer"`, or `[heads, queries, keys]`."""
        tokens = self.tokens(prompt)
        wanted = range(self.config.layers) if layers is None else list(layers)
        places: list[tuple[str, int | None]] = []
        plan = self._plan({}).without_distributions()
        for name in names(components):
            component, own, per_layer = self._model.component(name)
            for layer in [own] if own is not None else wanted if per_layer else [None]:
                plan = plan.collecting(component, layer)
                places.append((component, layer))
        outcome = self._session([tokens]).run(plan, list(tokens), [])
        named = (
            (component if layer is None else f"{component}/{layer}", array(outcome.activation(component, layer)))
            for component, layer in places
        )
        return dict(named)

    def generate(
        self,
        prompt: Prompt,
        max_new_tokens: int = 64,
        *,
        plan: dict[str, Any] | None = None,
        sources: Iterable[Prompt] = (),
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        samples: int | None = None,
        stop: Iterable[str] = (),
        stream: Callable[[str], None] | None = None,
    ) -> list[Text]:
        """Continues a prompt: the likeliest token each time, or drawn where a temperature, a cut, a seed or samples are given.

        `plan` says what is edited, and at which steps (`when`, `docs/plans.md`). `stream` is called with each token's text of
        the first sample.
        """
        section = {
            "tokens": max_new_tokens, "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed,
            "samples": samples, "stop": list(stop) or None,
        }
        each = None if stream is None else lambda token: stream(self._model.token_text(token))
        said = _vene.generate(
            self._model, self._plan(plan or {}), self._given(prompt), [self._given(source) for source in sources],
            json.dumps({key: value for key, value in section.items() if value is not None}), each)
        return [Text(**text) for text in json.loads(said)["texts"]]

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
        intervention: str | None = None,
        tokens: Names | None = None,
        target: Names | None = None,
        foil: Names | None = None,
        metric: Names | None = None,
        direction: Names | None = None,
        window: int | None = None,
        effect: str | None = None,
        control: Names | None = None,
        answers: str | None = None,
        limit: int | None = None,
        resamples: int | None = None,
        seed: int | None = None,
        memory: int | None = None,
        progress: bool | None = None,
        **more: Any,
    ) -> Swept:
        """Makes one intervention at every one of many places, over a pair of prompts or the rows of a data set.

        The arguments are those of `vene sweep`, and mean the same: `docs/data-sets.md`. `data` is a file, a list of dicts,
        or a table of pandas, polars or Arrow. Other keys of `[sweep]` are taken by their names (`noise_sd`, `draws` ...).
        """
        sections: dict[str, dict[str, Any]] = {
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
            "measure": {"metrics": None if metric is None else names(metric), "answers": answers},
            "statistics": {"resamples": resamples, "seed": seed},
            "limits": {"memory": memory},
        }
        return sweep(self._model, data, sections, progress)

    def __call__(self, input_ids: Any, attention_mask: Any = None, **_options: Any) -> ModelOutput:
        """A forward pass over `[prompts, positions]` token ids, as Hugging Face's models are called."""
        check_mask(attention_mask)
        prompts = [tuple(row) for row in np.atleast_2d(np.asarray(input_ids)).tolist()]
        plan = self._hidden_plan(self._plan({}))
        return self._output([self._session([prompt]).run(plan, list(prompt), []) for prompt in prompts])

    def __repr__(self) -> str:
        config = self.config
        return f"vene.Model({self.name!r}: {config.family}, {config.layers} layers of width {config.d_model})"

    def _given(self, prompt: Prompt) -> str | list[int]:
        """As it crosses the border: a text stays one, as positions may name its phrases."""
        return prompt if isinstance(prompt, str) else list(self.tokens(prompt))

    def _plan(self, plan: dict[str, Any]) -> _vene.Plan:
        text = json.dumps({"kind": "plan", **plan})
        return _vene.Plan.parse(self._model, text)

    def _session(self, prompts: list[tuple[int, ...]]) -> _vene.Session:
        """Runs that are kept for calls that follow each other, the last few of them."""
        key = tuple(dict.fromkeys(prompts))
        found = self._sessions.pop(key, None)
        session = found or _vene.Session(self._model, [list(prompt) for prompt in key])
        self._sessions[key] = session
        while len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)
        return session

    def _hidden_site(self) -> tuple[str, int | None]:
        """Where the unembedding reads."""
        return ("final_norm", None) if self.config.final_norm else ("block_output", self.config.layers - 1)

    def _hidden_plan(self, plan: _vene.Plan) -> _vene.Plan:
        return plan.without_distributions().collecting(*self._hidden_site())

    def _output(self, outcomes: Sequence[_vene.Outcome]) -> ModelOutput:
        hidden = np.stack([array(outcome.activation(*self._hidden_site())) for outcome in outcomes])
        return ModelOutput(last_hidden_state=tensor(hidden), logits=self.unembed(hidden))

    def unembed(self, hidden: npt.ArrayLike) -> LazyRows:
        """The logits of `last_hidden_state`: `[..., d_model]` to `[..., vocabulary]`, a row when it is asked for."""
        rows = np.ascontiguousarray(np.asarray(hidden), dtype=np.float32)
        flat = rows.reshape(-1, rows.shape[-1])

        def logits(places: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
            # Interventions that change nothing leave the same row again and again.
            keys = [flat[place].tobytes() for place in places]
            new = list(dict.fromkeys(key for key in keys if key not in self._unembedded))
            if new:
                computed = array(self._model.logits(b"".join(new), len(new)))
                self._unembedded.update(zip(new, computed, strict=True))
            rows = np.stack([self._unembedded[key] for key in keys])
            while len(self._unembedded) > UNEMBEDDED:
                self._unembedded.popitem(last=False)
            return rows

        return LazyRows(rows.shape[:-1], self.config.vocabulary, logits)


@dataclass(frozen=True)
class Outcome:
    """What a plan's run gave."""

    _outcome: _vene.Outcome
    _model: Model

    def logits(self, read: int = 0) -> npt.NDArray[np.float64]:
        """Of the whole vocabulary, `[vocabulary]`, at the position that the plan reads as its `read`-th (default: the last)."""
        return array(self._outcome.logits(read))

    def probabilities(self, read: int = 0) -> npt.NDArray[np.float64]:
        """The same as probabilities."""
        return softmax(self.logits(read))

    def activation(self, component: str, layer: int | None = None) -> npt.NDArray[Any]:
        """What `[[collect]]` kept there: `[positions, width]`, or `[heads, queries, keys]` of attention patterns."""
        name, own, _ = self._model._model.component(component)
        return array(self._outcome.activation(name, own if layer is None else layer))

    @property
    def receipts(self) -> list[dict[str, Any]]:
        """What each edit did: where, how large the change was, and why nothing changed where nothing did."""
        receipts: list[dict[str, Any]] = json.loads(self._outcome.receipts)
        return receipts


class Session:
    """Unedited runs that are kept. Made by `Model.session`."""

    def __init__(self, model: Model, prompts: list[Prompt]) -> None:
        self._model = model
        self._session = model._session([model.tokens(prompt) for prompt in prompts])

    @property
    def bytes(self) -> int:
        """What is kept takes so many bytes."""
        return self._session.bytes

    def run(self, plan: dict[str, Any], base: Prompt, sources: Iterable[Prompt] = ()) -> Outcome:
        """Runs a plan over prompts of the session; `Model.run` says what a plan is."""
        model = self._model
        given = [model._given(prompt) for prompt in (base, *sources)]
        return Outcome(self._session.run(model._plan(plan), given[0], given[1:]), model)


def load(name: str, *, precision: str = "single") -> Model:
    """Loads a model: `embedded` (a small one that ships inside), a folder, a `.gguf` file, or a Hugging Face id.

    `precision` is `single` or `double`. What is doubtful about the model's files is a warning.
    """
    model = _vene.Model.load(name, precision)
    for notice in model.notices:
        warnings.warn(notice, stacklevel=2)
    return Model(model, name)


def softmax(logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Probabilities along the last axis, in double precision."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    weights: npt.NDArray[Any] = np.exp(shifted)
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights


def check_mask(mask: Any) -> None:
    """Padding is refused: it is never needed, as prompts of any length are run together."""
    if mask is not None and not np.all(np.asarray(mask) == 1):
        raise InputError("the attention mask hides tokens: give each prompt without padding")
