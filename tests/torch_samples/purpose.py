"""What gpunn refuses, or does otherwise, on purpose: one reason a row. See rows.py."""

from __future__ import annotations

from typing import Any

from tests.parity import torch
from tests.torch_samples.calls import FUNCTIONAL, F, words
from tests.torch_samples.rows import Row, Sample
from tests.torch_samples.shape_calls import SHAPE_REFUSED

# Ops of floating point, whose kernels on the cpu are of 32 and 64 bits.
MOVING = words("one_hot pixel_shuffle pixel_unshuffle channel_shuffle")
KERNELS = [F + name for name in FUNCTIONAL if name not in MOVING] + words("tanh sigmoid softmax log_softmax")


def integral(sample: Sample) -> bool:
    """Whether the first input is of integers or bool."""
    x = sample.x
    return isinstance(x, torch().Tensor) and not x.dtype.is_floating_point


def given_array(value: Any) -> bool:
    return isinstance(value, torch().Tensor)


def argument(sample: Sample, place: int, name: str) -> Any:
    """An argument that stands at a place or by its name."""
    return sample.given[place] if len(sample.given) > place else sample.options.get(name)


def within(x: Any, low: float, high: float) -> bool:
    return bool(((x > low) & (x < high)).any())


def negative_power(sample: Sample) -> bool:
    exponent = torch().as_tensor(sample.given[1])
    return integral(sample) and not exponent.dtype.is_floating_point and bool((exponent < 0).any())


def rounded_exponent(sample: Sample) -> bool:
    """Whether an exponent of 16 bits, less 1, is a whole number by rounding alone, beside a negative base."""
    exponent = sample.given[1]
    if sample.dtype not in ("float16", "bfloat16") or not given_array(exponent):
        return False
    lost = (exponent.frac() != 0) & ((exponent - 1).frac() == 0)
    return bool(((sample.x < 0) & lost).any())


def fills_registers(sample: Sample) -> bool:
    """Whether there are as many numbers as PyTorch computes at once here."""
    width = {"AVX512": 64, "AVX2": 32}.get(torch().backends.cpu.get_cpu_capability(), 16)
    return sample.x.numel() >= width // sample.x.element_size()


def drops(sample: Sample) -> bool:
    """Whether attention drops weights."""
    at = 10 if sample.name.endswith("multi_head_attention_forward") else 4
    training = argument(sample, 13, "training") is not False or at == 4
    return bool(argument(sample, at, "dropout_p")) and training and not integral(sample)


REFUSED = [
    *SHAPE_REFUSED,
    Row(
        [F + "scaled_dot_product_attention", F + "multi_head_attention_forward"],
        drops,
        "other numbers are drawn",
        refused=False,
    ),
    Row(
        [*KERNELS, F + "avg_pool3d", F + "triplet_margin_with_distance_loss"],
        integral,
        "functions of real numbers take floating point: integers are converted by hand",
        family=True,
    ),
    Row(
        ["addcmul", "addcdiv"],
        lambda s: any(given_array(v) and v.is_complex() for v in s.given),
        "complex numbers",
    ),
    Row(["where"], lambda s: any(isinstance(v, complex) for v in s.given), "complex numbers"),
    Row(["pow"], negative_power, "integers to a negative power are fractions, which integers cannot hold"),
    Row(
        ["pow"],
        rounded_exponent,
        "the slope of a NaN is NaN; PyTorch rounds the exponent less 1 to 16 bits first, which may be a whole number",
        refused=False,
    ),
    Row([F + "avg_pool2d"], lambda s: len(s.given) == 7, "a mean divided by another count is a scaled sum"),
    Row(
        [F + "avg_pool3d"],
        lambda s: s.options.get("divisor_override") is not None,
        "a mean divided by another count is a scaled sum",
    ),
    Row([F + "batch_norm"], lambda s: s.x.ndim == 1, "one dimension has no channels"),
    Row(
        [F + "group_norm", F + "layer_norm", F + "rms_norm"],
        lambda s: not integral(s) and (s.options.get("eps") or 0) < 0,
        "a negative eps takes the root of what may be negative",
    ),
    Row(
        [F + "hardtanh"],
        lambda s: not integral(s) and None is not argument(s, 1, "min_val") == argument(s, 2, "max_val"),
        "limits that leave one number make a constant",
    ),
    Row(
        [F + "celu"],
        lambda s: s.dtype == "float64" and argument(s, 1, "alpha") not in (None, 1.0) and within(s.x, -30, 0),
        "1 / alpha is a float64; PyTorch rounds it to float32",
        refused=False,
    ),
    Row(
        [F + "hardsigmoid"],
        lambda s: s.dtype == "float64" and bool((s.x.abs() < 3).any()),
        "1 / 6 is a float64; PyTorch's is a float32",
        refused=False,
    ),
    Row(
        [F + "mish"],
        lambda s: s.x.dtype.is_floating_point and bool(s.x.isposinf().any()),
        "the slope at infinity is its limit 1; PyTorch's is infinity times 0",
        refused=False,
    ),
    Row(
        [F + "softsign"],
        lambda s: s.x.dtype.is_floating_point and bool(s.x.isinf().any()),
        "the slope at infinity is its limit 0; PyTorch's is infinity less infinity",
        refused=False,
    ),
    Row(
        [F + "relu6", F + "hardtanh", F + "hardshrink", F + "softshrink"],
        lambda s: not integral(s) and fills_registers(s) and bool(s.x.isnan().any()),
        "the slope at NaN is 1; PyTorch's is 0 in what fills a vector register, else 1",
        refused=False,
    ),
    Row(
        [F + "softmin.with_dtype"],
        lambda s: s.dtype == "uint8" and bool((s.x == 0).any()),
        "the input is converted before its sign is turned; PyTorch's -1 is then 255",
        refused=False,
    ),
    Row(
        [F + "poisson_nll_loss"],
        lambda s: s.options.get("full", False) and bool((s.given[1] == 0).any()),
        "what full leaves out has no slope; PyTorch's is 0 times infinity",
        refused=False,
    ),
    Row(
        [F + "elu", F + "selu", F + "celu"],
        lambda s: s.x.shape == (9,) and bool(s.x.isnan().any()),
        "the slope at NaN is NaN; PyTorch's is 1 in what is shorter than a vector register, else NaN",
        refused=False,
    ),
]


def numbers_only(sample: Sample) -> bool:
    """Whether PyTorch wants arrays where gpunn takes numbers, too."""
    return any(isinstance(v, int) for v in sample.given)


# What PyTorch refuses and gpunn takes.
TAKEN = [
    Row(
        words(
            "eq ne lt le gt ge maximum minimum max.binary min.binary pow atan2 hypot logaddexp remainder fmod "
            "logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor isclose clamp_min clamp_max "
            "__rand__ __ror__ __rxor__"
        ),
        numbers_only,
        "numbers are taken on either side",
        refused=False,
    ),
]

TAKEN_LAYERS = [
    Row(
        words("BatchNorm1d BatchNorm2d BatchNorm3d"),
        lambda s: s.options["eps"] == 0,
        "eps 0 is the plain formula, which divides by zero only where a channel is constant",
        refused=False,
    )
]
DIFFERENT_LAYERS = [
    Row(
        words("LPPool1d LPPool2d LPPool3d"),
        lambda s: 1.5 in s.given[1:] and any((s.x[0].select(i, -1) < 0).any() for i in range(2, s.x[0].ndim)),
        "an element in no window has no slope; PyTorch's is 0 times its power's, NaN of a negative number",
        refused=False,
    ),
    Row(
        words("BatchNorm1d BatchNorm2d BatchNorm3d"),
        lambda s: s.x[0].shape[0] == 0 and s.layout == "training=True",
        "an empty batch has no statistics, and is not counted",
        refused=False,
    ),
    Row(
        ["AvgPool2d", "AvgPool3d"],
        lambda s: "divisor_override" in s.options,
        "a mean divided by another count is a scaled sum",
    ),
]
REFUSED_OPTIONS = []
TAKEN_OPTIONS = [
    Row(
        ["Adam", "AdamW"],
        lambda s: any(given_array(beta) for beta in s.options.get("betas", ())),
        "betas may be numbers of any kind, arrays of one among them",
        refused=False,
    ),
    Row(
        ["Adam", "AdamW"],
        lambda s: given_array(s.options.get("lr")) and s.options.get("foreach", False),
        "the rate may be a number of any kind; how a step is computed is no option",
        refused=False,
    ),
]
