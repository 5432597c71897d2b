"""The launch shapes of four networks' steps on an H200: every convolution and linear layer, forward and backward.

``python -m tests.kernels.launch_shapes --write`` writes kernels/launch_shapes.json by the model of
gpunn/verify/occupancy.py; a test compares it with the code. The steps run dry on CuPy's look-alike, at their real
batch: what is launched there is launched on a card.
"""

import json
import sys

import numpy as np

import gpunn
from gpunn import models, ops
from gpunn.backend import loading
from gpunn.cuda import source
from gpunn.cuda.variants import OPERATIONS, tracing
from gpunn.verify import occupancy
from tests import counting, cupy_stand_in

TABLE = source.folder() / "launch_shapes.json"
BATCHES = {"lenet5": 64, "lenet_20_50_500": 64, "alexnet_lite": 256, "resnet20": 128}
FAMILIES = ("conv2d", "conv_pool", "linear", "matmul", "gemm")
RUNGS = ("shared", "blocked", "naive")  # to be read, and what takes every problem: no choice where another accepts


def calls_of(name):
    """The calls of one step (forward, loss, backward), on the look-alike in CuPy's place."""
    batch = BATCHES[name]
    with counting.dry(), tracing() as calls:
        model = models.create(name, num_classes=10).to("cuda")
        x = gpunn.to_device(np.zeros((batch, *models.input_shape(name)), np.float32), "cuda")
        ops.cross_entropy(model(x), gpunn.to_device(np.zeros(batch, np.int64), "cuda")).backward()
    return [call for call in calls if call.operation.partition(".")[0] in FAMILIES]


def row(call, count):
    """A line of the table; warps and fills are those of the longest of the call's launches."""
    launches = OPERATIONS[call.operation].named(call.variant).plan(call.problem)
    fits = [(occupancy.fit(launch, call.problem), launch) for launch in launches]
    main, launch = max(fits, key=lambda pair: pair[0].seconds)
    seconds = sum(fit.seconds for fit, _ in fits)
    floor = occupancy.floor(main.flops, main.bytes)
    return {
        "operation": call.operation, "problem": str(call.problem), "calls": count, "variant": call.variant,
        "grid": list(launch.grid), "warps": main.warps, "wave": round(main.wave, 2), "tile": round(main.tile, 2),
        "depth": round(main.depth, 2), "us": round(seconds * 1e6, 1), "over": round(seconds / floor, 2),
        "bound": main.bound,
    }  # fmt: skip


def rows(calls):
    """network -> a row for each of its different calls, in order."""
    table = {}
    for name, made in calls.items():
        found = {}
        for call in made:
            found.setdefault((call.operation, call.problem), [call, 0])[1] += 1
        table[name] = [row(call, count) for call, count in found.values()]
    return table


def better(call):
    """(variant, seconds) of the best that takes the call by the model, and the chosen one's seconds."""
    operation = OPERATIONS[call.operation]
    floats = [one for one in operation.variants if one.precision == "fp32"]  # the model has no tensor cores
    taking = [variant for variant in floats if variant.accepts(call.problem) and variant.name not in RUNGS]
    times = {v.name: occupancy.seconds(v.plan(call.problem), call.problem) for v in taking}
    if call.variant not in times:
        times[call.variant] = occupancy.seconds(operation.named(call.variant).plan(call.problem), call.problem)
    best = min(times, key=times.__getitem__)
    return best, times[best], times[call.variant]


def text(table):
    """One line a row, so that a change of a tile shows in a diff."""
    parts = (f'"{name}": [\n  ' + ",\n  ".join(map(json.dumps, found)) + "\n]" for name, found in table.items())
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    stand_in = cupy_stand_in.module()
    loading._load_cupy = lambda: (stand_in, "")
    made = text(rows({name: calls_of(name) for name in BATCHES}))
    if sys.argv[1:] == ["--write"]:
        TABLE.write_text(made)
    print(made)
