"""ONNX's node tests of pooling in one to three dimensions, its attributes in our options."""

import os

import numpy as np
import pytest

import gpunn
from gpunn import ops
from tests.onnx.nodes import nodes

ROUNDED = {"test_averagepool_2d_ceil_last_window_starts_on_pad"}  # its numbers stand there in four digits
LARGE = 10_000  # elements of an input with which the emulator takes seconds


class Options:
    """A node's attributes: window, stride and dilation of each axis, and the padding in front of it and behind."""

    def __init__(self, attributes, sizes):
        self.size = tuple(attributes["kernel_shape"])
        ones = [1] * len(sizes)
        self.stride, self.dilation = tuple(attributes.get("strides", ones)), tuple(attributes.get("dilations", ones))
        self.ceil_mode = bool(attributes.get("ceil_mode", 0))
        pads = attributes.get("pads", [0] * 2 * len(sizes))
        self.pads = list(zip(pads[: len(sizes)], pads[len(sizes) :], strict=True))
        if attributes.get("auto_pad", "NOTSET") != "NOTSET":
            self.pads = [
                self.same(*axis, attributes["auto_pad"]) for axis in zip(sizes, self.size, self.stride, strict=True)
            ]

    @staticmethod
    def same(n, size, stride, where):
        """Such padding that the output has ceil(n / stride) elements; an odd one goes behind, or in front (LOWER)."""
        total = max((-(-n // stride) - 1) * stride + size - n, 0)
        return (total // 2, total - total // 2) if where == "SAME_UPPER" else (total - total // 2, total // 2)

    @property
    def plain(self):
        """The padding as one number an axis, where our ops take it; None where the frame has to be laid by ops.pad."""
        ours = all(a == b and 2 * a <= k for (a, b), k in zip(self.pads, self.size, strict=True))
        return tuple(a for a, _ in self.pads) if ours else None

    def framed(self, x, value):
        return ops.pad(x, [n for pair in reversed(self.pads) for n in pair], value=value)


def max_pool(x, attributes, wanted):
    how, pool = Options(attributes, x.shape[2:]), getattr(ops, f"max_pool{x.ndim - 2}d")
    if wanted == 1:
        x, padding = (x, how.plain) if how.plain is not None else (how.framed(x, -np.inf), 0)
        return (pool(x, how.size, how.stride, padding, how.dilation, how.ceil_mode),)
    y, places = pool(x, how.size, how.stride, how.plain, how.dilation, how.ceil_mode, return_indices=True)
    places, (height, width) = gpunn.to_numpy(places), x.shape[2:]
    if attributes.get("storage_order"):  # columns first
        places = places % width * height + places // width
    return y, places + np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], 1, 1) * height * width


def average_pool(x, attributes, wanted):
    how, pool = Options(attributes, x.shape[2:]), getattr(ops, f"avg_pool{x.ndim - 2}d")
    counted = bool(attributes.get("count_include_pad", 0))
    if how.plain is not None:
        return (pool(x, how.size, how.stride, how.plain, how.ceil_mode, counted),)
    y = pool(how.framed(x, 0.0), how.size, how.stride, 0, how.ceil_mode)
    if counted:
        return (y,)
    ones = gpunn.to_device(np.ones(x.shape, np.float32), str(gpunn.backend.device_of(x)))
    return (y / pool(how.framed(ones, 0.0), how.size, how.stride, 0, how.ceil_mode),)


def lp_pool(x, attributes, wanted):
    how, pool = Options(attributes, x.shape[2:]), getattr(ops, f"lp_pool{x.ndim - 2}d")
    return (pool(how.framed(ops.abs(x), 0.0), attributes["p"], how.size, how.stride, how.ceil_mode),)


OURS = {
    "maxpool": max_pool,
    "averagepool": average_pool,
    "lppool": lp_pool,
    "globalmaxpool": lambda x, attributes, wanted: (getattr(ops, f"adaptive_max_pool{x.ndim - 2}d")(x, 1),),
    "globalaveragepool": lambda x, attributes, wanted: (getattr(ops, f"adaptive_avg_pool{x.ndim - 2}d")(x, 1),),
}


# How many nodes each has at least, beside those with what ours lacks, as PyTorch's do: a mean or a norm with dilation.
COUNTS = {"maxpool": 19, "averagepool": 14, "lppool": 7, "globalmaxpool": 2, "globalaveragepool": 2}


def taken(op, node, device):
    if op != "maxpool" and max(node.attributes.get("dilations", [1])) > 1:
        return False
    return device == "cpu" or node.inputs[0].size <= LARGE or "CI" in os.environ


@pytest.mark.parametrize("device", ["cpu", "emulator"])
@pytest.mark.parametrize("op", OURS)
def test_every_node_gives_what_onnx_says(op, device):
    if device == "emulator" and not gpunn.is_available("emulator"):
        pytest.skip("the emulator is not available here (gpunn doctor says why)")
    found = [node for node in nodes(op) if taken(op, node, device)]
    assert device == "emulator" or len(found) >= COUNTS[op]
    for node in found:
        x = gpunn.to_device(node.inputs[0].astype(np.float32), device)  # of bytes, too, which floats hold
        for got, want in zip(OURS[op](x, node.attributes, len(node.outputs)), node.outputs, strict=True):
            assert got.shape == want.shape, node.name
            atol = 1e-4 if node.name in ROUNDED else 1e-6
            np.testing.assert_allclose(gpunn.to_numpy(got), want, rtol=1e-5, atol=atol, err_msg=node.name)
