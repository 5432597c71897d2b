"""A training step as one graph, on the look-alike of CuPy: the bits of eager steps, and what each mishap comes to."""

import os
import threading
import warnings

import numpy as np
import pytest

import gpunn
from gpunn import models, nn, ops, optim, train
from gpunn.errors import LabelError, TrainingError, UsageError
from gpunn.train import CapturedStep
from gpunn.train import graphs as policy
from tests import counting, cupy_pointer

pytestmark = pytest.mark.usefixtures("look_alike")
WARM, IN_CI = policy.WARM_UPS, "CI" in os.environ


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


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 5, 3, padding=1)
        self.norm, self.pool = nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1)

    def forward(self, x):
        y = self.norm(self.conv1(ops.reshape(x, (2, 1, 1, 5))), relu=True)
        return ops.reshape(self.pool(self.conv2(y)), (2, 5))


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
    arrays = {**model.named_arrays(), **{f"grad {i}": p.grad for i, p in enumerate(model.parameters())}}
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


def go(step, steps=WARM + 2):
    """Steps enough for replays."""
    for i in range(steps):
        loss = step(*batch(i))
    return loss


# ---------------------------------------------------------------- the same bits
def test_replayed_steps_are_eager_steps_bit_for_bit():
    eager, captured = trained(12, capture=False), trained(12)
    assert eager[0] == captured[0] and same(eager[1], captured[1])
    assert eager[2] == 0 and captured[2] == 12 - WARM and captured[3].captured


class Residual(nn.Module):
    """A small network with all that counts: running statistics, dropout, a shortcut."""

    def __init__(self):
        super().__init__()
        self.stem, self.conv = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.norm1, self.norm2 = nn.BatchNorm2d(8), nn.BatchNorm2d(8, momentum=0.2)
        self.drop, self.fc = nn.Dropout(0.3), nn.Linear(8, 10)

    def forward(self, x):
        x = self.norm1(self.stem(x), relu=True)
        x = self.norm2(self.conv(x), residual=x, relu=True)
        return self.fc(self.drop(ops.mean(x, axis=(2, 3))))


NETWORKS = {
    "lenet5": (lambda: models.create("lenet5"), (1, 28, 28)),
    "residual": (Residual, (3, 6, 6)),
    "alexnet_lite": (lambda: models.create("alexnet_lite"), (3, 32, 32)),
    "resnet20": (lambda: models.create("resnet20"), (3, 8, 8)),
}


@pytest.mark.parametrize("name", NETWORKS if IN_CI else ["lenet5", "residual"])
@pytest.mark.parametrize("make", [optim.SGD, optim.AdamW] if IN_CI else [optim.AdamW])
def test_a_network_is_trained_to_the_same_bits(name, make):
    """Weights, running statistics, the optimiser's state, averages and losses; in CI of 50 steps of each network."""
    found, steps = [], 50 if IN_CI else WARM + 2
    for capture in (False, None):
        gpunn.manual_seed(0)
        build, shape = NETWORKS[name]
        model, average = build().to("cuda"), train.EMA(0.9, warmup=True)
        optimizer = make(model.parameters(), 1e-3)
        step = CapturedStep(model, ops.cross_entropy, optimizer, grad_clip=1.0, ema=average, capture=capture)
        schedule, rng, losses = optim.CosineAnnealingLR(optimizer, steps), np.random.default_rng(0), []
        for _ in range(steps):
            x, y = rng.standard_normal((2, *shape)).astype(np.float32), rng.integers(0, 10, 2)
            losses.append(step(gpunn.to_device(x, "cuda"), gpunn.to_device(y, "cuda")))
            schedule.step()
        averages = {f"average {key}": gpunn.to_numpy(value) for key, value in average.average.items()}
        found.append(([float(loss) for loss in losses], {**state(model, step), **averages}, average.updates))
    assert found[0][0] == found[1][0] and found[0][2] == found[1][2] == steps and same(found[0][1], found[1][1])
    assert step.captured


def test_convolutions_and_running_statistics_too():
    eager, captured = (trained(6, (2,), model=Convolutions(), capture=capture) for capture in (False, None))
    assert eager[0] == captured[0] and same(eager[1], captured[1]) and captured[2] == 6 - WARM


@pytest.mark.parametrize(
    "options",
    [{"grad_clip": 0.5}, {"accumulate": 3}, {"metrics": {"accuracy": train.accuracy, "top": train.top_k(2)}}],
    ids=lambda options: next(iter(options)),
)
def test_what_a_step_may_do_beside(options):
    eager, captured = trained(16, capture=False, **options), trained(16, **options)
    assert eager[0] == captured[0] and same(eager[1], captured[1]) and captured[2] > 0
    for a, b in zip(eager[4], captured[4], strict=True):
        assert a.metrics == b.metrics and a.norm == b.norm
        assert (a.norm is not None) == ("grad_clip" in options) and len(a.metrics) == len(options.get("metrics", ()))


def test_another_shape_has_a_graph_of_its_own_and_comes_back_to_the_first():
    eager, captured = trained(18, (4, 4, 3), capture=False), trained(18, (4, 4, 3))
    assert eager[0] == captured[0] and same(eager[1], captured[1])
    assert captured[2] == 18 - 2 * WARM


def test_more_kinds_than_are_kept_run_eagerly_and_it_is_said_once(monkeypatch):
    assert policy.KINDS == 8
    monkeypatch.setattr(policy, "KINDS", 2)
    sizes = (1, 2, 3, 4)
    with pytest.warns(RuntimeWarning, match="CapturedStep: steps of 2 kinds .* those of others run eagerly") as said:
        captured = trained(4 * len(sizes), sizes)
    assert len(said) == 1 and captured[2] == (4 - WARM) * 2
    assert captured[0] == trained(4 * len(sizes), sizes, capture=False)[0]


def test_one_replay_is_few_calls_and_no_read():
    _, step = a_step()
    go(step)
    given = batch(0)
    with counting.device_work() as work:
        calls = counting.python_calls(lambda: step(*given))
    assert calls.total <= 60, str(calls)
    assert not work.reads and not work.copies and work.launches["graph"] == 1


def test_a_replay_of_lenet_is_few_calls():
    gpunn.manual_seed(0)
    model = models.create("lenet5").to("cuda")
    step = CapturedStep(model, ops.cross_entropy, optim.SGD(model.parameters(), 0.01, momentum=0.9))
    given = [gpunn.to_device(a, "cuda") for a in (np.zeros((2, 1, 28, 28), np.float32), np.zeros(2, np.int64))]
    with counting.dry():
        for _ in range(WARM + 2):
            step(*given)
        calls = counting.python_calls(lambda: step(*given))
    assert step.captured and calls.total <= 60, str(calls)


def test_steps_ahead_of_the_host_keep_their_numbers(monkeypatch):
    """More than there are slots, none of them read before the end."""
    monkeypatch.setattr("gpunn.cuda.ring.SLOTS", 4)
    eager = trained(16, capture=False)
    _, step = a_step()
    losses = [step(*batch(i)) for i in range(16)]
    assert [float(loss) for loss in losses] == eager[0] and step.captured


def test_losses_are_read_by_themselves_in_time(monkeypatch):
    monkeypatch.setattr("gpunn.train.captured.EVERY", 6)
    _, step = a_step()
    step(batch(0)[0] * np.nan, batch(0)[1])
    with pytest.raises(TrainingError, match=r"the loss is nan in step 1, learning rate 0\.05"):
        go(step, 5)
    assert step.steps == 6


def test_it_runs_in_a_stream_of_the_program(look_alike):
    expected = trained(6, capture=False)[0]
    _, step = a_step()
    with look_alike.cuda.Stream(non_blocking=True):
        losses = [step(*batch(i)) for i in range(6)]
    assert [float(loss) for loss in losses] == expected and step.captured
    assert look_alike.cuda.get_current_stream().ptr == 0


def test_on_the_cpu_it_is_the_same_program():
    model = Net()
    step = CapturedStep(model, ops.cross_entropy, optim.SGD(model.parameters(), 0.05))
    x, y = np.ones((4, 5), np.float32), np.zeros(4, np.int64)
    losses = [float(step(*given)) for given in [(x, y), ((x, y),), ([x, y],), (nn.Parameter(x), list(y))]]
    assert losses == sorted(losses, reverse=True) and not step.captured
    for missing in ((x,), ((x, y, x),)):
        with pytest.raises(UsageError, match="CapturedStep: y is missing; pass inputs and targets, step"):
            step(*missing)


@pytest.mark.parametrize("how", ["argument", "environment", "debug"])
def test_it_can_be_switched_off(how, monkeypatch):
    if how != "argument":
        monkeypatch.setenv("GPUNN_CAPTURE" if how == "environment" else "GPUNN_DEBUG_SYNC", str(int(how == "debug")))
    _, step = a_step(capture=False if how == "argument" else None)
    go(step)
    assert not step.captured


# ---------------------------------------------------------------- what blocks a capture
def host_read(y):
    return y * min(1.0, float(y.sum()))


class Reads(nn.Module):
    def forward(self, x):
        return x * min(1.0, float(x.max()))


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (host_read, r"test_captured.py:\d+ cannot be captured \(the host reads an array inside the step"),
        (lambda y: ops.getitem(y, np.array([0, 1, 2, 3])), r"ops.getitem cannot be captured \("),
        (Reads(), r"test_captured.py:\d+ cannot be captured"),
    ],
    ids=["host read", "copy in an op", "in a module"],
)
def test_what_blocks_a_capture_is_named_once_and_the_run_goes_on(extra, words):
    with pytest.warns(RuntimeWarning, match=f"^CapturedStep: {words}.*; such steps run eagerly") as said:
        blocked = trained(8, extra=extra)
    assert len(said) == 1 and said[0].filename == __file__
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
    with pytest.warns(RuntimeWarning, match=r"^CapturedStep: test_captured.py:\d+ cannot be captured") as said:
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


# ---------------------------------------------------------------- what changes afterwards
def changed_scale(model, step):
    model.scale = 0.5


def frozen_layer(model, step):
    model.second.weight.requires_grad = False


def other_array(model, step):
    model.second.weight.data = model.second.weight.data * 2


def loaded_optimizer(model, step):
    step.optimizer.load_state_dict(step.optimizer.state_dict())


def no_momentum(model, step):
    step.optimizer.param_groups[0]["momentum"] = 0


def other_layer(model, step):
    gpunn.manual_seed(1)
    model.extra = Weigh().to("cuda")


def evaluation(model, step):
    model.eval()


CHANGES = [changed_scale, frozen_layer, other_array, loaded_optimizer, no_momentum, other_layer, evaluation]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_is_never_missed(change):
    found = []
    for capture in (False, None):
        model, step = a_step(capture=capture)
        losses = [step(*batch(i)) for i in range(5)]
        change(model, step)
        losses += [step(*batch(i)) for i in range(5, 10)]
        found.append(([float(loss) for loss in losses], state(model, step)))
    assert found[0][0] == found[1][0] and same(found[0][1], found[1][1]) and step.captured


def test_a_new_rate_captures_nothing_anew():
    found = []
    for capture in (False, None):
        model, step = a_step(capture=capture)
        for i in range(10):
            step.optimizer.param_groups[0]["lr"] = 0.05 / (i + 1)
            with counting.device_work() as work:
                step(*batch(i))
        found.append(state(model, step))
    assert work.launches["graph"] == 1 and same(*found)


def test_evaluation_between_steps_captures_nothing_anew():
    model, step = a_step()
    for i in range(6):
        with counting.device_work() as work:
            step(*batch(i))
        model.eval()
        with gpunn.no_grad():
            model(batch(i)[0])
        model.train()
    assert work.launches["graph"] == 1


def test_what_nobody_notices_can_be_said():
    factors = [1.0]
    found = []
    for capture in (False, None):
        factors[0] = 1.0
        _, step = a_step(lambda y: y * factors[0], capture=capture)
        go(step, 4)
        factors[0] = 2.0
        step.forget()
        found.append(float(go(step, 4)))
    assert found[0] == found[1] and step.captured


def test_changes_without_end_are_said_and_run_eagerly():
    model, step = a_step()
    with pytest.warns(RuntimeWarning, match="changed 4 times, last Net.scale; steps run eagerly") as said:
        for i in range(8):
            model.scale = 1.0 + i
            go(step, 4)
    assert len(said) == 1 and not step.captured


@pytest.mark.parametrize("to", ["cpu", "cuda:1"])
def test_a_model_moved_after_capture(to):
    model, step = a_step()
    go(step)
    model.to(to)
    x, y = (gpunn.to_device(a, to) for a in batch(9))
    losses = [float(step(x, y)) for _ in range(5)]
    assert losses[-1] < losses[0]
    assert step.captured == (to != "cpu") and str(next(model.parameters()).device) == to


# ---------------------------------------------------------------- NaN, labels, exceptions, threads
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
    assert np.isnan(gpunn.to_numpy(step.model.first.weight.data)).any()


def test_a_wrong_label_in_a_graph_is_named():
    _, step = a_step()
    go(step, 5)
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


def test_an_exception_of_what_feeds_a_replay_leaves_all_usable(monkeypatch):
    eager, (model, step) = trained(10, capture=False), a_step()
    for i in range(10):
        if i == 6:
            with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
                patch.setattr("gpunn.cuda.ring.weakref.ref", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
                step(*batch(i))
        loss = step(*batch(i))
    assert float(loss) == eager[0][-1] and same(eager[1], state(model, step))


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
        ({"accumulate": 0}, "CapturedStep: accumulate must be at least 1 step, got 0"),
    ],
)
def test_an_option_out_of_range_is_refused(options, words):
    with pytest.raises(UsageError, match=words):
        a_step(**options)
