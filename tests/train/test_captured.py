"""A training step as one graph, on the look-alike of CuPy: the bits of eager steps, and what it costs."""

import os

import numpy as np
import pytest

import gpunn
from gpunn import models, nn, ops, optim, train
from gpunn.errors import TrainingError, UsageError
from gpunn.train import CapturedStep
from gpunn.train import graphs as policy
from tests import counting
from tests.train.captured_steps import Net, a_step, batch, go, same, state, trained

pytestmark = pytest.mark.usefixtures("look_alike")
WARM, IN_CI = policy.WARM_UPS, "CI" in os.environ


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 5, 3, padding=1)
        self.norm, self.pool = nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1)

    def forward(self, x):
        y = self.norm(self.conv1(ops.reshape(x, (2, 1, 1, 5))), relu=True)
        return ops.reshape(self.pool(self.conv2(y)), (2, 5))


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


class Recurrent(nn.Module):
    """Two layers of an LSTM with dropout between, of which the last states are what is told apart."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(6, 10, num_layers=2, dropout=0.3, batch_first=True)

    def forward(self, x):
        y, (_, c_n) = self.lstm(ops.reshape(x, (len(x), 3, 6)))
        return y[:, -1] + c_n[0]


NETWORKS = {
    "recurrent": (Recurrent, (3, 6)),
    "lenet5": (lambda: models.create("lenet5"), (1, 28, 28)),
    "residual": (Residual, (3, 6, 6)),
    "alexnet_lite": (lambda: models.create("alexnet_lite"), (3, 32, 32)),
}


RUNS = [("lenet5", optim.AdamW), ("residual", optim.AdamW), ("recurrent", optim.AdamW)]
RUNS += [("lenet5", optim.SGD), ("residual", optim.RMSprop), ("alexnet_lite", optim.SGD)] if IN_CI else []


@pytest.mark.parametrize(("name", "make"), RUNS, ids=lambda part: getattr(part, "__name__", part))
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


def test_the_last_batch_of_an_epoch_works_in_the_memory_of_the_others():
    """A graph holds nothing but its gradients; one that is larger than what is free draws more."""

    def held(sizes):
        with counting.dry():
            model = models.create("lenet5").to("cuda")
            step = CapturedStep(model, ops.cross_entropy, optim.SGD(model.parameters(), 0.1))
            found = []
            for n in sizes:
                x, y = np.zeros((n, 1, 28, 28), np.float32), np.zeros(n, np.int64)
                for _ in range(WARM + 1):
                    step(gpunn.to_device(x, "cuda"), gpunn.to_device(y, "cuda"))
                found.append(step.graphs._place.pool.total_bytes())
        return found

    first, *others = held((16, 5, 3))
    assert others == [first, first]
    small, large = held((5, 16))
    assert small < first <= large < 1.5 * first


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


def test_streams_wait_for_each_other(look_alike, monkeypatch):
    """Its own for the caller's before a step, the caller's for its own after it."""
    _, step = a_step()
    go(step)
    stream, waits, cuda = step._graphs._place.stream, [], look_alike.cuda
    wait = cuda.Stream.wait_event

    def waiting(self, event):
        waits.append((self.ptr, event._stream))
        wait(self, event)

    monkeypatch.setattr(cuda.Stream, "wait_event", waiting)
    with cuda.Stream(non_blocking=True) as mine:
        step(*batch(0))
        assert waits == [(stream.ptr, mine.ptr), (mine.ptr, stream.ptr)]
    with stream:
        step(*batch(0))
    assert len(waits) == 2


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
