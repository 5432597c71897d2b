"""PyTorch's samples of each op that gpunn has: values, dtypes, shapes and gradients, on the cpu."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import pytest

from gpunn import ops
from tests.parity import torch
from tests.torch_samples import calls, math_calls, tables
from tests.torch_samples.convert import Outcome, difference, in_float64, leaves, ours, outcome, theirs
from tests.torch_samples.purpose import REFUSED, TAKEN
from tests.torch_samples.rows import Sample, Verdicts, refusal_of

pytestmark = pytest.mark.filterwarnings("ignore")  # overflow, and PyTorch's warnings of itself, are no difference
DTYPES = ("float64", "float32", "int64", "int32", "uint8", "bool", "float16", "bfloat16")
MIXED = ("where", "clamp", "addcmul", "addcdiv")


def made(info: Any, dtype: str) -> Iterable[Any]:
    """PyTorch's samples, asking for gradients where it has them; set_seed would seed anew before each."""
    kind = getattr(torch(), dtype)
    differentiable = kind.is_floating_point and info.supports_autograd
    if info.name == "remainder":  # PyTorch has no gradient beside a number on the left
        found = info.reference_inputs("cpu", kind, requires_grad=differentiable, set_seed=False)
        return [sample for sample in found if isinstance(sample.input, torch().Tensor)]
    if info.name in MIXED:  # some of their further samples ask integers for gradients, and fail
        first = info.sample_inputs("cpu", kind, requires_grad=differentiable, set_seed=False)
        return [*first, *info.reference_inputs("cpu", kind, set_seed=False)]
    found = info.reference_inputs("cpu", kind, requires_grad=differentiable, set_seed=False)
    if info.name in math_calls.ALIKE:  # one code, hundreds of samples each
        found = [*found][tables.seed_of(dtype) % 3 :: 3]
    if dtype in ("float16", "bfloat16"):
        # On the cpu PyTorch shrinks no images of 16 bits by wide filters, and its way back from grid_sample crashes.
        return [s for s in found if not s.kwargs.get("antialias") and not info.name.endswith("grid_sample")]
    return found


def layouts(sample: Any) -> Iterator[tuple[str, Any]]:
    """The sample as it is, with steps between its elements, and with channels last."""
    t = torch()
    strided = tables.load("utils").noncontiguous_like

    def channels_last(x: Any) -> Any:
        return x.contiguous(memory_format=t.channels_last) if isinstance(x, t.Tensor) and x.ndim == 4 else x

    yield "plain", sample
    yield "strided", sample.transform(lambda x: strided(x) if isinstance(x, t.Tensor) else x)
    if isinstance(sample.input, t.Tensor) and sample.input.ndim == 4:
        yield "channels last", sample.transform(channels_last)


def differs(info: Any, name: str, given: Any, wrap: bool) -> str:
    """gpunn's values, gradients and changed arguments for one sample against PyTorch's."""
    parts = [given.input, given.args, given.kwargs]
    pristine, mine = theirs(parts), ours(parts, wrap)  # running statistics are changed
    got = calls.CALLS[name](mine[0], *mine[1], **mine[2])

    def torchs(other: Any) -> Outcome:
        return outcome(info.op(other[0], *other[1], **other[2]), leaves(other), other)

    def exact() -> Outcome:
        return torchs(in_float64(pristine))

    return difference(outcome(got, leaves(mine), mine), torchs(theirs(pristine)), exact, calls.STEEP.get(name, 4))


@pytest.mark.parametrize("name", calls.CALLS)
def test_samples(name):
    info = tables.ops()[name]
    verdicts = Verdicts(REFUSED)
    supported = info.supported_dtypes("cpu")
    dtypes = [dtype for dtype in DTYPES if getattr(torch(), dtype) in supported]
    for dtype in tables.some_dtypes(dtypes, name):
        for given in tables.samples(f"{name} {dtype}", partial(made, info, dtype), share=2):
            for layout, laid in layouts(given):
                sample = Sample(name, dtype, (laid.input, *laid.args), laid.kwargs, layout)
                verdicts.judge(sample, partial(differs, info, name, laid, wrap=layout == "strided"))
                if verdicts.refused:  # whatever its layout
                    break
    verdicts.check(name, tables.EVERYTHING)


def test_errors():
    """What PyTorch refuses, gpunn refuses too, in its own words."""
    verdicts = Verdicts(TAKEN)
    for name, call in calls.CALLS.items():
        info = tables.ops()[name]
        for bad in info.error_inputs("cpu") if info.error_inputs_func else ():
            given = bad.sample_input
            sample = Sample(name, "error", (given.input, *given.args), given.kwargs)
            verdicts.judge(sample, partial(refusal_of, partial(called, call, given)))
    for name in {name for row in verdicts.rows for name in row.names}:
        verdicts.check(name, everything=True)


def called(call: calls.Call, given: Any) -> Any:
    args, options = ours(given.args), ours(given.kwargs)
    return call(ours(given.input), *args, **options)


def test_every_op_of_one_name_is_compared():
    """Whatever gpunn.ops has and PyTorch's table has too, under its name or an alias, is in CALLS, or in OTHERS."""
    ours_too = {name for name in vars(ops) if not name.startswith("_")}
    found = set()
    for name, info in tables.ops().items():
        names = {info.name, *(alias.name for alias in info.aliases)}
        if ours_too & {each.split(".")[-1] for each in names}:
            found.add(name)
    known = {*calls.CALLS, *calls.OTHERS, *calls.RANDOM}
    assert found <= known, f"compare {sorted(found - known)}, or say in OTHERS why not"
    assert known <= set(tables.ops())
