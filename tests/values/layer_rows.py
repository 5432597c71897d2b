"""Which layers are stored: PyTorch's of the same name, with the same weights, once in training and once after it."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import numpy as np
import torch

from tests.values.op_rows import LINE, above, some

fresh = partial(some, asked=Counter())  # numbers that no other file's rows shift, nor these those


def apart(*shape: int) -> np.ndarray:
    """The same, all positive."""
    return np.abs(fresh(*shape))


SMALL, WIDE, FLAT = (2, 3, 4), (1, 3, 4, 4), (3, 4)
LABELS = np.array([2, 0, 3])
RISING = np.arange(-5.5, 6.5).reshape(FLAT) / 4
SIGNS = np.where(np.arange(12).reshape(3, 4) % 3, 1.0, -1.0)
ROWS: list[tuple[str, dict[str, Any], tuple[int, ...] | np.ndarray, np.ndarray | None]] = [
    ("Linear", {"in_features": 4, "out_features": 2}, FLAT, None),
    ("Linear", {"in_features": 4, "out_features": 2, "bias": False}, FLAT, None),
    ("Conv1d", {"in_channels": 3, "out_channels": 2, "kernel_size": 3}, SMALL, None),
    ("Conv2d", {"in_channels": 3, "out_channels": 2, "kernel_size": 3}, WIDE, None),
    (
        "Conv2d",
        {
            **{"in_channels": 4, "out_channels": 2, "kernel_size": [2, 3], "stride": [2, 1], "padding": [0, 1]},
            **{"dilation": [2, 1], "groups": 2, "bias": False, "padding_mode": "circular"},
        },
        (1, 4, 5, 3),
        None,
    ),
    ("Conv3d", {"in_channels": 1, "out_channels": 2, "kernel_size": 2}, (1, 1, 2, 3, 3), None),
    ("ConvTranspose2d", {"in_channels": 2, "out_channels": 2, "kernel_size": 2}, (1, 2, 2, 3), None),
    (
        "ConvTranspose2d",
        {
            **{"in_channels": 2, "out_channels": 2, "kernel_size": 3, "stride": 2, "padding": 1},
            **{"output_padding": 1, "groups": 2, "bias": False, "dilation": 2},
        },
        (1, 2, 2, 3),
        None,
    ),
    ("MaxPool2d", {"kernel_size": 2}, WIDE, None),
    ("MaxPool2d", {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 1, "ceil_mode": True}, WIDE, None),
    ("AvgPool2d", {"kernel_size": 2}, WIDE, None),
    ("AvgPool2d", {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}, WIDE, None),
    ("AdaptiveAvgPool2d", {"output_size": [3, 1]}, WIDE, None),
    ("AdaptiveMaxPool2d", {"output_size": [3, 1]}, WIDE, None),
    ("MaxPool1d", {"kernel_size": 2, "padding": 1, "dilation": 2}, (2, 2, 5), None),
    ("AvgPool1d", {"kernel_size": 3, "stride": 1, "padding": 1}, (2, 2, 5), None),
    ("MaxPool3d", {"kernel_size": 2, "stride": 1, "ceil_mode": True}, (1, 2, 3, 2, 4), None),
    ("AvgPool3d", {"kernel_size": [2, 1, 3]}, (1, 2, 3, 2, 4), None),
    ("AdaptiveAvgPool1d", {"output_size": 3}, (2, 2, 5), None),
    ("AdaptiveMaxPool1d", {"output_size": 3}, (2, 2, 5), None),
    ("AdaptiveAvgPool3d", {"output_size": [2, 1, 3]}, (1, 2, 3, 2, 4), None),
    ("AdaptiveMaxPool3d", {"output_size": [2, 1, 3]}, (1, 2, 3, 2, 4), None),
    ("LPPool1d", {"norm_type": 2, "kernel_size": 2, "stride": 1}, (2, 2, 5), None),
    ("LPPool2d", {"norm_type": 2, "kernel_size": [2, 3], "ceil_mode": True}, WIDE, None),
    ("LPPool3d", {"norm_type": 2, "kernel_size": 2}, (1, 2, 3, 2, 4), None),
    ("BatchNorm1d", {"num_features": 4}, FLAT, None),
    ("BatchNorm2d", {"num_features": 3, "eps": 0.25, "momentum": 0.5}, WIDE, None),
    ("BatchNorm2d", {"num_features": 3, "momentum": None, "affine": False}, WIDE, None),
    ("BatchNorm3d", {"num_features": 2, "track_running_stats": False}, (2, 2, 2, 1, 2), None),
    ("GroupNorm", {"num_groups": 2, "num_channels": 4}, (2, 4, 3), None),
    ("GroupNorm", {"num_groups": 2, "num_channels": 4, "eps": 0.25, "affine": False}, (2, 4, 3), None),
    ("LayerNorm", {"normalized_shape": 4}, FLAT, None),
    ("LayerNorm", {"normalized_shape": [3, 4], "eps": 0.25, "bias": False}, SMALL, None),
    ("InstanceNorm1d", {"num_features": 3}, SMALL, None),
    (
        "InstanceNorm2d",
        {"num_features": 3, "affine": True, "track_running_stats": True, "momentum": 0.25},
        WIDE,
        None,
    ),
    ("LocalResponseNorm", {"size": 3}, above(1, 5, 2) * 64, None),
    ("LocalResponseNorm", {"size": 2, "alpha": 2.0, "beta": 0.5, "k": 0.25}, SMALL, None),
    ("PReLU", {}, LINE, None),
    ("PReLU", {"num_parameters": 4}, FLAT, None),
    *((name, {}, LINE, None) for name in ("ReLU", "Tanh", "Sigmoid", "SiLU", "GELU", "ELU", "LeakyReLU", "Softplus")),
    ("Identity", {}, FLAT, None),
    ("ELU", {"alpha": 0.75}, LINE, None),
    ("LeakyReLU", {"negative_slope": 0.125}, LINE, None),
    ("Softplus", {"beta": 0.75, "threshold": 2.0}, LINE, None),
    ("GELU", {"approximate": "tanh"}, LINE, None),
    ("Softmax", {"dim": 1}, SMALL, None),
    ("LogSoftmax", {"dim": 0}, FLAT, None),
    ("Flatten", {}, SMALL, None),
    ("Flatten", {"start_dim": 0, "end_dim": 1}, SMALL, None),
    ("Upsample", {"scale_factor": 2}, (1, 1, 2, 3), None),
    ("Upsample", {"size": [3, 4], "mode": "bilinear", "align_corners": True}, (1, 1, 2, 3), None),
    *(
        (f"{mode}Pad{rank}d", {"padding": [1, 0, 2, 1, 0, 1][: 2 * rank]}, (1, 1, 3, 3, 2)[: rank + 2], None)
        for mode in ("Zero", "Reflection", "Replication", "Circular")
        for rank in (1, 2, 3)
    ),
    *((f"ConstantPad{rank}d", {"padding": 1, "value": -1.5}, (1, 1, 2, 1, 2)[: rank + 2], None) for rank in (1, 2, 3)),
    *((f"{name}Loss", {}, FLAT, above(*FLAT)) for name in ("MSE", "L1", "BCEWithLogits")),
    *((f"{name}Loss", {"reduction": "sum"}, FLAT, above(*FLAT)) for name in ("MSE", "L1", "BCEWithLogits")),
    ("CrossEntropyLoss", {}, FLAT, LABELS),
    ("CrossEntropyLoss", {"ignore_index": 0, "reduction": "sum", "label_smoothing": 0.25}, FLAT, LABELS),
    ("NLLLoss", {}, FLAT, LABELS),
    ("NLLLoss", {"ignore_index": 0, "reduction": "none"}, FLAT, LABELS),
    ("RMSNorm", {"normalized_shape": 4}, FLAT, None),
    ("RMSNorm", {"normalized_shape": [3, 4], "eps": 0.25, "elementwise_affine": False}, SMALL, None),
    (
        "ConvTranspose1d",
        {"in_channels": 2, "out_channels": 4, "kernel_size": 3, "stride": 2, "groups": 2},
        (2, 2, 3),
        None,
    ),
    ("ConvTranspose3d", {"in_channels": 2, "out_channels": 1, "kernel_size": [1, 2, 2]}, (1, 2, 1, 2, 3), None),
    *((name, {}, LINE, None) for name in ("SELU", "CELU", "Mish", "Hardswish", "LogSigmoid", "Softsign", "Tanhshrink")),
    *((name, {}, LINE, None) for name in ("ReLU6", "Hardtanh", "Softshrink", "Hardshrink")),
    ("Threshold", {"threshold": 0.875, "value": -7.5}, LINE, None),
    ("GLU", {"dim": 0}, (2, 3), None),
    ("Softmin", {"dim": 1}, SMALL, None),
    *((f"{name}Loss", {}, FLAT, apart(*FLAT)) for name in ("SmoothL1", "Huber", "PoissonNLL")),
    ("BCELoss", {}, apart(*FLAT) / 4, apart(*FLAT) / 4),
    ("KLDivLoss", {"reduction": "batchmean"}, FLAT, apart(*FLAT)),
    *((f"{name}Loss", {}, FLAT, SIGNS) for name in ("HingeEmbedding", "SoftMargin")),
    ("MultiLabelSoftMarginLoss", {}, FLAT, apart(*FLAT) / 4),
    ("MultiMarginLoss", {"p": 2, "margin": 0.75}, FLAT, LABELS),
    ("MultiLabelMarginLoss", {}, FLAT, np.array([[3, 0, -1, 1], [-1, 0, 0, 0], [0, 1, 2, 3]])),
    ("InstanceNorm3d", {"num_features": 2, "affine": True}, (2, 2, 1, 2, 2), None),
    ("PixelShuffle", {"upscale_factor": 2}, (1, 4, 2, 3), None),
    ("PixelUnshuffle", {"downscale_factor": 2}, (1, 2, 2, 4), None),
    ("ChannelShuffle", {"groups": 2}, (1, 4, 2, 1), None),
    ("Unflatten", {"dim": 1, "unflattened_size": [2, -1]}, (2, 4), None),
    ("Unfold", {"kernel_size": [2, 1], "padding": 1, "stride": [1, 2]}, (1, 2, 2, 3), None),
    ("Fold", {"output_size": [3, 3], "kernel_size": 2}, (1, 4, 4), None),
    ("UpsamplingNearest2d", {"scale_factor": 2}, (1, 1, 2, 3), None),
    ("UpsamplingBilinear2d", {"size": [3, 4]}, (1, 1, 2, 3), None),
    ("CosineSimilarity", {"dim": 0}, FLAT, RISING),
    ("PairwiseDistance", {"keepdim": True}, FLAT, RISING),
    ("Bilinear", {"in1_features": 4, "in2_features": 4, "out_features": 2}, FLAT, RISING),
    (
        "TransformerEncoderLayer",
        {"d_model": 4, "nhead": 2, "dim_feedforward": 3, "dropout": 0.0, "batch_first": True},
        (1, 3, 4),
        None,
    ),
    ("SyncBatchNorm", {"num_features": 3, "eps": 0.25}, WIDE, None),
]


def all_rows() -> list[dict[str, Any]]:
    return [values_of(*row) for row in ROWS]


def values_of(name: str, options: dict[str, Any], shape, target: np.ndarray | None) -> dict[str, Any]:
    """A pass forward and backward in training, the state after it, and a pass in evaluation."""
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    theirs = getattr(torch.nn, name)(**given).double()
    starts_at = {key: value.numpy().copy() for key, value in theirs.state_dict().items()}
    state = {key: of_key(key, value) for key, value in theirs.state_dict().items()}
    theirs.load_state_dict({key: torch.tensor(value) for key, value in state.items()})
    x = torch.tensor(shape if isinstance(shape, np.ndarray) else fresh(*shape), requires_grad=True)
    arguments = (x,) if target is None else (x, torch.tensor(target))
    y = theirs(*arguments)
    upstream = np.asarray(np.random.default_rng(y.numel()).integers(-128, 128, tuple(y.shape)) / 64.0)
    y.backward(torch.tensor(upstream))
    made: dict[str, Any] = {"layer": name, "options": options}
    made["starts_at"] = starts_at if "Norm" in name or name == "PReLU" else {}  # others start at random
    made |= {"state": state, "x": x.detach().numpy(), "target": target}
    made |= {"value": y.detach().numpy(), "upstream": upstream}
    gradients = {"x": x.grad, **{key: p.grad for key, p in theirs.named_parameters()}}
    made["gradients"] = {key: g.numpy() for key, g in gradients.items() if g is not None}
    after = {key: value.numpy().copy() for key, value in theirs.state_dict().items()}
    made["after"] = {key: value for key, value in after.items() if not np.array_equal(value, state[key])}
    made["evaluated"] = theirs.eval()(*arguments).detach().numpy() if made["after"] else None
    return {
        key: value for key, value in made.items() if value is not None and not (isinstance(value, dict) and not value)
    }


def of_key(key: str, value: torch.Tensor) -> np.ndarray:
    """Weights of a layer; whole numbers, such as the count of batches, as they are."""
    if not value.is_floating_point():
        return value.numpy().copy()
    return (apart if key == "running_var" else fresh)(*value.shape)
