"""fp16: the loss's scale, steps that are left out to the last bit, and the same bits captured and resumed."""

import os

import numpy as np
import pytest

import gpunn
from gpunn import nn, ops, optim, train
from gpunn.backend import twins
from gpunn.errors import TrainingError
from gpunn.nn.state import copied
from gpunn.train import loss_scale
from tests.train import runs
from tests.train.captured_steps import same
from tests.train.test_precision import steps_of

in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="seconds of emulated kernels: in CI")
DEVICES = ["cpu", "emulator"]


def placed(array, device):
    if not gpunn.is_available(device):
        pytest.skip(f"{device} is not available here (gpunn doctor says why)")
    return gpunn.to_device(array.copy(), device)


@pytest.mark.parametrize("device", DEVICES)
def test_gradients_are_divided_and_what_is_not_finite_is_noted(device):
    rng = np.random.default_rng(0)
    for bad in (None, np.inf, -np.inf, np.nan):
        grads = [rng.standard_normal(shape).astype(np.float32) * 2**20 for shape in ((5000,), (3, 7), (1,))]
        if bad is not None:
            grads[0][4567] = bad
        given = [placed(g, device) for g in grads]
        state = placed(np.array([2**10, 5, 1, 0], np.float32), device)
        twins(state).optim.unscale(given, state)
        for got, want in zip(given, grads, strict=True):
            np.testing.assert_array_equal(gpunn.to_numpy(got), want / 2**10)
        assert gpunn.to_numpy(state).tolist() == [2**10, 5, 1, float(bad is not None)]


@pytest.mark.parametrize("device", DEVICES)
def test_the_scale_halves_after_a_bad_step_and_doubles_after_many_good_ones(device):
    state = placed(np.array([8, 1, 0, 0], np.float32), device)
    seen = []
    for bad in (0, 1, 0, 0, 0, 0):
        state[3] = bad
        twins(state).optim.rescale(state, 2.0, 0.5, 3)
        seen.append(gpunn.to_numpy(state).tolist())
    assert seen == [[8, 2, 0, 0], [4, 0, 1, 0], [4, 1, 1, 0], [4, 2, 1, 0], [8, 0, 1, 0], [8, 1, 1, 0]]
    state[...] = placed(np.array([2.0**126, 2, 0, 0], np.float32), device)
    twins(state).optim.rescale(state, 2.0, 0.5, 3)
    assert gpunn.to_numpy(state).tolist() == [2.0**126, 0, 0, 0]  # no further: one over it would be flushed


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("make", [optim.SGD, optim.AdamW, optim.RMSprop])
def test_a_step_with_a_flag_changes_nothing(make, device):
    options = {"momentum": 0.9} if make is not optim.AdamW else {}
    p = nn.Parameter(placed(np.linspace(-1, 1, 40, dtype=np.float32), device))
    rule = make([p], lr=0.1, **options)

    def everything():
        arrays = [p.array, *[a for a in rule.state[p].values() if hasattr(a, "shape")]]
        return [gpunn.to_numpy(a).tobytes() for a in arrays]

    p.gradient = placed(np.ones(40, np.float32), device)
    rule.step()
    before = everything()
    p.gradient = placed(np.full(40, np.nan, np.float32), device)
    rule.skip = placed(np.ones(1, np.float32), device)
    rule.step()
    assert everything() == before
    p.gradient, rule.skip = placed(np.ones(40, np.float32), device), placed(np.zeros(1, np.float32), device)
    rule.step()
    assert everything() != before and np.isfinite(gpunn.to_numpy(p.array)).all()


def a_step(scale, **options):
    gpunn.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
    rule = options.pop("rule", optim.SGD)(model.parameters(), 0.1)
    step = train.CapturedStep(model, ops.cross_entropy, rule, precision="fp16", **options)
    step.loss_scale.load_state_dict({"scale": scale, "good_steps": 0, "skipped": 0})
    x, y = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32), np.array([0, 1, 2, 1])
    return model, step, lambda: step(x, y)


def test_a_step_that_overflows_is_left_out_and_the_next_ones_have_a_smaller_scale():
    model, step, go = a_step(2.0**20, grad_clip=1.0)
    before = copied(model)
    first = go()
    assert first.norm == 0 and step.loss_scale.known == {"scale": 2.0**19, "good_steps": 0, "skipped": 1}
    assert same(before, copied(model))
    while step.loss_scale.known["good_steps"] < 2:
        last = go()
        step.read()
    assert not same(before, copied(model)) and last.norm > 0
    assert step.loss_scale.known["scale"] < 2.0**19 and "steps left out" in step.loss_scale.words()


@pytest.mark.parametrize("options", [{"grad_clip": 0.01}, {"accumulate": 2}, {"accumulate": 2, "grad_clip": 0.01}])
def test_the_scale_leaves_no_trace_in_what_is_learnt(options):
    """Powers of two: scaled by 2^4 or by 2^8, nothing is too small, and all bits are the same."""
    found = []
    for scale in (2.0**4, 2.0**8):
        model, _, go = a_step(scale, **options)
        norms = [go().norm for _ in range(6)]
        found.append((norms, copied(model)))
    assert found[0][0] == found[1][0] and same(found[0][1], found[1][1])


def test_a_scale_below_1_ends_the_run_in_words():
    _, step, go = a_step(1.0)
    step.model.register_forward_hook(lambda module, args, y: y * np.float32(0) + 1)  # a finite loss
    step.model[2].weight.register_hook(lambda gradient: gradient * np.nan)
    with pytest.raises(TrainingError, match=r"the loss's scale has fallen to 0\.5 after 1 steps .*; train in bf16"):
        float(go())


class Plain(optim.Optimizer):
    """A program's own rule, which knows of no flag."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    def update(self, param, grad, state, group):
        param -= group["lr"] * grad


def test_a_programs_own_optimizer_is_asked_for_no_step():
    model, step, go = a_step(2.0**24, rule=Plain)
    before = copied(model)
    go()
    step.read()
    assert same(before, copied(model)) and step.loss_scale.known["skipped"] == 1
    for _ in range(12):
        go()
    assert not same(before, copied(model)) and np.isfinite(model[0].weight.array).all()


def test_a_resumed_run_is_the_uninterrupted_one_to_the_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(loss_scale, "EVERY", 4)
    options = {"precision": "fp16", "grad_clip": 1.0, "accumulate": 2}
    whole = runs.trainer(**options)
    whole.loss_scale.load_state_dict({"scale": 2.0**18, "good_steps": 1, "skipped": 0})
    whole.fit(*runs.loaders(), epochs=3)
    part = runs.trainer(out=tmp_path, **options)
    part.loss_scale.load_state_dict({"scale": 2.0**18, "good_steps": 1, "skipped": 0})
    part.fit(*runs.loaders(), epochs=1)
    saved = train.load_checkpoint(tmp_path / "checkpoint.npz")
    assert saved["precision"] == "fp16" and saved["loss_scale"] == part.loss_scale.known
    assert {a.dtype.name for a in saved["model"].values()} == {"float32", "int64"}
    rest = runs.trainer(out=tmp_path, **options)
    rest.fit(*runs.loaders(), epochs=3, resume=tmp_path)
    assert rest.loss_scale.known == whole.loss_scale.known and rest.loss_scale.known["skipped"] > 0
    assert same(copied(rest.model), copied(whole.model))


@in_ci
@pytest.mark.parametrize("options", [{}, {"grad_clip": 0.5}])
def test_captured_steps_are_eager_steps_bit_for_bit(options, look_alike, monkeypatch):
    """From a scale at which the first ones overflow; it doubles again every three good steps."""
    monkeypatch.setattr(loss_scale, "START", 2.0**22)
    monkeypatch.setattr(loss_scale, "EVERY", 3)
    eager, captured = (steps_of("fp16", capture, 12, **options) for capture in (False, None))
    assert eager[0] == captured[0] and same(eager[1], captured[1])
    assert eager[2].loss_scale.state_dict() == captured[2].loss_scale.state_dict()
    assert 0 < captured[2].loss_scale.known["skipped"] < 11
