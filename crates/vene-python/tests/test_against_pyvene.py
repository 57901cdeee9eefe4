"""vene's `IntervenableModel` beside pyvene's own, on a random GPT-2 in memory: outputs, gradients, files, texts.

Run where PyTorch, transformers and pyvene 0.1.8 are installed; elsewhere numbers that pyvene wrote stand in for it (`fixtures/`).
"""

import copy

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
theirs = pytest.importorskip("pyvene")

from vene import pyvene as ours  # noqa: E402

PLACE = {"layer": 1, "component": "block_output"}
LOW_RANK = {**PLACE, "low_rank_dimension": 5}
AT = {"sources->base": ([[[3]] * 3], [[[3]] * 3])}
TWO = {"sources->base": ([[[2, 3]] * 3], [[[3, 4]] * 3])}
HEADS = {"sources->base": ([[[[1, 2]] * 3, [[3]] * 3]], [[[[1, 2]] * 3, [[3]] * 3]])}

CASES = [
    ("VanillaIntervention", PLACE, AT, None),
    ("AdditionIntervention", PLACE, AT, None),
    ("RotatedSpaceIntervention", PLACE, AT, lambda own: own.set_interchange_dim(20)),
    ("LowRankRotatedSpaceIntervention", LOW_RANK, AT, None),
    ("LowRankRotatedSpaceIntervention", {**LOW_RANK, "max_number_of_units": 2}, TWO, None),
    ("BoundlessRotatedSpaceIntervention", PLACE, AT, None),
    ("SigmoidMaskIntervention", PLACE, AT, lambda own: own.set_temperature(torch.tensor(1.0))),
    ("SigmoidMaskRotatedSpaceIntervention", PLACE, AT, lambda own: own.masks.data.copy_(torch.linspace(-60, 60, 64))),
    ("VanillaIntervention", {"layer": 2, "component": "head_attention_value_output", "unit": "h.pos"}, HEADS, None),
]


@pytest.fixture(scope="module")
def gpt():
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        n_layer=4, n_embd=64, n_head=4, vocab_size=100, n_positions=64, attn_implementation="eager", bos_token_id=0,
        eos_token_id=0)
    return transformers.GPT2LMHeadModel(config).eval()


@pytest.fixture(scope="module")
def batch():
    torch.manual_seed(1)
    base, source = ({"input_ids": torch.randint(0, 100, (3, 6))} for _ in range(2))
    return base, source, torch.randint(0, 100, (3,))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "place", "locations", "prepare"), CASES)
def test_outputs_and_gradients(gpt, batch, kind, place, locations, prepare):
    base, source, labels = batch
    state, found = None, []
    for library in (theirs, ours):
        config = library.IntervenableConfig([dict(place)], getattr(library, kind))
        intervenable = library.IntervenableModel(config, gpt)
        (own,) = intervenable.interventions.values()
        if state is None:
            state = copy.deepcopy(own.state_dict())
        else:
            own.load_state_dict(state)
        if prepare is not None:
            prepare(own)
        _, output = intervenable(base, [source], locations)
        if any(parameter.requires_grad for parameter in own.parameters()):
            torch.nn.functional.cross_entropy(output.logits[:, -1], labels).backward()
        gradients = {name: one.grad for name, one in own.named_parameters() if one.grad is not None}
        found.append((output.logits.detach(), gradients))
    (expected, expected_gradients), (logits, gradients) = found
    torch.testing.assert_close(logits, expected, rtol=0, atol=3e-6)
    assert set(gradients) == set(expected_gradients)
    for name, gradient in expected_gradients.items():
        scale = float(gradient.abs().max())
        torch.testing.assert_close(gradients[name], gradient, rtol=0, atol=1e-4 * scale)


def adaptor(library):
    """An adaptor of the class of either library: it adds a learned map of what the module read."""

    class Adaptor(library.ConstantSourceIntervention, library.TrainableIntervention, library.DistributedRepresentationIntervention):
        def __init__(self, **options):
            super().__init__(**options)
            self.is_source_constant = True
            self.map = torch.nn.Linear(64, 64)

        def forward(self, base, source=None, subspaces=None, args=None):
            return base + torch.tanh(self.map(args)).reshape(base.shape)

    return Adaptor


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("locations", [{"base": ([[[2]] * 3] * 3)}, None])
def test_adaptors_are_given_what_their_modules_read(gpt, batch, locations):
    base, _, labels = batch
    places = [(1, "mlp_output"), (2, "attention_output"), (2, "block_output")]
    state, found = None, []
    for library in (theirs, ours):
        config = library.IntervenableConfig(
            [{"layer": layer, "component": component, "low_rank_dimension": 1} for layer, component in places], adaptor(library))
        intervenable = library.IntervenableModel(config, gpt, as_adaptor=True)
        maps = [own.map for own in intervenable.interventions.values()]
        if state is None:
            state = [copy.deepcopy(one.state_dict()) for one in maps]
        for one, saved in zip(maps, state, strict=True):
            one.load_state_dict(saved)
        _, output = intervenable(base, unit_locations=locations)
        torch.nn.functional.cross_entropy(output.logits[:, -1], labels).backward()
        found.append((output.logits.detach(), [one.weight.grad for one in maps]))
    (expected, expected_gradients), (logits, gradients) = found
    torch.testing.assert_close(logits, expected, rtol=0, atol=3e-6)
    for gradient, other in zip(gradients, expected_gradients, strict=True):
        assert other.abs().max() > 0
        torch.testing.assert_close(gradient, other, rtol=0, atol=1e-4 * float(other.abs().max()))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("writes", "reads"), [(theirs, ours), (ours, theirs)], ids=["read", "written"])
def test_folders_both_ways(gpt, batch, tmp_path, writes, reads):
    base, source, _ = batch
    config = writes.IntervenableConfig([LOW_RANK, {**LOW_RANK, "layer": 2}], writes.LowRankRotatedSpaceIntervention)
    made = writes.IntervenableModel(config, gpt)
    made.save(str(tmp_path))
    again = reads.IntervenableModel.load(str(tmp_path), gpt)
    one, other = (
        intervenable(base, [source, source], {"sources->base": 3})[1].logits.detach() for intervenable in (made, again))
    torch.testing.assert_close(one, other, rtol=0, atol=3e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("options", [{"intervene_on_prompt": True, "unit_locations": {"base": [[[2]] * 3]}}, {}])
def test_texts(gpt, batch, options):
    base, *_ = batch
    texts = []
    for library in (theirs, ours):
        config = library.IntervenableConfig([{"layer": 1, "component": "mlp_output"}], library.AdditionIntervention)
        intervenable = library.IntervenableModel(config, gpt)
        given = {key: torch.ones(64) * 3 for key in intervenable.sorted_keys}
        texts.append(intervenable.generate(
            base, source_representations=given, max_new_tokens=6, do_sample=False, pad_token_id=0,
            output_original_output=True, **options))
    for expected, found in zip(*texts, strict=True):
        assert torch.equal(expected, found)


def test_weights_that_were_changed_are_read_anew(gpt, batch):
    base, source, _ = batch
    gpt = copy.deepcopy(gpt)
    intervenable = ours.IntervenableModel(PLACE, gpt)
    before = intervenable(base, [source], AT)[1].logits
    with torch.no_grad():
        gpt.transformer.h[0].mlp.c_fc.weight.mul_(1.5)
        expected = gpt(**base).logits
    original, after = intervenable(base, [source], AT, output_original_output=True)
    torch.testing.assert_close(original.logits, expected, rtol=0, atol=3e-6)
    assert (after.logits - before).abs().max() > 1e-4
    # PyTorch does not count this; it is seen when the model is wrapped again.
    gpt.transformer.h[0].mlp.c_fc.weight.data.mul_(0.5)
    with torch.no_grad():
        expected = gpt(**base).logits
    original, _ = ours.IntervenableModel(PLACE, gpt)(base, [source], AT, output_original_output=True)
    torch.testing.assert_close(original.logits, expected, rtol=0, atol=3e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_batches(gpt, batch, side):
    lengths = (6, 4, 5)
    shown = torch.tensor([[1] * length + [0] * (6 - length) for length in lengths])
    shown = shown.flip(1) if side == "left" else shown
    base, source = (
        {"input_ids": one["input_ids"] * shown, "attention_mask": shown, "position_ids": (shown.cumsum(1) - 1).clamp_min(0)}
        for one in batch[:2])
    before = [6 - length if side == "left" else 0 for length in lengths]
    places = [[[pad + 2] for pad in before]]
    found = []
    for library in (theirs, ours):
        intervenable = library.IntervenableModel(library.IntervenableConfig([dict(PLACE)], library.VanillaIntervention), gpt)
        _, output = intervenable(dict(base), [dict(source)], {"sources->base": (places, places)})
        found.append([output.logits[row, pad + length - 1].detach() for row, (pad, length) in enumerate(zip(before, lengths, strict=True))])
    for expected, logits in zip(*found, strict=True):
        torch.testing.assert_close(logits, expected, rtol=0, atol=3e-6)
