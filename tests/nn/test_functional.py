"""gpunn.nn.functional: PyTorch's signatures, values and in-place forms; what it refuses."""

import inspect
import re

import numpy as np
import pytest

import gpunn
from gpunn import ops
from gpunn.nn import functional as F
from tests.parity import torch

IGNORED = {("softmax", "_stacklevel"), ("log_softmax", "_stacklevel"), ("softmin", "_stacklevel")}


def of_torch(function):
    """(name, default as text) of each positional parameter; of functions in C from the first line of their docs."""
    try:
        found = [p for p in inspect.signature(function).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        return [(p.name, "" if p.default is p.empty else repr(p.default)) for p in found]
    except ValueError:
        inside = re.match(r"\w+\((.*?)\)( ->|$)", function.__doc__.strip().splitlines()[0])[1]
        parts = [part.strip() for part in re.split(r",\s*(?![^()]*\))", inside)]
        named = [part.partition("=") for part in parts if not part.startswith(("*", "\\*"))]
        return [(name.split(":")[0].strip(), default) for name, _, default in named]


def number(text):
    try:
        return float(text)
    except ValueError:
        return text.replace("'", "").strip()


@pytest.mark.parametrize("name", [name for name in dir(F) if name != "scaled_dot_product_attention"])  # in C, untold
def test_arguments_are_pytorchs(name):
    """Names, order and defaults; gpunn may have more behind them."""
    theirs = of_torch(getattr(torch().nn.functional, name))
    mine = of_torch(getattr(F, name))
    assert [argument for argument, _ in mine][: len(theirs)] == [argument for argument, _ in theirs]
    differing = {
        argument: (default, want)
        for (argument, default), (_, want) in zip(mine, theirs, strict=False)
        if number(default) != number(want) and (name, argument) not in IGNORED
    }
    assert differing.keys() <= {"dim", "value"}, differing  # a dim must be given; a value of None is 0


CALLS = {
    "by place": lambda t, F, x: F.leaky_relu(x, 0.2, False),
    "by name": lambda t, F, x: F.conv2d(input=x, weight=t.ones(2, 3, 3, 3), padding=1),
    "as a mean": lambda t, F, x: F.mse_loss(x, t.zeros_like(x), reduction="sum"),
    "in its old place": lambda t, F, x: F.mse_loss(x, t.zeros_like(x), None, None, "none"),
    "classes": lambda t, F, x: F.cross_entropy(x[:, :, 0, 0], t.tensor([0, 2]), label_smoothing=0.1),
    "likelihood": lambda t, F, x: F.nll_loss(F.log_softmax(x[:, :, 0, 0], dim=1), t.tensor([0, 2])),
    "in another type": lambda t, F, x: F.softmax(x, 1, dtype=t.float64),
    "a pad": lambda t, F, x: F.pad(x, (1, 2, 0, 1), "constant", 0.5),
    "a pool": lambda t, F, x: F.max_pool2d(x, 2, stride=1),
    "both of a pool": lambda t, F, x: F.max_pool2d(x, 2, return_indices=True),
    "an average": lambda t, F, x: F.avg_pool2d(x, 2, 1, 1, False, False),
    "norms": lambda t, F, x: F.layer_norm(F.group_norm(x, 3), (5,), t.ones(5), t.zeros(5)),
    "batch norm": lambda t, F, x: F.batch_norm(x, t.zeros(3), t.ones(3), training=True),
    "one hot": lambda t, F, x: F.one_hot(t.tensor([0, 2]), num_classes=4),
    "larger": lambda t, F, x: F.interpolate(x, scale_factor=2, mode="nearest"),
    "a tail": lambda t, F, x: F.relu_(x.clone() if hasattr(x, "clone") else x + 0),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_values_are_pytorchs(call):
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    got = call(gpunn, F, gpunn.tensor(x))
    want = call(torch(), torch().nn.functional, torch().tensor(x))
    for mine, their in zip(*[y if isinstance(y, tuple) else (y,) for y in (got, want)], strict=True):
        assert str(their.dtype) == f"torch.{mine.dtype}"
        np.testing.assert_allclose(np.asarray(mine), their.numpy(), rtol=1e-5, atol=1e-6)


def test_inplace_gives_back_what_it_changed():
    x = gpunn.tensor([-1.0, 2.0])
    assert F.relu(x, inplace=True) is x and x.tolist() == [0, 2]
    a = np.array([-2.0, 9.0])
    assert F.relu6(a, True) is a and a.tolist() == [0, 6]
    assert F.dropout(x, 0.5, False, True) is x and x.tolist() == [0, 2]


def test_arrays_make_arrays():
    a = np.array([[-1.0, 2.0]])
    assert type(F.relu(a)) is np.ndarray and type(F.softmax(a, dim=1)) is np.ndarray


REFUSED = {
    "twice": (lambda x: F.relu(x, input=x), "relu: got input twice, by place and by name"),
    "by both names": (lambda x: F.one_hot(target=x, tensor=x), "one_hot: got tensor and target, two names of one"),
    "too many": (lambda x: F.relu(x, False, 1), "relu: got 3 positional arguments, expected at most 2: input, inplace"),
    "unknown": (lambda x: F.relu(x, slope=1), "unexpected keyword argument 'slope'"),
    "another": (lambda x: F.avg_pool2d(x, 2, divisor_override=3), "divisor_override"),
}


@pytest.mark.parametrize(("call", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_says_why(call, words):
    with pytest.raises(TypeError, match=words):
        call(gpunn.ones(1, 1, 4, 4))


def test_a_wrong_name_is_answered_with_the_nearest():
    with pytest.raises(AttributeError, match=r"'gpunn\.nn\.functional' has no attribute 'max_pool2'; did you mean"):
        F.max_pool2  # noqa: B018
    assert "relu" in dir(F) and callable(F.linear) and ops.relu is not F.relu


def test_the_input_under_the_ops_own_name():
    x = gpunn.tensor([1.0, -2.0])
    assert gpunn.nansum(x=x, dtype="float64").dtype == "float64"
    assert F.relu(x=x, inplace=True) is x and x.tolist() == [1, 0]
