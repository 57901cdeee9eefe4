"""PyTorch hooks that hold for a while, and what an unedited run shows."""

from contextlib import ExitStack, contextmanager

import torch

from sites import backbone, site


@contextmanager
def hooked(hooks):
    """`(site, edit)` pairs that hold while this lasts."""
    with ExitStack() as stack:
        for where, edit in hooks:
            handle = where.hook(edit)
            stack.callback(handle.remove)
        yield


def capturing(model, places: set[tuple[str, int]]):
    """Where `{(component, layer): [batch, position, width]}` will be kept, and the hooks that keep it."""
    kept = {}

    def keep(place):
        def edit(tensor):
            kept[place] = tensor.clone()

        return edit

    return kept, [(site(model, *place), keep(place)) for place in places]


def captured(model, tokens: torch.Tensor, places: set[tuple[str, int]]) -> dict:
    """What an unedited run shows at some places."""
    kept, hooks = capturing(model, places)
    with hooked(hooks):
        backbone(model)(tokens, use_cache=False)
    return kept
