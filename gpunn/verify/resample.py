"""The tasks of `gpunn verify` for interpolation."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gpunn.backend import Array
from gpunn.cuda import resample as subject
from gpunn.layout import channels_first, channels_last
from gpunn.reference.resample import RESAMPLES, ResampleCase, resample
from gpunn.verify.task import Give, Task, as_f64, placed


def resample_tasks(give: Give) -> Iterator[Task]:
    """Every case, and off 16 bytes."""
    for case in RESAMPLES:
        for how in ("aligned", "unaligned"):
            x, axes = give(case.image()), case.taps()
            x = channels_first(placed(channels_last(x).copy(), how)) if case.channels_last else placed(x, how)

            def want(x: Array = x, case: ResampleCase = case) -> tuple:
                return ((resample(as_f64(x), case.taps()), case.terms, None),)

            run = partial(lambda x, axes: (subject.resample(x, axes),), x, axes)
            yield Task("resample.taps", f"{case.name}, {how}", run, want)
