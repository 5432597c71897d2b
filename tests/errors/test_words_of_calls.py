"""A call with too little is refused under the name that was typed, never that of a private class."""

import inspect

import numpy as np
import pytest

import gpunn
from gpunn import nn, ops

LAYERS = [name for name, kind in vars(nn).items() if inspect.isclass(kind) and issubclass(kind, nn.Module)]


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_named_as_they_were_typed(name):
    with pytest.raises(TypeError, match=rf"{name}\.__init__\(\) got an unexpected keyword argument|^{name}: ") as error:
        getattr(nn, name)(**{parameter: 1 for parameter in needed(getattr(nn, name))}, no_such_option=1)
        pytest.skip("it takes whatever is given")
    assert "_Conv" not in str(error.value)


def needed(kind):
    found = inspect.signature(kind).parameters.values()
    return [p.name for p in found if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]


def test_missing_arguments():
    with pytest.raises(TypeError, match=r"^Conv2d\.__init__\(\) missing 2 required .*'out_channels' and"):
        nn.Conv2d(3)
    with pytest.raises(TypeError, match=r"^Linear\.__init__\(\) missing 1 required .*'out_features'"):
        nn.Linear(3)
    for op in (ops.concatenate, ops.stack):
        with pytest.raises(TypeError, match=rf"{op.__name__}: xs\[1\] is None, expected an array; leave it out"):
            op((np.ones(2), None))
        with pytest.raises(TypeError, match=rf"{op.__name__}: xs is a NoneType, expected arrays to join; pass a list"):
            op(None)


def test_integers_are_told_how_a_tensor_is_converted():
    with pytest.raises(TypeError, match=r"relu: x is int64, expected float32 .* x\.to\('float32'\), or x\.astype"):
        ops.relu(gpunn.tensor([1, 2]))
