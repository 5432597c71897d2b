"""A captured step may have every layer: replays give eager's bits, gradients and state."""

import os

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn
from tests.nn.test_layers import LAYERS
from tests.ops.test_capture import Captured, worked
from tests.parity import normal

pytestmark = pytest.mark.skipif(not gpunn.is_available("emulator"), reason="kernels run on the emulator here")

X, IMAGE, CLASSES = normal(4, 5), normal(2, 4, 6, 6), np.array([1, 0, 4, 3])
SIGNS, SHARES, STEPS = np.where(X > 0, 1.0, -1.0), np.full((4, 5), 0.2), normal(3, 2, 8)
OF_TWO = ("BCEWithLogitsLoss", "HuberLoss", "KLDivLoss", "L1Loss", "MSELoss", "PoissonNLLLoss", "SmoothL1Loss")
# What LAYERS does not have: arguments of the layer, then what it is called with.
MORE = {
    **{name: ((), X, SHARES) for name in (*OF_TWO, "CosineSimilarity", "MultiLabelSoftMarginLoss", "PairwiseDistance")},
    **{name: ((), X, CLASSES) for name in ("CrossEntropyLoss", "MultiMarginLoss", "NLLLoss")},
    **{name: ((), X, SIGNS) for name in ("HingeEmbeddingLoss", "SoftMarginLoss")},
    **{name: ((), X, X[::-1], 2 * X) for name in ("TripletMarginLoss", "TripletMarginWithDistanceLoss")},
    **{name: ((6, 4), STEPS[..., :6]) for name in ("RNN", "LSTM", "GRU")},
    **{f"MaxUnpool{rank}d": ((2,), normal(1, 2, *(2,) * rank), np.arange(2**rank).reshape(1, 1, *(2,) * rank)
       .repeat(2, 1)) for rank in (1, 2, 3)},
    "BCELoss": ((), SHARES, SHARES[::-1]),
    "Bilinear": ((5, 5, 3), X, X[::-1]),
    "CTCLoss": ((), STEPS, np.array([[1, 2], [3, 1]]), np.array([3, 3]), np.array([1, 2])),
    "CosineEmbeddingLoss": ((), X, X[::-1], np.array([1, -1, 1, 1])),
    "DiceLoss": ((), IMAGE, np.arange(72).reshape(2, 6, 6) % 4),
    "Embedding": ((6, 3), CLASSES),
    "GaussianNLLLoss": ((), X, X[::-1], SHARES),
    "Hardsigmoid": ((), X),
    "LSTMCell": ((5, 3), X),
    "MarginRankingLoss": ((), X, X[::-1], SIGNS),
    "MultiLabelMarginLoss": ((), X, np.array([[1, 0, -1, 2, 3]] * 4)),
    "MultiheadAttention": ((8, 2), STEPS, STEPS, STEPS),
    "RReLU": ((), X),
    "StochasticDepth": ((0.5, "row"), X),
    "Transformer": ((8, 2, 1, 1, 16), STEPS, STEPS),
    "TransformerDecoderLayer": ((8, 2, 16), STEPS, STEPS),
    "TransformerEncoderLayer": ((8, 2, 16), STEPS),
    "Dropout of half": ((0.5,), X),
    "AlphaDropout of half": ((0.5,), X),
}  # fmt: skip
TABLE = {}
for layer, given, options, shape in LAYERS:
    TABLE.setdefault(layer, ((given, options), normal(*shape)))
for layer, (given, *inputs) in MORE.items():
    TABLE[layer] = ((given, {}), *inputs)
# Of other layers, or lists of them; lazy ones become those of their names.
CONTAINERS = {"Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential", "RNNBase"}
CONTAINERS |= {"RNNCellBase", "TransformerDecoder", "TransformerEncoder"}
QUICK = [
    "RReLU",
    "Embedding",
    "MultiheadAttention",
    "Upsample",
    "BatchNorm2d",
    "Dropout of half",
]  # all where CI is set


def made(name, row):
    """The layer on the card in training, and what it is called with, from the same random numbers each time."""
    gpunn.manual_seed(0)
    (given, options), *inputs = row
    layer = getattr(nn, name.split()[0])(*given, **options).to("cuda")
    arrays = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in inputs]
    arrays = [gpunn.to_device(a, "cuda") for a in arrays]
    return layer, [Tensor(a, requires_grad=i == 0 and a.dtype.kind == "f") for i, a in enumerate(arrays)]


def passes(layer, inputs):
    """What Captured takes of a layer: the call, all that has a gradient, and the gradient of what it gives."""

    def function(*_):
        y = layer(*inputs)
        while isinstance(y, tuple):
            y = y[0]
        return y

    with gpunn.no_grad():
        shape = function().shape
    gy = np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)
    return function, [*inputs, *layer.parameters()], gpunn.to_device(gy, "cuda")


@pytest.mark.parametrize("name", TABLE if os.environ.get("CI") else QUICK)
def test_replays_are_eager_passes(name, look_alike):
    """After two passes that fill the pool: two more, with what each gives and adds up."""
    found = []
    for captured in (False, True):
        layer, inputs = made(name, TABLE[name])
        given = passes(layer, inputs)
        if captured:
            run = Captured(look_alike, *given).replay
        else:
            run = lambda given=given: worked(*given)  # noqa: E731
            run(), run()
        results = [[gpunn.to_numpy(one) for one in run()] for _ in range(2)]
        found.append([*results[0], *results[1], *map(gpunn.to_numpy, layer.state_dict().values())])
    for one, other in zip(*found, strict=True):
        assert one.dtype == other.dtype and one.tobytes() == other.tobytes(), (name, one, other)


def test_every_layer_is_captured():
    layers = {n for n, one in vars(nn).items() if isinstance(one, type) and issubclass(one, nn.Module)}
    left = {n for n in layers if not n.startswith("Lazy")} - {name.split()[0] for name in TABLE} - CONTAINERS
    assert not left, f"add {sorted(left)} to MORE"
