"""A few cases of every variant, for compute-sanitizer, which is slow: python tests/gpu/one_of_each.py [device] [raw]

With "raw" every array is an allocation of its own: memcheck sees an access past its end, which CuPy's pool would hide.
"""

import sys

import gpunn.cuda  # noqa: F401  (fills the table of operations)
from gpunn import verify
from gpunn.backend import require_cupy
from gpunn.cuda.variants import OPERATIONS

EVERY = 5


def main(device="cuda", allocator="pool"):
    if allocator == "raw":
        require_cupy().cuda.set_allocator(None)
    rows = {}
    for dtype in ("float32", "float16"):
        for number, task in enumerate(verify.tasks(device, dtype)):
            if number % EVERY == 0:
                verify.check(task, OPERATIONS[task.operation], rows.setdefault((task.operation, dtype), {}), dtype)
    flat = [row for group in rows.values() for row in group.values()]
    print(verify.table(flat))
    return 1 if any(row.failures for row in flat) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
