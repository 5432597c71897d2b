"""The tasks of `gpunn verify` for the gradient of an index."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gpunn.backend import to_device
from gpunn.cuda import reduce
from gpunn.reference.indexing import SEGMENTS, segment_sums
from gpunn.verify.task import Give, Task, as_f64


def segment_tasks(device: str, give: Give) -> Iterator[Task]:
    """Every case: its rows by sorted keys."""
    for case in SEGMENTS:
        gy = give(case.gradient())
        order = np.argsort(case.keys, kind="stable")
        keys, at = (to_device(a.astype(np.int64), device) for a in (np.asarray(case.keys)[order], order))

        def run(gy=gy, keys=keys, at=at, case=case):
            return (reduce.segment_sums(gy, keys, at, case.places),)

        def want(gy=gy, case=case):
            return ((segment_sums(as_f64(gy), case.keys, case.places), max(len(case.keys), 1), None),)

        yield Task("reduce.segment_sums", case.name, run, want)
