"""A few cases of every variant and two steps of a network, for compute-sanitizer, which is slow:
python tests/gpu/one_of_each.py [device] [raw]

With "raw" every array is an allocation of its own: memcheck sees an access past its end, which CuPy's pool would hide.
Steps are eager, since a graph would run out of its own pool.
"""

import sys

import numpy as np

import gpunn.cuda  # noqa: F401  (fills the table of operations)
from gpunn import models, ops, optim, train, verify
from gpunn.backend import require_cupy
from gpunn.cuda.variants import OPERATIONS

EVERY = 5


def steps(device):
    """Layers as they follow each other: fused, split and handed on."""
    model = models.create("lenet5").to(device)
    sgd = optim.SGD(model.parameters(), 0.01, momentum=0.9)
    step = train.CapturedStep(model, ops.cross_entropy, sgd, capture=False)
    x = np.random.default_rng(0).standard_normal((4, 1, 28, 28)).astype(np.float32)
    return [float(step(x, np.arange(4))) for _ in range(2)]


def main(device="cuda", allocator="pool"):
    if allocator == "raw":
        require_cupy().cuda.set_allocator(None)
    rows = {}
    for dtype in ("float32", "float16"):
        for number, task in enumerate(verify.tasks(device, dtype)):
            if number % EVERY == 0:
                verify.check(task, OPERATIONS[task.operation], rows.setdefault((task.operation, dtype), {}), dtype)
    flat = [row for group in rows.values() for row in group.values()]
    losses = steps(device)
    print(verify.table(flat), f"two steps of LeNet-5: losses {losses}", sep="\n")
    return 1 if any(row.failures for row in flat) or not np.isfinite(losses).all() else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
