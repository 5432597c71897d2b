"""Training steps as one graph, on the look-alike of CuPy, by optimisers whose numbers the host counts, and by Muon."""

from __future__ import annotations

import pytest

import gpunn
from gpunn import nn, ops, optim
from gpunn.train import CapturedStep
from tests.train.captured_steps import batch, same, state

pytestmark = pytest.mark.usefixtures("look_alike")
RULES = {
    "NAdam": lambda params: optim.NAdam(params, 0.1),
    "ASGD": lambda params: optim.ASGD(params, 0.1, t0=3),
    "AMSGrad": lambda params: optim.AdamW(params, 0.1, amsgrad=True),
    "Muon": lambda params: optim.Muon(params, 0.1, nesterov=True),
}


def trained(rule, capture, steps=8):
    gpunn.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 3, bias=False), nn.Linear(3, 5, bias=False)).to("cuda")
    step = CapturedStep(model, ops.cross_entropy, RULES[rule](model.parameters()), capture=capture)
    for i in range(steps):
        step.optimizer.param_groups[0]["lr"] *= 0.9
        step(*batch(i))
    return model, step


@pytest.mark.parametrize("rule", RULES)
def test_replayed_steps_are_eager_steps_bit_for_bit(rule):
    (eager, by_hand), (replayed, by_graph) = (trained(rule, capture) for capture in (False, None))
    assert by_graph.captured and not by_hand.captured
    assert same(state(eager, by_hand), state(replayed, by_graph))
    assert [{k: v for k, v in own.items() if not hasattr(v, "shape")} for own in by_hand.optimizer.state.values()] == [
        {k: v for k, v in own.items() if not hasattr(v, "shape")} for own in by_graph.optimizer.state.values()
    ]


def test_an_option_that_muon_froze_is_captured_anew():
    _, step = trained("Muon", None)
    model, other = trained("Muon", False)
    for i in range(3):
        for one in (step, other):
            one.optimizer.param_groups[0].update(momentum=0.5, ns_steps=3)
            one(*batch(i))
    assert same(state(model, other), state(step.model, step))


def test_steps_with_a_hook_run_eagerly_and_say_so():
    gpunn.manual_seed(0)
    model = nn.Linear(5, 5).to("cuda")
    optimizer = optim.SGD(model.parameters(), 0.1)
    optimizer.register_step_post_hook(lambda *given: None)
    step = CapturedStep(model, ops.cross_entropy, optimizer)
    with pytest.warns(
        RuntimeWarning, match=r"SGD: a hook on its steps is the host's, which replays would not call; rem"
    ):
        for i in range(5):
            step(*batch(i))
    assert not step.captured
