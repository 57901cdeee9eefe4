"""Causal interventions on language models.

    import vene

    model = vene.load("embedded")
    print(model.top("The capital of Spain is", 3))
    swept = model.sweep(
        base="The capital of Spain is", source="The capital of Italy is",
        components=["mlp_output", "attention_input"], tokens=[" Madrid", " Rome"])
    swept.tokens.to_pandas()

pyvene's names are here too: `import vene as pyvene` runs its tutorials.
"""

import os

from vene import _vene
from vene._activations import Activations
from vene._arrays import Tensor
from vene._errors import InputError, ModelError, PlanError, RunError, VeneError
from vene._figure import Figure
from vene._from_memory import from_tensors, from_transformers
from vene._intervenable import (
    AdditionIntervention,
    IntervenableConfig,
    IntervenableModel,
    RepresentationConfig,
    SkipIntervention,
    SubtractionIntervention,
    VanillaIntervention,
    ZeroIntervention,
)
from vene._metric import Metric, metric
from vene._model import Config, Model, ModelOutput, Outcome, Session, Text, load
from vene._notebook import create_gpt2, embed_to_distrib, format_token, top_vals
from vene._outcomes import Outcomes
from vene._run import Run, run
from vene._sweep import Swept
from vene._table import Table
from vene._tokenizer import Encoding, Tokenizer
from vene._trace import Trace
from vene._trained import Trained
from vene._vene import __version__

__all__ = [
    "Activations",
    "AdditionIntervention",
    "Config",
    "Encoding",
    "Figure",
    "InputError",
    "IntervenableConfig",
    "IntervenableModel",
    "Metric",
    "Model",
    "ModelError",
    "ModelOutput",
    "Outcome",
    "Outcomes",
    "PlanError",
    "RepresentationConfig",
    "Run",
    "RunError",
    "Session",
    "SkipIntervention",
    "SubtractionIntervention",
    "Swept",
    "Table",
    "Tensor",
    "Text",
    "Tokenizer",
    "Trace",
    "Trained",
    "VanillaIntervention",
    "VeneError",
    "ZeroIntervention",
    "__version__",
    "create_gpt2",
    "embed_to_distrib",
    "format_token",
    "from_tensors",
    "from_transformers",
    "load",
    "metric",
    "run",
    "top_vals",
]

# Threads do not outlive a fork: what they would compute is refused there.
os.register_at_fork(after_in_child=_vene.after_fork)
