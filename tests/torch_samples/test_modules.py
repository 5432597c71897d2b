"""PyTorch's samples of each layer that gpunn has, with the same weights: values, gradients, state afterwards."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import pytest

from gpunn import nn, ops
from tests.parity import torch
from tests.torch_samples import tables
from tests.torch_samples.calls import STEEP
from tests.torch_samples.convert import Outcome, difference, in_float64, leaves, ours, outcome, theirs
from tests.torch_samples.purpose import DIFFERENT_LAYERS, TAKEN_LAYERS
from tests.torch_samples.rows import Sample, Verdicts, refusal_of

pytestmark = pytest.mark.filterwarnings("ignore")
IGNORED = ("device", "dtype", "inplace")  # where, in what, and how, which change no value
# The layers that PyTorch has too, but for containers and what is random.
ALONE = {"Sequential", "ModuleList", "Module", "Parameter", "Identity", "Flatten", "Upsample", "TransformerDecoder"}
ALONE |= {"ModuleDict", "ParameterList", "ParameterDict", "UninitializedParameter", "UninitializedBuffer"}
ALONE |= {"RNNBase", "RNNCellBase"}
# Layers that PyTorch has without a row in its table; tests/nn compares them.
UNLISTED = {"ChannelShuffle", "PixelShuffle", "PixelUnshuffle", "Fold", "Unfold", "Unflatten"}
UNLISTED |= {"CosineSimilarity", "PairwiseDistance"}
UNLISTED |= {"Hardsigmoid", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d", "UpsamplingNearest2d", "UpsamplingBilinear2d"}
UNLISTED |= {"LazyLinear", *(f"Lazy{norm}Norm{rank}d" for norm in ("Batch", "Instance") for rank in (1, 2, 3))}
UNLISTED |= {"TripletMarginLoss", "TripletMarginWithDistanceLoss", "SyncBatchNorm"}
RANDOM = {"Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout", "RReLU"}
LAYERS = sorted(
    name
    for name, kind in vars(nn).items()
    if isinstance(kind, type)
    and name[0] != "_"
    and name not in {*ALONE, *UNLISTED, *RANDOM, "StochasticDepth", "DiceLoss"}
)


def made(x: Any) -> Any:
    """Arguments of a layer: PyTorch's functions are ours of their names, and its layers ours of their options."""
    t = torch().nn
    if isinstance(x, tuple | list):
        return type(x)(map(made, x))
    if isinstance(x, dict):
        return {k: made(v) for k, v in x.items()}
    if isinstance(x, t.TransformerEncoderLayer):
        attention, norm = x.self_attn, x.norm1
        sizes = attention.embed_dim, attention.num_heads, x.linear1.out_features, x.dropout.p
        word = getattr(x.activation, "__name__", "relu")
        options = word, norm.eps, attention.batch_first, x.norm_first, x.linear1.bias is not None
        return nn.TransformerEncoderLayer(*sizes, *options)
    return getattr(ops, x.__name__) if inspect.isroutine(x) else ours(x)


def differs(kind: Any, sample: Any, dtype: str, training: bool) -> str:
    """A layer of each side, built alike, given the same weights, called once, and differentiated."""
    args, options = sample.constructor_input.args, sample.constructor_input.kwargs
    other = kind(*args, **options)
    exact = kind(*args, **options).double()
    if kind.__name__.startswith("Lazy"):  # a call makes the parameters
        for layer, asked in ((other, torch().float32), (exact, torch().float64)):
            layer(*[x.detach().to(asked) for x in sample.forward_input.args])
    mine = getattr(nn, kind.__name__)(*made(args), **{k: v for k, v in made(options).items() if k not in IGNORED})
    other, mine = other.to(getattr(torch(), dtype)).train(training), mine.to(dtype).train(training)
    mine.load_state_dict(other.state_dict())
    exact.load_state_dict(other.state_dict())
    if list(mine.state_dict()) != list(other.state_dict()):
        return f"the state has {list(mine.state_dict())}, expected {list(other.state_dict())}"
    given = [sample.forward_input.args, sample.forward_input.kwargs]
    mine_given = ours(given)
    known = set(mine_given[1]) <= set(inspect.signature(mine.forward).parameters)
    got = mine(*mine_given[0], **mine_given[1]) if known else mine(*mine_given[0], *mine_given[1].values())
    found = outcome(got, [*leaves(mine_given), *mine.parameters()], [mine_given, list(mine.state_dict().values())])

    def torchs(layer: Any, given: Any) -> Outcome:
        want = layer.train(training)(*given[0], **given[1])
        return outcome(want, [*leaves(given), *layer.parameters()], [given, list(layer.state_dict().values())])

    factor = STEEP.get(kind.__name__, 4)
    return difference(found, torchs(other, theirs(given)), lambda: torchs(exact, in_float64(given)), factor)


@pytest.mark.parametrize("name", LAYERS)
def test_samples(name):
    info = tables.modules()[name]
    verdicts = Verdicts(DIFFERENT_LAYERS)
    for dtype in ("float64", "float32"):
        for training in (True, False):
            make = partial(
                info.module_inputs_func, info, "cpu", getattr(torch(), dtype), requires_grad=True, training=training
            )
            for given in tables.samples(f"{name} {dtype} {training}", make):
                call = given.constructor_input
                sample = Sample(name, dtype, (given.forward_input.args, *call.args), call.kwargs, f"{training=}")
                verdicts.judge(sample, partial(differs, info.module_cls, given, dtype, training))
    verdicts.check(name, tables.EVERYTHING)


@pytest.mark.parametrize("name", LAYERS)
def test_errors(name):
    info = tables.modules()[name]
    if info.module_error_inputs_func is None:
        return
    verdicts = Verdicts(TAKEN_LAYERS)
    for bad in info.module_error_inputs_func(info, "cpu", torch().float32, requires_grad=False, training=True):
        made, called = bad.module_error_input.constructor_input, bad.module_error_input.forward_input
        sample = Sample(name, "error", made.args, made.kwargs)
        verdicts.judge(sample, partial(refusal_of, partial(made_and_called, name, made, called)))
    verdicts.check(name, everything=True)


def made_and_called(name: str, made: Any, called: Any) -> Any:
    layer = getattr(nn, name)(*ours(made.args), **ours(made.kwargs))
    return layer if called is None else layer(*ours(called.args), **ours(called.kwargs))


def test_every_layer_of_one_name_is_compared():
    """PyTorch's table has a row for every layer here but those of ALONE and RANDOM."""
    here = {name for name in tables.modules() if hasattr(nn, name)}
    assert here == set(LAYERS), sorted(here ^ set(LAYERS))
