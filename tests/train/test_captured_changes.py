"""What is changed after a training step was captured: never missed, and captured anew."""

import pytest

import gpunn
from tests import counting
from tests.train.captured_steps import Weigh, a_step, batch, go, same, state

pytestmark = pytest.mark.usefixtures("look_alike")


def changed_scale(model, step):
    model.scale = 0.5


def frozen_layer(model, step):
    model.second.weight.requires_grad = False


def other_array(model, step):
    model.second.weight.array = model.second.weight.array * 2


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
