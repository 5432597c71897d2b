"""Every layer against values that PyTorch's layer of that name gave once in float64, with the same weights."""

import json

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn
from tests.values.stored import array, assert_near, load

ROWS = load("layers")
# What draws at random is stored as an op; the others hold layers.
ELSEWHERE = {"Dropout", "Dropout2d", "StochasticDepth", "Module", "ModuleList", "Sequential"}
# What takes more than a target is stored as an op, too, and Hardsigmoid, whose slope is a float32 in PyTorch.
ELSEWHERE |= {"RReLU", "Hardsigmoid", "GaussianNLLLoss", "CosineEmbeddingLoss", "MarginRankingLoss", "CTCLoss"}
ELSEWHERE |= {"TripletMarginLoss", "TripletMarginWithDistanceLoss", "DiceLoss"}
ELSEWHERE |= {"Dropout1d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"}  # by chance
ELSEWHERE |= {"ModuleDict", "ParameterDict", "ParameterList"}  # hold others
ELSEWHERE |= {
    "Embedding",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
    "MultiheadAttention",
}  # take ints, or give pairs
# Their ops are stored.
ELSEWHERE |= {"RNN", "LSTM", "GRU", "RNNBase", "RNNCell", "LSTMCell", "GRUCell", "RNNCellBase"}
# Stacks of stored TransformerEncoderLayers, and their kin, are compared where PyTorch is.
ELSEWHERE |= {"Transformer", "TransformerEncoder", "TransformerDecoder", "TransformerDecoderLayer"}


def title(row):
    return f"{row['layer']} {json.dumps(row.get('options', {}))}".replace('"', "")


def test_every_layer_is_stored():
    public = {name for name, kind in vars(nn).items() if isinstance(kind, type) and issubclass(kind, nn.Module)}
    public = {name for name in public if not name.startswith("Lazy")}  # which become others at their first call
    assert {row["layer"] for row in ROWS} == public - ELSEWHERE


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("row", ROWS, ids=title)
def test_layer(row, dtype):
    options = {key: tuple(v) if isinstance(v, list) else v for key, v in row.get("options", {}).items()}
    layer = getattr(nn, row["layer"])(**options).to(dtype)
    for key, want in row.get("starts_at", {}).items():
        assert_near(layer.state_dict()[key], want, f"{key} at first")
    layer.load_state_dict({key: array(value, dtype) for key, value in row.get("state", {}).items()})
    x = Tensor(array(row["x"], dtype), requires_grad=True)
    arguments = (x, array(row["target"], dtype)) if "target" in row else (x,)
    y = layer(*arguments)
    assert_near(gpunn.to_numpy(y), row["value"], "value")
    y.backward(array(row["upstream"], dtype))
    found = {"x": x.gradient, **{key: p.gradient for key, p in layer.named_parameters()}}
    assert list(found) == list(row["gradients"])
    for key, want in row["gradients"].items():
        assert_near(found[key], want, f"gradient of {key}")
    after = {**row.get("state", {}), **row.get("after", {})}
    assert list(layer.state_dict()) == list(after)
    for key, value in layer.state_dict().items():
        assert_near(value, np.array(after[key]), f"{key} afterwards")
    if "evaluated" in row:
        assert_near(gpunn.to_numpy(layer.eval()(*arguments)), row["evaluated"], "value in evaluation")
