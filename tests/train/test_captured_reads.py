"""What functions of captured steps read beside arguments, on the look-alike of CuPy: each change of it is heeded."""

import copy
import os
import pickle
from types import ModuleType

import numpy as np
import pytest

import gpunn
from gpunn import nn, ops, optim, train
from gpunn.optim.accumulate import Accumulation
from gpunn.train import CapturedStep
from tests.train.captured_steps import Net, Weigh, batch, go, same, state

pytestmark = pytest.mark.usefixtures("look_alike")
in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="as the others: in CI")
SCALE = 1.0


class Weighed:
    """A loss that is no Module, with a number and a list."""

    def __init__(self):
        self.weight, self.parts = 1.0, [1.0]

    def __call__(self, output, target):
        return helper(ops.cross_entropy(output, target)) * (self.weight * self.parts[0])


def helper(loss):
    return loss * SCALE * config.alpha


config = ModuleType("a_program_s_config")
config.alpha = 1.0


class Convolutions(nn.Module):
    """With running statistics."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)

    def forward(self, x):
        y = self.norm(self.conv(ops.reshape(x, (2, 1, 1, 5))), relu=True)
        return ops.reshape(ops.mean(y, axis=1), (2, 5))


class WeighedLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = 1.0

    def forward(self, output, target):
        return ops.cross_entropy(output, target) * self.weight


class Lists(Net):
    """A network that reads a list and a dict of its own."""

    def __init__(self):
        super().__init__()
        self.scales, self.options = [1.0], {"scale": 1.0}

    def forward(self, x):
        return super().forward(x) * self.scales[0] * self.options["scale"]


def closed_over():
    """A loss that reads a variable around it, and what sets that."""
    scale = 1.0

    def loss(output, target):
        return ops.cross_entropy(output, target) * scale

    def change(step):
        nonlocal scale
        scale = 3.0

    return loss, change


def set_global(step):
    global SCALE
    SCALE = 2.0


def set_of_module(step):
    config.alpha = 2.0


def set_weight(step):
    step.loss_fn.weight = 2.0


def set_element(step):
    step.loss_fn.parts[0] = 2.0


def set_list(step):
    step.model.scales[0] = 2.0


def set_dict(step):
    step.model.options["scale"] = 2.0


def other_loss(step):
    step.loss_fn = WeighedLayer()
    go(step, 4)
    step.loss_fn.weight = 3.0


def other_optimizer(step):
    step.optimizer = optim.SGD(step.optimizer.parameters(), 0.3)


def other_model(step):
    gpunn.manual_seed(3)
    step.model = Net().to("cuda")
    step.optimizer = optim.Adam(step.model.parameters(), 0.1)


def other_group(step):
    step.optimizer.param_groups[0] = {**step.optimizer.param_groups[0], "lr": 0.5}


def other_states(step):
    step.optimizer.state = {key: {**own, "step": 1} for key, own in step.optimizer.state.items()}


def average_anew(step):
    step.ema.updates = 0


def no_buffers(step):
    step.ema.use_buffers = False


def other_clip(step):
    step.grad_clip = 0.01


def other_metrics(step):
    step.metrics = {"mean": lambda output, target: output.array.mean()}


def other_accumulation(step):
    step.accumulation = Accumulation(2)


def more_accumulation(step):
    step.accumulation.every = 3


def tried(
    change, capture, optimizer=optim.Adam, loss=ops.cross_entropy, model=Net, steps=6, average=False, size=4, **options
):
    """Losses, metrics and state of a run changed after its sixth step."""
    global SCALE
    SCALE = config.alpha = 1.0
    gpunn.manual_seed(0)
    model = model().to("cuda")
    ema = train.EMA(0.9) if average else None
    step = CapturedStep(model, loss, optimizer(model.parameters(), 0.05), capture=capture, ema=ema, **options)
    losses = []
    for i in range(2 * steps):
        if i == steps:
            change(step)
        losses.append(step(*batch(i, size)))
    averages = {f"average {name}": gpunn.to_numpy(value) for name, value in ema.average.items()} if ema else {}
    own = {**state(step.model, step), **averages}
    return [float(loss) for loss in losses], [loss.metrics for loss in losses], own, step


def compared(change, **options):
    """The captured run, once it is found to be the eager one."""
    eager, captured = (tried(change, capture, **{**options, "loss": options.get("loss", lambda: ops.cross_entropy)()})
                       for capture in (False, None))  # fmt: skip
    assert eager[0] == captured[0] and eager[1] == captured[1] and same(eager[2], captured[2])
    return captured[3]


def accumulating(change):
    return pytest.param(change, {"accumulate": 2}, marks=in_ci)


CASES = [
    pytest.param(set_global, {"loss": Weighed}),
    pytest.param(set_of_module, {"loss": Weighed}),
    pytest.param(set_weight, {"loss": Weighed}, marks=in_ci),
    pytest.param(set_element, {"loss": Weighed}, marks=in_ci),
    pytest.param(set_list, {"model": Lists}),
    pytest.param(set_dict, {"model": Lists}, marks=in_ci),
    pytest.param(other_loss, {}),
    pytest.param(other_optimizer, {}),
    pytest.param(other_model, {}, marks=in_ci),
    pytest.param(other_group, {}),
    pytest.param(other_states, {}, marks=in_ci),
    pytest.param(other_clip, {}, marks=in_ci),
    pytest.param(other_metrics, {}, marks=in_ci),
    pytest.param(average_anew, {"average": True}),
    pytest.param(no_buffers, {"average": True, "model": Convolutions, "size": 2}, marks=in_ci),
    accumulating(other_accumulation),
    accumulating(more_accumulation),
]


@pytest.mark.parametrize(("change", "options"), CASES)
def test_a_change_is_heeded(change, options):
    assert compared(change, **options).captured


def test_a_variable_around_the_loss_is_heeded():
    found = []
    for capture in (False, None):
        loss, change = closed_over()
        found.append(tried(change, capture, loss=loss))
    assert found[0][0] == found[1][0] and same(found[0][2], found[1][2]) and found[1][3].captured


# ---------------------------------------------------------------- optimisers of a program's own
class Plain(optim.Optimizer):
    """A rule that takes its rate as it is."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    def rule(self, batch):
        for p, g, group in zip(batch.params, batch.grads, batch.groups, strict=True):
            p -= np.float32(group["lr"]) * g


class Counts(optim.SGD):
    """Adam's count by hand, beside the settings."""

    def rule(self, batch):
        for own in batch.states:
            own["seen"] = own.get("seen", 0) + 1
        super().rule(batch)


class Skips(optim.SGD):
    """Every third step is none."""

    seen = 0

    def step(self):
        self.seen += 1
        if self.seen % 3:
            super().step()


class Around:
    """An optimizer around another one."""

    def __init__(self, params, lr):
        self.inner, self.seen = optim.SGD(params, lr), 0
        self.parameters, self.zero_grad = self.inner.parameters, self.inner.zero_grad
        self.param_groups, self.state = self.inner.param_groups, self.inner.state

    def step(self):
        self.seen += 1
        if self.seen % 3:
            self.inner.step()


def other_rate(step):
    step.optimizer.param_groups[0]["lr"] = 0.2


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Plain, "Plain.rule takes options as they are, as replays would; ask batch.settings"),
        pytest.param(Counts, "Counts.rule counts in its state, which replays would not", marks=in_ci),
        pytest.param(Skips, "where it assigns Skips.seen", marks=in_ci),
        (Around, "where it assigns Around.seen"),
    ],
)
def test_an_optimizer_that_the_host_tells_more_runs_eagerly(rule, words):
    with pytest.warns(RuntimeWarning, match=words) as said:
        step = compared(other_rate, optimizer=rule)
    assert len(said) == 1 and not step.captured


# ---------------------------------------------------------------- what Python does in each step
def test_a_number_that_the_host_measures_is_measured_in_each_step():
    rates = iter(range(100))
    with pytest.warns(RuntimeWarning, match="the metric rate is a number of the host, which a graph would repeat"):
        _, measured, _, step = tried(lambda step: None, None, metrics={"rate": lambda output, target: next(rates)})
    assert len({each["rate"] for each in measured}) == len(measured) and not step.captured


@in_ci
def test_a_list_that_the_loss_fills_is_filled_in_each_step():
    seen = []

    def loss(output, target):
        seen.append(len(seen))
        return ops.cross_entropy(output, target)

    with pytest.warns(RuntimeWarning, match="where it assigns an element of seen"):
        _, _, _, step = tried(lambda step: None, None, loss=loss)
    assert len(seen) == 12 and not step.captured


# ---------------------------------------------------------------- copies
def test_a_copy_of_a_step_goes_on_by_itself():
    gpunn.manual_seed(0)
    model = Weigh().to("cuda")
    step = CapturedStep(model, ops.cross_entropy, optim.Adam(model.parameters(), 0.05))
    go(step, 5)
    other = copy.deepcopy(step)
    for one in (step, other):
        go(one, 6)
    assert step.captured and other.captured and other.steps == 11
    assert same(state(model, step), state(other.model, other)) and other.model is not model


def test_a_copy_of_a_reading_is_its_number():
    model = Weigh().to("cuda")
    loss = go(CapturedStep(model, ops.cross_entropy, optim.SGD(model.parameters(), 0.05), ema=train.EMA(0.9)), 5)
    reading = loss.step.values["loss"]
    assert type(copy.copy(reading)) is float and pickle.loads(pickle.dumps(reading)) == float(reading)
