"""Lazy layers: what the first input makes of them, beside PyTorch's; what they refuse before."""

import copy
import pickle

import numpy as np
import pytest

import gpunn
from gpunn import nn, optim
from gpunn.nn.parameter import UninitializedParameter

SHAPE = (2, 6, 5, 6, 7)  # of an input, as far as its rank goes
LAYERS = [
    ("LazyLinear", (3,), {}, 2),
    ("LazyLinear", (3,), dict(bias=False), 1),
    *((f"LazyConv{r}d", (4, 3), dict(groups=2, padding=1, bias=r > 1), r) for r in (1, 2, 3)),
    *((f"LazyConvTranspose{r}d", (4, 3), dict(groups=2, stride=2), r) for r in (1, 2, 3)),
    *((f"LazyBatchNorm{r}d", (), dict(eps=1e-3, affine=r < 3), r) for r in (1, 2, 3)),
    *((f"LazyInstanceNorm{r}d", (), dict(affine=True, track_running_stats=r > 1), r) for r in (1, 2, 3)),
]


def given(rank, dtype=np.float32):
    return np.random.default_rng(rank).standard_normal(SHAPE[: rank + 2]).astype(dtype)


@pytest.mark.parametrize("name, args, options, rank", LAYERS)
def test_the_first_input_makes_the_plain_layer(name, args, options, rank):
    """The layer, its numbers and its output are those of the plain one made at that time."""
    x, plain = given(rank), getattr(nn, name.removeprefix("Lazy"))
    layer = getattr(nn, name)(*args, **options)
    held = list(layer.parameters())
    assert all(type(p) is UninitializedParameter and p.requires_grad for p in held)
    assert repr(layer).startswith(f"{name}(0")
    gpunn.manual_seed(5)
    want = plain(SHAPE[rank + 1 if "Linear" in name else 1], *args, **options)
    wanted = want(x)
    gpunn.manual_seed(5)
    got = layer(x)
    assert type(layer) is plain and repr(layer) == repr(want) and layer.training
    assert np.array_equal(np.asarray(got), np.asarray(wanted))
    assert [type(p) for p in layer.parameters()] == [nn.Parameter] * len(held)
    assert all(a is b for a, b in zip(layer.parameters(), held, strict=True))  # what an optimiser will be given
    state = layer.state_dict()
    assert list(state) == list(want.state_dict())
    assert all(np.array_equal(state[key], value) for key, value in want.state_dict().items())
    layer(x)


@pytest.mark.parametrize("name, args, options, rank", LAYERS)
def test_a_state_of_pytorchs_makes_the_plain_layer(name, args, options, rank):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    x = given(rank)
    theirs, ours = getattr(torch.nn, name)(*args, **options), getattr(nn, name)(*args, **options)
    theirs(torch.tensor(x))
    if not theirs.state_dict():
        return
    ours.load_state_dict(theirs.state_dict())
    assert type(ours).__name__ == type(theirs).__name__ == name.removeprefix("Lazy")
    got, want = ours.eval()(x), theirs.eval()(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(np.asarray(got), want, rtol=1e-5, atol=1e-5)


def test_in_a_chain_all_are_made_in_turn():
    net = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    assert net(given(2)).shape == (2, 2)
    assert repr(net[4]) == "Linear(48->2)" and not any(type(m).__name__.startswith("Lazy") for m in net.modules())
    net.load_state_dict(net.state_dict())
    optim.SGD(net.parameters(), lr=0.1)


def test_dtype_and_freezing_before_the_first_input_stay():
    net = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d()).to("float64")
    net[0].weight.requires_grad = False
    y = net(np.ones((4, 2)))
    assert y.dtype == np.float64 and net[1].running_mean.dtype == np.float64
    assert not net[0].weight.requires_grad and net[0].bias.requires_grad


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_are_lazy_too(copied):
    layer = nn.LazyLinear(2)
    other = copied(layer)
    assert other(np.ones((1, 5), np.float32)).shape == (1, 2)
    assert layer(np.ones((1, 3), np.float32)).shape == (1, 2) and layer.weight.shape == (2, 3)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: optim.SGD(nn.LazyLinear(2).parameters(), lr=1), ValueError, r"params\[0\] is an Uninitialized.*call"),
        (lambda: nn.LazyLinear(2).state_dict(), RuntimeError, "UninitializedParameter: its shape is not known yet; c"),
        (lambda: nn.LazyLinear(2).weight.shape, RuntimeError, "its shape is not known yet"),
        (lambda: nn.LazyLinear(2).load_state_dict({}), gpunn.CheckpointError, "missing weight, bias"),
        (lambda: nn.LazyLinear(), TypeError, r"LazyLinear.__init__\(\) missing a required argument: 'out_features'"),
        (lambda: nn.LazyLinear(0), ValueError, "Linear: out_features is 0, expected at least 1"),
        (lambda: nn.LazyLinear(2)(np.float32(1)), ValueError, "LazyLinear: x has no dimensions"),
        (lambda: nn.LazyConv2d(2, 0), ValueError, "LazyConv2d: kernel_size is 0, expected at least 1"),
        (lambda: nn.LazyConv2d(2, 3)(given(0)), ValueError, "LazyConv2d: x has 2 dimensions"),
        (lambda: nn.LazyConv1d(2, 3)(given(2)), ValueError, r"LazyConv1d: x has 4 dimensions .* \(N, C, L\) or \(C,"),
        (lambda: nn.LazyConv2d(4, 3, groups=4)(given(2)), ValueError, "in_channels is 6, expected a multiple of grou"),
        (lambda: nn.LazyBatchNorm2d()(given(1)), ValueError, "LazyBatchNorm2d: x has 3 dimensions .*, expected 4"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()
