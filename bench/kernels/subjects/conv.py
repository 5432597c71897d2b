"""The passes of a 2-d convolution."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from bench.kernels import oracle
from bench.kernels.oracle import Expected
from bench.kernels.subjects.base import PRECISIONS, Subject, by, channels_last, letters_of, rounded
from gpunn import backend


def conv2d(case: Any, device: str, precision: str, wanted: list[str]) -> Iterator[Subject]:
    dtype = PRECISIONS[precision]
    x, w, b, gy = rounded(case.arrays(), dtype)
    X, W, GY = channels_last(x, device), backend.to_device(w, device), channels_last(gy, device)
    B, win, groups = None if b is None else backend.to_device(b, device), case.window(), case.groups
    twin = backend.twins(X).conv
    n, k, p, q = case.y
    letters = letters_of("NCHWKRSPQG", (*case.x, k, *case.size, p, q, groups), dtype)
    runs = {
        "forward": lambda: (twin.forward(X, W, B, win, groups),),
        "grad_input": lambda: (twin.grad_input(GY, W, case.x, win, groups),),
        "grad_weight": lambda: (twin.grad_weight(GY, X, case.w, win, groups),),
        "grad_bias": lambda: (twin.grad_bias(GY),),
    }
    title = f"x {by(case.x)}, w {by(case.w)}, stride {by(case.stride)}, padding {by(case.padding)}"
    for name in wanted:
        pass_ = name.partition(".")[2]
        if pass_ == "grad_bias" and b is None:
            continue
        sizes = letters_of("MK", (n * p * q, k), dtype) if pass_ == "grad_bias" else letters

        def expect(pass_: str = pass_) -> list[Expected]:
            return oracle.conv(pass_, case, x, w, b, gy)

        given = SimpleNamespace(kind=name, case=case, x=x, w=w, b=b, gy=gy)
        yield Subject(case.name, title, name, precision, runs[pass_], expect, given, sizes)
