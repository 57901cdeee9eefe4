"""Causal interventions on language models.

    import vene

    model = vene.load("embedded")
    print(model.top("The capital of Spain is", 3))
    swept = model.sweep(
        base="The capital of Spain is", source="The capital of Italy is",
        components=["mlp_output", "attention_input"], tokens=[" Madrid", " Rome"])
    swept.tokens.to_pandas()

pyvene's names are here too: `import vene as pyvene` runs its tutorials. They are `vene.pyvene`'s, and made when they are first
used: under PyTorch, where it is installed, its interventions are modules of PyTorch's.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

from vene import _vene
from vene._activations import Activations
from vene._arrays import Tensor
from vene._circuit import Graph, Measured
from vene._direction import Directions
from vene._errors import InputError, ModelError, PlanError, RunError, VeneError
from vene._figure import Figure
from vene._from_memory import from_tensors, from_transformers
from vene._function import Context, intervention
from vene._look import Attention, Look, Weights
from vene._metric import Metric, metric
from vene._model import Config, Model, ModelOutput, Outcome, Session, Text, load
from vene._outcomes import Outcomes
from vene._run import Run, run
from vene._sweep import Swept
from vene._table import Table
from vene._tokenizer import Encoding, Tokenizer
from vene._trace import Trace
from vene._trained import Trained
from vene._vene import __version__

if TYPE_CHECKING:
    from vene.pyvene import (
        GET_LOC as GET_LOC,
        AdditionIntervention as AdditionIntervention,
        AutoencoderIntervention as AutoencoderIntervention,
        BasisAgnosticIntervention as BasisAgnosticIntervention,
        BoundlessRotatedSpaceIntervention as BoundlessRotatedSpaceIntervention,
        CausalModel as CausalModel,
        CollectIntervention as CollectIntervention,
        ConstantSourceIntervention as ConstantSourceIntervention,
        DistributedRepresentationIntervention as DistributedRepresentationIntervention,
        IntervenableConfig as IntervenableConfig,
        IntervenableModel as IntervenableModel,
        IntervenableModelOutput as IntervenableModelOutput,
        InterventionOutput as InterventionOutput,
        JumpReLUAutoencoderIntervention as JumpReLUAutoencoderIntervention,
        LocalistRepresentationIntervention as LocalistRepresentationIntervention,
        LowRankRotatedSpaceIntervention as LowRankRotatedSpaceIntervention,
        NoiseIntervention as NoiseIntervention,
        PCARotatedSpaceIntervention as PCARotatedSpaceIntervention,
        RepresentationConfig as RepresentationConfig,
        RotatedSpaceIntervention as RotatedSpaceIntervention,
        SharedWeightsTrainableIntervention as SharedWeightsTrainableIntervention,
        SigmoidMaskIntervention as SigmoidMaskIntervention,
        SigmoidMaskRotatedSpaceIntervention as SigmoidMaskRotatedSpaceIntervention,
        SkipIntervention as SkipIntervention,
        SourcelessIntervention as SourcelessIntervention,
        SubtractionIntervention as SubtractionIntervention,
        TrainableIntervention as TrainableIntervention,
        VanillaIntervention as VanillaIntervention,
        ZeroIntervention as ZeroIntervention,
        build_intervenable_model as build_intervenable_model,
        count_parameters as count_parameters,
        create_directory as create_directory,
        create_gpt2 as create_gpt2,
        create_gpt2_lm as create_gpt2_lm,
        create_gpt_neo as create_gpt_neo,
        create_gpt_neox as create_gpt_neox,
        create_gru as create_gru,
        create_gru_classifier as create_gru_classifier,
        create_gru_lm as create_gru_lm,
        create_llama as create_llama,
        create_mlp_classifier as create_mlp_classifier,
        create_olmo as create_olmo,
        embed_to_distrib as embed_to_distrib,
        format_token as format_token,
        get_batch_size as get_batch_size,
        get_list_depth as get_list_depth,
        get_type_from_string as get_type_from_string,
        set_seed as set_seed,
        sigmoid_boundary as sigmoid_boundary,
        top_vals as top_vals,
    )

__all__ = [
    "Activations",
    "Attention",
    "Config",
    "Context",
    "Directions",
    "Encoding",
    "Figure",
    "Graph",
    "InputError",
    "Look",
    "Measured",
    "Metric",
    "Model",
    "ModelError",
    "ModelOutput",
    "Outcome",
    "Outcomes",
    "PlanError",
    "Run",
    "RunError",
    "Session",
    "Swept",
    "Table",
    "Tensor",
    "Text",
    "Tokenizer",
    "Trace",
    "Trained",
    "VeneError",
    "Weights",
    "__version__",
    "from_tensors",
    "from_transformers",
    "intervention",
    "load",
    "metric",
    "run",
]

# Threads do not outlive a fork: what they would compute is refused there.
os.register_at_fork(after_in_child=_vene.after_fork)


def __getattr__(name: str) -> Any:
    """pyvene's names."""
    if not name.startswith("_"):
        pyvene = importlib.import_module("vene.pyvene")
        if name == "pyvene":
            return pyvene
        if name in pyvene.__all__:
            return getattr(pyvene, name)
    raise AttributeError(f"module 'vene' has no attribute {name!r}")
