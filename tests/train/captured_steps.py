"""Small models on the look-alike of CuPy, the steps that train them, and all that training changes, as bits."""

import numpy as np

import gpunn
from gpunn import nn, ops, optim
from gpunn.train import CapturedStep
from gpunn.train.graphs import WARM_UPS
from tests import counting


class Weigh(nn.Module):
    """x times weights, and a bias: the fewest launches that learn."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(np.linspace(-1, 1, 5, dtype=np.float32))
        self.bias = nn.Parameter(np.zeros(5, np.float32))

    def forward(self, x):
        return x * self.weight + self.bias


class Net(nn.Module):
    """`extra` is called in the middle."""

    def __init__(self, extra=None):
        super().__init__()
        self.first, self.second = Weigh(), Weigh()
        self.extra, self.scale = extra, 1.0

    def forward(self, x):
        y = self.first(x)
        if self.extra is not None:
            y = self.extra(y)
        return self.second(y) * self.scale


def batch(i, n=4):
    rng = np.random.default_rng(i)
    x = rng.standard_normal((n, 5)).astype(np.float32)
    return gpunn.to_device(x, "cuda"), gpunn.to_device(rng.integers(0, 5, n), "cuda")


def a_step(extra=None, model=None, loss=ops.cross_entropy, **options):
    """A model on the card and its step."""
    gpunn.manual_seed(0)
    model = (Net(extra) if model is None else model).to("cuda")
    return model, CapturedStep(model, loss, optim.SGD(model.parameters(), 0.05, momentum=0.9), **options)


def state(model, step):
    """All that training has changed, on the host."""
    arrays = {**model.named_arrays(), **{f"grad {i}": p.gradient for i, p in enumerate(model.parameters())}}
    for i, own in enumerate(step.optimizer.state.values()):
        arrays |= {f"{name} {i}": value for name, value in own.items() if hasattr(value, "shape")}
    return {name: gpunn.to_numpy(value) for name, value in arrays.items()}


def trained(steps, sizes=(4,), **options):
    """Losses and state after steps over batches of these sizes in turn, and how many were one launch."""
    model, step = a_step(**options)
    losses, launched = [], 0
    for i in range(steps):
        given = batch(i, sizes[i % len(sizes)])
        with counting.device_work() as work:
            losses.append(step(*given))
        launched += work.launches["graph"]
    return [float(loss) for loss in losses], state(model, step), launched, step, losses


def same(a, b):
    assert a.keys() == b.keys()
    return [name for name in a if a[name].tobytes() != b[name].tobytes()] == []


def go(step, steps=WARM_UPS + 2):
    """Steps enough for replays."""
    for i in range(steps):
        loss = step(*batch(i))
    return loss
