"""Ctrl-C at any line of an op, a step or a block leaves everything as it was, and the next call works."""

import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn, no_grad, ops, optim
from gpunn.cpu.blas import blas
from gpunn.cpu.threads import set_thread_count, thread_count
from gpunn.cuda.variants import forced, tracing, use_variant

PACKAGE = str(Path(gpunn.__file__).parent)
PLACES = 150 if os.environ.get("CI") else 25  # of each run
X = np.random.default_rng(0).normal(size=(4, 3, 24, 24)).astype(np.float32)


class Stop:
    """Raises KeyboardInterrupt at the line with a number. A block's exit is Python's to call, so none comes in it."""

    def __init__(self, at):
        self.at, self.seen = at, 0

    def __call__(self, frame, event, arg):
        code = frame.f_code
        if not code.co_filename.startswith(PACKAGE) or code.co_name == "__exit__":
            return None
        if event == "line":
            self.seen += 1
            if self.seen == self.at:
                raise KeyboardInterrupt
        return self


def traced(run, at):
    """Lines that were run; interrupted at line `at`."""
    stop, before = Stop(at), sys.gettrace()
    sys.settrace(stop)
    try:
        run()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    return stop.seen


def settings():
    modes = str(gpunn.default_device()), gpunn.is_grad_enabled(), nn.init._skipping.get()
    return blas._functions[0](), np.geterr(), *modes, forced(), thread_count()


def convolution():
    return ops.conv2d(X, X[:, :, :3, :3])


def statistics():
    return ops.var(X, 1) / ops.sum(X) ** 2 + ops.logsumexp(X, 1) + ops.clip(X, -1, 1).mean(1)


def training():
    gpunn.manual_seed(0)
    layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.MaxPool2d(4), nn.Dropout(0.5), nn.GroupNorm(2, 4)
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(100, 5))
    sgd = optim.Adam(model.parameters())
    share = ops.softmax(model(X), 1)
    loss = ops.cross_entropy(model(X), np.arange(4)) + ops.mse_loss(share, np.ones((4, 5), np.float32))
    loss.backward()
    optim.clip_grad_norm_(model.parameters(), 1.0)
    sgd.step()
    return model[-1].weight.array


def emulated():
    with gpunn.device("emulator"), use_variant("conv2d.forward", "naive"), tracing() as calls:
        y = ops.conv2d(gpunn.tensor(X[:1, :, :6, :6].tolist()), gpunn.tensor(X[:2, :, :3, :3].tolist()))
    assert [call.variant for call in calls] == ["naive"]
    return y.numpy()


def blocks():
    x = Tensor(X, requires_grad=True)
    with no_grad(), gpunn.device("cpu"), nn.init.skip():
        layer = nn.Linear(24, 3)
        for parameter in layer.parameters():  # else of memory that nobody filled
            parameter.array[...] = 0.5
        y = layer(x)
    assert not y.requires_grad
    return y.numpy()


@pytest.mark.parametrize("run", (convolution, statistics, training, emulated, blocks))
@pytest.mark.parametrize("threads", (1, 2))
def test_an_interrupt_leaves_everything_as_it_was(run, threads, monkeypatch):
    if run is emulated and not gpunn.is_available("emulator"):
        pytest.skip("the emulator is not available here (gpunn doctor says why)")
    usual = thread_count()
    set_thread_count(threads)
    with_two_blas_threads(monkeypatch)
    try:
        want, before = run(), settings()
        lines = traced(run, None)
        every = range(1, lines + 1)
        for place in random.Random(0).sample(every, min(lines, PLACES)):
            assert traced(run, place) == place
            assert settings() == before, f"line {place} of {lines}"
        assert np.array_equal(run(), want)
    finally:
        set_thread_count(usual)


def with_two_blas_threads(monkeypatch):
    """A BLAS that says that it has two threads, whatever there is."""
    now = [2]
    monkeypatch.setattr(blas, "_functions", (lambda: now[0], lambda n: now.__setitem__(0, n)))
    monkeypatch.setattr(blas, "_found", True)


def test_an_interrupt_as_blas_gets_its_thread(monkeypatch):
    """A signal is raised as the call that sets one thread returns."""
    now = [2]
    raising = [True]

    def put(n):
        now[0] = n
        if raising.pop() if raising else False:
            raise KeyboardInterrupt

    monkeypatch.setattr(blas, "_functions", (lambda: now[0], put))
    monkeypatch.setattr(blas, "_found", True)
    with pytest.raises(KeyboardInterrupt):
        convolution()
    assert now == [2]
    convolution()
    assert now == [2] and not blas._users
