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

from vene._arrays import Tensor
from vene._errors import InputError, ModelError, PlanError, RunError, VeneError
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
from vene._model import Config, Model, ModelOutput, Outcome, Session, Text, load
from vene._notebook import create_gpt2, embed_to_distrib, format_token, top_vals
from vene._run import Run, run
from vene._sweep import Swept
from vene._table import Table
from vene._tokenizer import Encoding, Tokenizer
from vene._vene import __version__

__all__ = [
    "AdditionIntervention",
    "Config",
    "Encoding",
    "InputError",
    "IntervenableConfig",
    "IntervenableModel",
    "Model",
    "ModelError",
    "ModelOutput",
    "Outcome",
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
    "run",
    "top_vals",
]
