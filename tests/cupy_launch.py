"""How the look-alike of CuPy runs what it is asked for: at once by NumPy, or, while a stream captures, at each replay.

While capturing, NumPy computes too, to tell a result's shape and dtype or what is wrong with the arguments; its numbers
go nowhere.
"""

from __future__ import annotations

import numpy as np

from tests import counting, cupy_allocator, cupy_capture
from tests.cupy_capture import detached


def mapped(x, change, kind=np.ndarray):
    """x with every `kind` in its tuples, lists and dicts changed."""
    if isinstance(x, kind):
        return change(x)
    if isinstance(x, dict):
        return {key: mapped(value, change, kind) for key, value in x.items()}
    return type(x)(mapped(i, change, kind) for i in x) if type(x) in (tuple, list) else x


_RESULTS = (np.ndarray, np.generic)


def computed(wrap, name, compute, *values):
    """What an elementwise kernel gives: new memory, row-major whatever the order of its inputs (NumPy keeps theirs)."""
    return new(wrap, name, compute, *values, order="C")


def new(wrap, name, compute, *values, order="K"):
    """Device arrays, by `wrap`, of new memory with what compute(*values) gives, or the first of the values itself."""
    capture = cupy_capture.now()
    result = compute(*values) if capture is None else _quietly(compute, values)
    if values and result is values[0]:
        return wrap(result)
    counting.launched(name)
    return _kept(wrap, name, result, compute, values, order, capture)


def _quietly(compute, values):
    """Poison among the values makes NumPy warn."""
    with np.errstate(all="ignore"):
        return compute(*values)


def _kept(wrap, name, sample, compute, values, order, capture):
    """The results that are there, or, while capturing, poison which a replay fills with such results."""
    if capture is None:
        if isinstance(sample, _RESULTS):
            return wrap(cupy_allocator.placed(np.asarray(sample, order=order)))
        return mapped(sample, lambda x: wrap(cupy_allocator.placed(np.asarray(x, order=order))), _RESULTS)
    made = []

    def place(x):
        made.append(cupy_allocator.empty(x.shape, x.dtype, like=np.asarray(x, order=order)))
        return wrap(made[-1])

    results = mapped(sample, place, _RESULTS)
    into, frozen = [detached(one) for one in made], mapped(values, detached)

    def run():
        found = []
        mapped(compute(*frozen), found.append, _RESULTS)
        for to, x in zip(into, found, strict=True):
            to[...] = x

    capture.record(name, run)
    return results


def made(wrap, name, compute, *values, viewed=None):
    """Views of an input, which cost nothing, or new memory, row-major, that a kernel wrote.

    `viewed` is the device array of the first value: its views are on its device, its kernels want that to be current.
    """
    capture = cupy_capture.now()
    result = compute(*values) if capture is None else _quietly(compute, values)
    inputs, found = [], []
    mapped(values, inputs.append)
    mapped(result, found.append, _RESULTS)
    if not found:
        return result
    if all(isinstance(x, np.ndarray) and (not x.size or any(np.may_share_memory(x, i) for i in inputs)) for x in found):
        if viewed is not None:
            return mapped(result, lambda x: viewed if x is viewed._memory else type(viewed)._of(x, viewed.device))
        return mapped(result, wrap)  # nothing is launched for no elements, either
    assert viewed is None or viewed._values is not None
    counting.launched(name)
    return _kept(wrap, name, result, compute, values, "C", capture)


def written(name, run, target, *values):
    """run(target, *values) writes into the target, which is there."""
    capture = cupy_capture.now()
    counting.launched(name)
    if capture is None:
        return run(target, *values)
    _quietly(run, (target.copy(), *values))  # raises what is wrong with the arguments
    to, frozen = detached(target), mapped(values, detached)
    capture.record(name, lambda: run(to, *frozen))
    return None
