"""pyvene, training as its tutorials do it: the model frozen, Adam on the rotation, the cross entropy of the last
position's logits."""

import time

import torch
from pyvene import (
    IntervenableConfig,
    IntervenableModel,
    LowRankRotatedSpaceIntervention,
    RepresentationConfig,
    RotatedSpaceIntervention,
)
from safetensors.torch import load_file

from serve import hugging_face_model, serve
from worker_pyvene import locations, padded_inputs

KINDS = {
    "rotated_space": RotatedSpaceIntervention,
    "low_rank_rotated_space": LowRankRotatedSpaceIntervention,
}


def train(model, workload: dict) -> dict:
    kind, rank = KINDS[workload["intervention"]], workload["rank"]
    config = IntervenableConfig(
        [RepresentationConfig(workload["layer"], "block_output", "pos", 1, low_rank_dimension=rank)],
        intervention_types=kind,
    )
    intervenable = IntervenableModel(config, model)
    intervenable.disable_model_gradients()
    (intervention,) = intervenable.interventions.values()
    if kind is RotatedSpaceIntervention:
        intervention.set_interchange_dim(rank)
    intervention.rotate_layer.weight = load_file(workload["rotation"])["rotate_layer.weight"]
    parameters = list(intervention.rotate_layer.parameters())
    optimizer = torch.optim.Adam(parameters, lr=workload["learning_rate"])
    examples, size = workload["examples"], workload["batch"]
    cell = {"head": None}
    losses, seconds, processor, rights = [], [], [], []
    for _ in range(workload["epochs"]):
        start, start_of_processor, right = time.perf_counter(), time.process_time(), 0
        for first in range(0, len(examples), size):
            batch = examples[first : first + size]
            source, base = (
                [locations(cell, [example[whose] for example in batch])] for whose in ("read", "written")
            )
            _, output = intervenable(
                padded_inputs([example["base"] for example in batch]),
                [padded_inputs([example["source"] for example in batch])],
                {"sources->base": (source, base)},
            )
            rows = torch.arange(len(batch))
            last = output.logits[rows, [len(example["base"]) - 1 for example in batch]]
            labels = torch.tensor([example["label"] for example in batch])
            loss = torch.nn.functional.cross_entropy(last, labels)
            losses.append(loss.item())
            right += (last.argmax(-1) == labels).sum().item()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        seconds.append(time.perf_counter() - start)
        processor.append(time.process_time() - start_of_processor)
        rights.append(right / len(examples))
    return {
        "losses": losses,
        "epoch_seconds": seconds,
        "epoch_processor_seconds": processor,
        "accuracies": rights,
    }


if __name__ == "__main__":
    serve(hugging_face_model, train, gradients=True)
