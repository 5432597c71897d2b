"""What keeps a training step from being captured: it is named, once, and the run goes on eagerly."""

import warnings

import numpy as np
import pytest

from gpunn import nn, ops
from gpunn.train.graphs import WARM_UPS as WARM
from tests import cupy_pointer
from tests.train import captured_steps
from tests.train.captured_steps import a_step, batch, go, same, state, trained

pytestmark = pytest.mark.usefixtures("look_alike")


def host_read(y):
    return y * min(1.0, float(y.sum()))


class Reads(nn.Module):
    def forward(self, x):
        return x * min(1.0, float(x.max()))


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (host_read, r"test_captured_blocks.py:\d+ cannot be captured \(the host reads an array inside the step"),
        (lambda y: ops.getitem(y, np.array([0, 1, 2, 3])), r"ops.getitem cannot be captured \("),
        (Reads(), r"test_captured_blocks.py:\d+ cannot be captured"),
    ],
    ids=["host read", "copy in an op", "in a module"],
)
def test_what_blocks_a_capture_is_named_once_and_the_run_goes_on(extra, words):
    with pytest.warns(RuntimeWarning, match=f"^CapturedStep: {words}.*; such steps run eagerly") as said:
        blocked = trained(8, extra=extra)
    assert len(said) == 1 and said[0].filename == captured_steps.__file__
    assert blocked[2] == 0 and not blocked[3].captured
    eager = trained(8, extra=extra, capture=False)
    assert eager[0] == blocked[0] and same(eager[1], blocked[1])


def test_an_error_of_the_step_itself_is_raised_as_it_is():
    wrong = []

    def fails(y):
        if wrong:
            raise ValueError("my own mistake")
        return y

    _, step = a_step(fails)
    go(step, WARM)
    wrong.append(True)
    with warnings.catch_warnings(), pytest.raises(ValueError, match="my own mistake"):
        warnings.simplefilter("error")
        step(*batch(0))
    wrong.clear()
    go(step)
    assert step.captured


def test_out_of_memory_during_capture():
    model, step = a_step()
    losses = [step(*batch(i)) for i in range(WARM)]
    words = r"^CapturedStep: no memory to capture a step \(OutOfMemoryError: .*a smaller batch or capture=False"
    with cupy_pointer.limit(1 << 14), pytest.warns(RuntimeWarning, match=words) as said:
        losses += [step(*batch(i)) for i in range(WARM, 6)]
    eager = trained(6, capture=False)
    assert [float(loss) for loss in losses] == eager[0] and same(state(model, step), eager[1])
    assert len(said) == 1 and not step.captured
    step.forget()
    go(step)
    assert step.captured


def test_what_blocks_one_kind_and_then_another_is_named_once():
    with pytest.warns(RuntimeWarning, match=r"^CapturedStep: test_captured_blocks.py:\d+ cannot be captured") as said:
        trained(8, (3, 4), extra=host_read)
    assert len(said) == 1


def test_too_little_room_is_made_larger(monkeypatch):
    monkeypatch.setattr("gpunn.cuda.graph._room_for", lambda peak: peak // 2)
    monkeypatch.setattr("gpunn.cuda.graph.FEED", 16)
    captured = trained(8, accumulate=2)
    assert captured[0] == trained(8, accumulate=2, capture=False)[0] and captured[3].captured


def test_an_interrupt_during_capture_leaves_all_usable():
    interrupts = []

    def extra(y):
        if interrupts:
            interrupts.clear()
            raise KeyboardInterrupt
        return y

    model, step = a_step(extra)
    losses = [step(*batch(i)) for i in range(WARM)]
    interrupts.append(True)
    with pytest.raises(KeyboardInterrupt):
        step(*batch(WARM))
    losses += [step(*batch(i)) for i in range(WARM, 8)]
    eager = trained(8, extra=lambda y: y, capture=False)
    assert step.captured and [float(loss) for loss in losses] == eager[0] and same(state(model, step), eager[1])


def test_what_a_step_assigns_is_not_captured():
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return x * (1 + self.calls)

    with pytest.warns(RuntimeWarning, match=r"where it assigns Counts.calls of extra, which a replay would not"):
        blocked = trained(6, extra=Counts())
    assert blocked[0] == trained(6, extra=Counts(), capture=False)[0]


def test_a_hook_is_called_in_every_step():
    model, step = a_step()
    seen = []
    remove = model.first.register_forward_hook(lambda *_: seen.append(1))
    with pytest.warns(RuntimeWarning, match="a step cannot be captured with a hook of first"):
        go(step, 5)
    assert len(seen) == 5
    remove()
    go(step)
    assert step.captured and len(seen) == 5
