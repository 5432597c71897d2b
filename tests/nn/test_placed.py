"""device= and dtype= of the layers that hold numbers."""

import inspect

import numpy as np
import pytest

import gpunn
from gpunn import nn

LAYERS = [
    ("Linear", (3, 2)),
    ("Bilinear", (3, 2, 1)),
    ("Conv2d", (4, 4, 3)),
    ("ConvTranspose1d", (4, 4, 3)),
    ("BatchNorm2d", (4,)),
    ("InstanceNorm1d", (4, 1e-5, 0.1, True, True)),
    ("GroupNorm", (2, 4)),
    ("LayerNorm", (4,)),
    ("RMSNorm", (4,)),
    ("Embedding", (5, 3)),
    ("PReLU", ()),
    ("MultiheadAttention", (4, 2)),
    ("RNN", (3, 2)),
    ("LSTM", (3, 2, 2)),
    ("GRU", (3, 2)),
    ("LSTMCell", (3, 2)),
    ("TransformerEncoderLayer", (4, 2, 8)),
    ("LazyLinear", (2,)),
    ("LazyConv2d", (4, 3)),
]


@pytest.mark.parametrize("name, args", LAYERS)
def test_a_layer_is_made_where_and_in_what_is_asked(name, args):
    """The numbers are those of the layer without: drawn on the host in float32."""
    make = getattr(nn, name)
    gpunn.manual_seed(3)
    layer = make(*args, device="emulator", dtype="float64")
    gpunn.manual_seed(3)
    plain = make(*args)
    held = [*layer.parameters(), *(b for b in layer.buffers() if b.dtype.kind == "f")]
    assert held and all(p.dtype == np.float64 and str(p.device) == "emulator" for p in held)
    if "Lazy" not in name:
        assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(held, plain.parameters(), strict=False))
    assert list(inspect.signature(make).parameters)[-2:] == ["device", "dtype"]


def test_a_lazy_layer_is_made_there_too():
    layer = nn.LazyLinear(2, dtype="float64")
    assert layer(np.ones((1, 3))).dtype == np.float64 and type(layer) is nn.Linear


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: nn.Conv2d(3), r"Conv2d.__init__\(\) missing 2 required positional arguments"),
        (lambda: nn.Linear(3, 2, devise="cpu"), r"Linear.__init__\(\) got an unexpected keyword argument 'devise'"),
        (lambda: nn.ReLU(device="cpu"), r"__init__\(\) got an unexpected keyword argument 'device'"),
        (lambda: nn.Linear(3, 2, dtype="int64"), "to: parameters cannot be int64; expected a floating dtype"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(TypeError, match=words):
        call()
