"""Every collective on arrays of every kind, beside what NumPy makes of all ranks' arrays: what differs, in words."""

import sys
import warnings
from itertools import product

import numpy as np

import gpunn
from gpunn import dist
from tests.dist.mpi import tell

SHAPES = ((), (0, 3), (1,), (7,), (4, 5), (2, 3, 1, 5))
REALS = ("float32", "float64", "float16", "int8", "uint8", "int32", "int64")
OTHERS = ("bool", "complex64")  # moved, not added
LAYOUTS = {
    "whole": lambda a: a,
    "turned": lambda a: a.copy(order="F"),
    "apart": lambda a: np.repeat(a[..., None], 2, -1)[..., 0],
    "backwards": lambda a: a[::-1].copy()[::-1] if a.ndim else a,
    "tensor": lambda a: gpunn.Tensor(a.copy()),
}


def part(rank, shape, dtype):
    rng = np.random.default_rng([rank, len(shape)])
    values = rng.integers(1, 4, shape) if np.dtype(dtype).kind in "iub" else rng.normal(size=shape)
    return np.asarray(values).astype(dtype)


def array(a):
    return np.asarray(a.array if isinstance(a, gpunn.Tensor) else a)


def in_order(parts, op):
    found = parts[0].copy()
    for other in parts[1:]:
        found = np.asarray({"prod": np.multiply, "min": np.minimum, "max": np.maximum}.get(op, np.add)(found, other))
    return (found / len(parts)).astype(found.dtype) if op == "avg" else found.astype(parts[0].dtype)


class Differences(list):
    def see(self, what, found, want):
        """Take note of what is not the same, to the last bit."""
        found = array(found)
        if found.shape != want.shape or found.dtype != want.dtype or not np.array_equal(found, want):
            self.append(f"{what}: {found.dtype} {found.shape} {found.tolist()}, expected {want.tolist()}"[:300])


def collectives(group):
    """Of each shape, dtype and layout."""
    seen, n, me = Differences(), group.size, group.rank
    for shape, dtype, (name, layout) in product(SHAPES, REALS + OTHERS, LAYOUTS.items()):
        if name != "whole" and (dtype not in ("float32", "int64") or (name == "tensor" and dtype == "int64")):
            continue
        parts = [part(rank, shape, dtype) for rank in range(n)]
        what = f"{dtype} {shape} {name}"
        new = lambda shape=shape, dtype=dtype, layout=layout: layout(np.zeros(shape, dtype))  # noqa: E731
        for src in {0, n - 1}:
            x = layout(parts[me].copy())
            dist.broadcast(x, src)
            seen.see(f"broadcast of {src}, {what}", x, parts[src])
        outs, x = [new() for _ in range(n)], layout(parts[me].copy())
        dist.all_gather(outs, x)
        for rank, out in enumerate(outs):
            seen.see(f"all_gather of {rank}, {what}", out, parts[rank])
        out = np.zeros((n, *shape), dtype)
        dist.all_gather_into_tensor(out, x)
        seen.see(f"all_gather_into_tensor, {what}", out, np.stack(parts))
        if shape:
            out = np.zeros((n * shape[0], *shape[1:]), dtype)
            dist.all_gather_into_tensor(out, x)
            seen.see(f"all_gather_into_tensor at length, {what}", out, np.concatenate(parts))
        if dtype in REALS:
            sums(seen, group, what, shape, dtype, layout)
    return seen


def sums(seen, group, what, shape, dtype, layout):
    n, me = group.size, group.rank
    parts = [part(rank, shape, dtype) for rank in range(n)]
    for op in ("sum", "prod", "min", "max", "avg"):
        if op == "avg" and np.dtype(dtype).kind in "iu":
            continue
        x = layout(parts[me].copy())
        work = dist.all_reduce(x, op, async_op=op == "max")
        if work is not None:
            work.wait()
        seen.see(f"all_reduce {op}, {what}", x, in_order(parts, op))
        rows = [[part(10 * rank + to, shape, dtype) for to in range(n)] for rank in range(n)]
        want = in_order([row[me] for row in rows], op)
        out = layout(np.zeros(shape, dtype))
        dist.reduce_scatter(out, [layout(row) for row in rows[me]], op)
        seen.see(f"reduce_scatter {op}, {what}", out, want)
        out = layout(np.zeros(shape, dtype))
        dist.reduce_scatter_tensor(out, np.stack(rows[me]), op)
        seen.see(f"reduce_scatter_tensor {op}, {what}", out, want)


def under_way(group):
    """Several at once, waited for in another order; and one of some megabytes."""
    seen, parts = (
        Differences(),
        [[part(10 * rank + i, (50,), "float64") for i in range(5)] for rank in range(group.size)],
    )
    mine = [a.copy() for a in parts[group.rank]]
    works = [dist.all_reduce(a, async_op=True) for a in mine]
    for work in reversed(works):
        work.wait()
    for i, a in enumerate(mine):
        seen.see(f"all_reduce {i} of 5", a, in_order([of_rank[i] for of_rank in parts], "sum"))
    large = [np.random.default_rng(rank).normal(size=1_000_003).astype(np.float32) for rank in range(group.size)]
    x = large[group.rank].copy()
    dist.all_reduce(x)
    seen.see("all_reduce of 4 MB", x, in_order(large, "sum"))
    return seen


def not_finite(group):
    """NaN and infinities travel as what they are, and -0 keeps its sign."""
    seen = Differences()
    with np.errstate(invalid="ignore"):
        x = np.array([np.nan, np.inf, -np.inf, -0.0]) if group.rank == 0 else np.array([1.0, 1.0, np.inf, -0.0])
        dist.all_reduce(x)
    ok = np.isnan(x[0]) and x[1] == np.inf and np.isnan(x[2]) and x[3] == 0 and np.signbit(x[3])
    if not ok:
        seen.append(f"all_reduce of what is not finite: {x}")
    return seen


CHECKS = (collectives, under_way, not_finite)


def found_among(group):
    with np.errstate(over="ignore"):
        return {check.__name__: check(group)[:5] for check in CHECKS}


if __name__ == "__main__":
    warnings.simplefilter("error")
    group = dist.init("cpu", timeout=300)
    assert (dist.get_rank(), dist.get_world_size()) == (group.rank, group.size) and dist.is_initialized()
    dist.barrier()
    tell(sys.argv[1], group.rank, found_among(group))
    dist.destroy_process_group()
