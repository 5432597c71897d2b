"""Samples that differ and should not: each row falls away with the fault that it names. See rows.py."""

from __future__ import annotations

from typing import Any

from tests.parity import torch
from tests.torch_samples.calls import PADS, F, words
from tests.torch_samples.purpose import argument, given_array
from tests.torch_samples.rows import Row, Sample


def zero_d(sample: Sample) -> bool:
    return sample.x.ndim == 0 and argument(sample, 1, "dim") not in (None, (), [])


def nan(sample: Sample) -> bool:
    return any(given_array(x) and x.dtype.is_floating_point and bool(x.isnan().any()) for x in sample.given)


def weight(sample: Sample) -> Any:
    return argument(sample, 1, "weight")


PENDING = [
    Row(words("logsumexp sum mean amax amin transpose squeeze squeeze.multiple"), zero_d, "a 0-d array has one axis"),
    Row(["logsumexp"], lambda s: s.x.shape == (0,) and s.x.dtype.is_floating_point, "of nothing is -inf"),
    Row(
        ["where"],
        lambda s: (
            not any(given_array(v) for v in (s.x, s.given[2]))
            and not any(isinstance(v, float | complex) for v in (s.x, s.given[2]))
        ),
        "where of two numbers has their dtype",
        refused=False,
    ),
    Row(["sum"], lambda s: s.x.dtype == torch().uint8, "sums of uint8 are int64", refused=False),
    Row(["abs", "maximum", "minimum", "max.binary", "min.binary"], nan, "gradients at NaN", refused=False),
    Row([F + "prelu"], lambda s: weight(s).ndim == 0, "one slope without dimensions"),
    Row(
        [F + "instance_norm"],
        lambda s: (
            s.layout == "strided" and s.options.get("running_mean") is not None and s.options.get("momentum") != 0
        ),
        "running statistics that are Tensors",
        refused=False,
    ),
    Row(PADS, lambda s: min(s.given[1]) < 0, "negative pads crop"),
    Row(["argmax"], lambda s: "keepdim" in s.options, "argmax without keepdims"),
]

PENDING_ERRORS = [
    Row(["neg"], lambda s: s.x.dtype == torch().bool, "NumPy's own words for minus a bool"),
    Row(
        ["cat"],
        lambda s: isinstance(s.x, tuple | list) and any(x is None for x in s.x),
        "no words for None among arrays",
    ),
]
