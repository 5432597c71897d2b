"""NaN, wrong labels, exceptions, interrupts and threads around a captured training step."""

import threading
from collections import deque

import numpy as np
import pytest

import gpunn
from gpunn import ops, optim
from gpunn.backend import capture
from gpunn.errors import LabelError, TrainingError, UsageError
from gpunn.train import CapturedStep
from tests import counting, cupy_capture
from tests.train.captured_steps import Net, a_step, batch, go, same, state, trained

pytestmark = pytest.mark.usefixtures("look_alike")


def test_a_nan_in_a_graph_is_reported_with_its_step():
    _, step = a_step()
    go(step, 5)
    x, y = batch(5)
    step(x * np.nan, y)
    last = go(step, 3)
    words = (
        r"^CapturedStep: the loss is nan in step 6, learning rate 0.05; go back to weights saved before, and lower "
        r"the learning rate, such as to 0.005, or clip the gradients \(grad_clip=1.0\)$"
    )
    with pytest.raises(TrainingError, match=words):
        float(last)
    assert np.isnan(gpunn.to_numpy(step.model.first.weight.array)).any()
    buffers = (own["momentum_buffer"] for own in step.optimizer.state.values())
    for array in (*step.model.named_arrays().values(), *buffers):
        array.fill(0.5)
    with counting.device_work() as work:
        last = go(step, 2)
        float(last)
    assert work.launches["graph"] == 2 and last.step.values["loss"].measured.fault is None


def test_a_wrong_label_in_a_graph_is_named():
    _, step = a_step()
    float(go(step, 5))
    x, y = batch(5)
    y[1] = 7
    loss = step(x, y)
    go(step, 2)
    with pytest.raises(LabelError, match=r"target has the label 7, expected 0 to 4 .*\(in step 6\)"):
        float(loss)
    assert np.isfinite(float(go(step, 2)))


def test_an_exception_between_replays_leaves_all_usable():
    eager, (model, step) = trained(10, capture=False), a_step()
    for i in range(10):
        try:
            step(*batch(i))
            if i % 2:
                raise RuntimeError("of a callback")
        except RuntimeError:
            continue
    assert same(eager[1], state(model, step)) and step.captured


@pytest.mark.parametrize("when", ["while it is fed", "before its launch", "after its launch"])
def test_an_interrupted_replay_leaves_all_usable(when, monkeypatch):
    eager, (model, step) = trained(10, capture=False), a_step()
    launch = cupy_capture.Graph.launch

    def interrupt(*args):
        if when == "after its launch":
            launch(*args)
        raise KeyboardInterrupt

    place = "gpunn.cuda.ring.weakref.ref" if when == "while it is fed" else "tests.cupy_capture.Graph.launch"
    for i in range(10):
        if i == 6:
            with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
                patch.setattr(place, interrupt)
                step(*batch(i))
            if when == "after its launch":
                continue
        loss = step(*batch(i))
    assert float(loss) == eager[0][-1] and same(eager[1], state(model, step))


def test_another_thread_may_read_while_one_captures():
    threads, read = deque(), deque()  # not lists, which a step that fills them would be known to assign

    def reads():
        read.append(gpunn.to_numpy(gpunn.to_device(np.ones(2, np.float32), "cuda")).sum())

    def extra(y):
        if capture.now.get() is not None:
            threads.append(threading.Thread(target=reads))
            threads[-1].start()
            threads[-1].join(0.05)  # it waits for the end of the capture, whose stream has labels to look at
        return y

    _, step = a_step(extra)
    go(step)
    for thread in threads:
        thread.join()
    assert step.captured and list(read) == [2.0] * len(threads) and threads


def test_two_threads_capture_side_by_side():
    found = {}

    def run(name):
        torch_free = Net().to("cuda")
        step = CapturedStep(torch_free, ops.cross_entropy, optim.SGD(torch_free.parameters(), 0.05))
        losses = [float(go(step, 3)) for _ in range(4)]
        found[name] = losses, step.captured

    threads = [threading.Thread(target=run, args=(name,)) for name in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2 and all(captured and np.isfinite(losses).all() for losses, captured in found.values())


def test_one_step_in_two_threads_is_refused():
    refused = []

    def extra(y):
        def call():
            with pytest.raises(UsageError, match="called by a second thread while a step of the first runs; give each"):
                step(*batch(0))
            refused.append(True)

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        return y

    _, step = a_step(extra)
    step(*batch(0))
    assert refused


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"grad_clip": 0}, "CapturedStep: grad_clip must be > 0, got 0; leave it out for no clipping"),
        ({"accumulate": 0}, "CapturedStep: accumulate must be a whole number of at least 1, got 0"),
    ],
)
def test_an_option_out_of_range_is_refused(options, words):
    with pytest.raises(UsageError, match=words):
        a_step(**options)
