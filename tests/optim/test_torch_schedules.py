"""Every schedule beside PyTorch's: sixty steps of two groups, alone and together; resumed, and states exchanged."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

from gpunn import Tensor, nn, optim
from gpunn.optim import Schedule

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # torch wants optimizer.step() before a schedule's
STEPS = 60


def falling(t):
    return 0.97**t


def wavering(t):
    return 1 + 0.05 * (-1) ** t


def label(row):
    """A test's name: a function in it would have its address."""
    if isinstance(row, tuple) and isinstance(row[1], dict):
        return "-".join((row[0], *(str(v) for v in row[1].values() if isinstance(v, int | float | str))))
    return "+".join(map(label, row)) if isinstance(row, list) and row and isinstance(row[0], tuple) else str(row)


ALONE = [
    ("StepLR", {"step_size": 7, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [3, 20, 20, 41], "gamma": 0.5}),
    ("ConstantLR", {"factor": 0.25, "total_iters": 9}),
    ("ConstantLR", {}),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 0.7, "total_iters": 17}),
    ("ExponentialLR", {"gamma": 0.93}),
    ("PolynomialLR", {"total_iters": 40, "power": 2.0}),
    ("PolynomialLR", {}),
    ("CosineAnnealingLR", {"T_max": 14, "eta_min": 0.01}),
    ("LambdaLR", {"lr_lambda": falling}),
    ("LambdaLR", {"lr_lambda": [falling, wavering]}),
    ("MultiplicativeLR", {"lr_lambda": [wavering, falling]}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 7}),
    ("CyclicLR", {"base_lr": [0.01, 0.1], "max_lr": [0.2, 3.0], "step_size_up": 5, "step_size_down": 9,
                  "mode": "triangular2", "base_momentum": 0.7, "max_momentum": 0.95}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 6, "mode": "exp_range", "gamma": 0.98,
                  "cycle_momentum": False}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 6, "scale_fn": falling,
                  "scale_mode": "iterations"}),
    ("CosineAnnealingWarmRestarts", {"T_0": 4, "T_mult": 2, "eta_min": 0.001}),
    ("CosineAnnealingWarmRestarts", {"T_0": 7}),
    ("OneCycleLR", {"max_lr": 0.4, "total_steps": STEPS + 1}),
    ("OneCycleLR", {"max_lr": [0.4, 2.0], "epochs": 7, "steps_per_epoch": 9, "three_phase": True,
                    "base_momentum": 0.6}),
    ("OneCycleLR", {"max_lr": 0.4, "total_steps": STEPS + 1, "three_phase": True, "pct_start": 0.4,
                    "anneal_strategy": "linear", "cycle_momentum": False}),
]  # fmt: skip
TOGETHER = [
    [("LinearLR", {"total_iters": 9}), ("ExponentialLR", {"gamma": 0.9})],
    [("ConstantLR", {"total_iters": 4}), ("CosineAnnealingLR", {"T_max": 11, "eta_min": 0.001})],
    [("PolynomialLR", {"total_iters": 30}), ("MultiplicativeLR", {"lr_lambda": wavering})],
    [("ExponentialLR", {"gamma": 0.9}), ("StepLR", {"step_size": 5}), ("MultiStepLR", {"milestones": [9, 30]})],
]
ORDERED = [
    ([("LinearLR", {"total_iters": 9}), ("CosineAnnealingLR", {"T_max": 20})], [9]),
    ([("ConstantLR", {"total_iters": 4}), ("ExponentialLR", {"gamma": 0.9}), ("StepLR", {"step_size": 4})], [6, 19]),
    ([("MultiplicativeLR", {"lr_lambda": wavering}), ("LambdaLR", {"lr_lambda": falling})], [8]),
    ([("CosineAnnealingWarmRestarts", {"T_0": 5}), ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2})], [12]),
    ([("LinearLR", {"total_iters": 5}), ("PolynomialLR", {"total_iters": 30, "power": 0.9})], [5]),
]


def both(kind="SGD"):
    """(gpunn's, its optimiser), (torch's, its optimiser): of two groups each."""
    torch = pytest.importorskip("torch", reason="PyTorch is the reference of the sequences")
    options = {"momentum": 0.8} if kind == "SGD" else {}
    mine = [{"params": [Tensor(np.ones(2), requires_grad=True)], "lr": lr} for lr in (0.1, 3.0)]
    theirs = [{"params": [torch.nn.Parameter(torch.ones(2))], "lr": lr} for lr in (0.1, 3.0)]
    ours, reference = (
        getattr(optim, kind)(mine, lr=0.1, **options),
        getattr(torch.optim, kind)(theirs, lr=0.1, **options),
    )
    return (optim, ours), (torch.optim.lr_scheduler, reference)


def made(side, rows):
    library, optimizer = side
    return [getattr(library, name)(optimizer, **options) for name, options in rows]


def stepped(schedules, *given):
    for schedule in schedules:
        schedule.step(*given)


def same(ours, theirs, what):
    """The rates and momenta of two optimisers."""
    for mine, wanted in zip(ours.param_groups, theirs.param_groups, strict=True):
        for key in ("lr", "momentum", "betas"):
            if key in wanted:
                np.testing.assert_allclose(mine[key], wanted[key], rtol=1e-9, atol=1e-12, err_msg=f"{key}, {what}")


def follow(mine, theirs, ours, reference, steps=STEPS):
    for t in range(steps):
        same(ours, reference, f"step {t}")
        np.testing.assert_allclose(mine[-1].get_last_lr(), theirs[-1].get_last_lr(), rtol=1e-9, atol=1e-12)
        stepped(theirs)
        stepped(mine)
    same(ours, reference, "the last")


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("row", ALONE, ids=label)
def test_each_is_pytorchs(row, kind):
    here, there = both(kind)
    follow(made(here, [row]), made(there, [row]), here[1], there[1])


@pytest.mark.parametrize("rows", TOGETHER, ids=label)
def test_some_together_are_pytorchs(rows):
    here, there = both()
    follow(made(here, rows), made(there, rows), here[1], there[1])
    here, there = both()
    chained = [library.ChainedScheduler(made((library, one), rows)) for library, one in (here, there)]
    follow(chained[:1], chained[1:], here[1], there[1])


@pytest.mark.parametrize("rows, milestones", ORDERED, ids=label)
def test_one_after_the_other_is_pytorchs(rows, milestones):
    here, there = both()
    made_of = [[library.SequentialLR(one, made((library, one), rows), milestones)] for library, one in (here, there)]
    follow(*made_of, here[1], there[1])


def test_a_sequence_within_a_chain_and_a_chain_within_a_sequence():
    here, there = both()

    def build(library, one):
        inner = library.ChainedScheduler([library.LinearLR(one, total_iters=6), library.ConstantLR(one, 0.5, 4)])
        return [library.SequentialLR(one, [inner, library.StepLR(one, 4)], [10])]

    follow(build(*here), build(*there), here[1], there[1])


@pytest.mark.parametrize("options", [
    {"patience": 2}, {"mode": "max", "factor": 0.5, "patience": 1, "cooldown": 3}, {"threshold_mode": "abs",
    "threshold": 0.3, "patience": 0, "min_lr": [0.01, 0.5]}, {"mode": "max", "threshold_mode": "abs", "eps": 0.02},
])  # fmt: skip
def test_the_plateau_is_pytorchs(options):
    here, there = both()
    (mine,), (theirs,) = (made(side, [("ReduceLROnPlateau", options)]) for side in (here, there))
    for t in range(STEPS):
        metric = float("nan") if t == 30 else np.random.default_rng(t).random() + 3 / (t + 1)
        mine.step(Tensor(metric) if t % 2 else metric)
        theirs.step(metric)
        same(here[1], there[1], f"step {t}")
        assert mine.num_bad_epochs == theirs.num_bad_epochs and mine.cooldown_counter == theirs.cooldown_counter
        if t == 25:  # states go both ways
            saved, others = mine.state_dict(), theirs.state_dict()
            (mine,), (theirs,) = (made(side, [("ReduceLROnPlateau", {})]) for side in (here, there))
            mine.load_state_dict(others)
            theirs.load_state_dict(saved)


@pytest.mark.parametrize("row", ALONE, ids=label)
def test_states_go_both_ways(row):
    """Ten steps of each, each's state into another of the other library, ten more."""
    here, there = both()
    (mine,), (theirs,) = made(here, [row]), made(there, [row])
    for _ in range(10):
        stepped([mine, theirs])
    saved, others = copy.deepcopy(mine.state_dict()), copy.deepcopy(theirs.state_dict())
    rates = [dict(group) for group in there[1].param_groups]
    (mine,), (theirs,) = made(here, [row]), made(there, [row])
    mine.load_state_dict(others)
    theirs.load_state_dict(saved)
    for side in (here, there):
        for group, was in zip(side[1].param_groups, rates, strict=True):
            group.update({k: v for k, v in was.items() if k != "params"})
    follow([mine], [theirs], here[1], there[1], 10)


@pytest.mark.parametrize("rows, milestones", ORDERED, ids=label)
def test_states_of_sequences_go_both_ways(rows, milestones):
    here, there = both()
    (mine, theirs) = [
        library.SequentialLR(one, made((library, one), rows), milestones) for library, one in (here, there)
    ]
    for _ in range(10):
        stepped([mine, theirs])
    saved, others = copy.deepcopy(mine.state_dict()), copy.deepcopy(theirs.state_dict())
    rates = [group["lr"] for group in there[1].param_groups]
    (mine, theirs) = [
        library.SequentialLR(one, made((library, one), rows), milestones) for library, one in (here, there)
    ]
    mine.load_state_dict(others)
    theirs.load_state_dict(saved)
    for side in (here, there):
        for group, was in zip(side[1].param_groups, rates, strict=True):
            group["lr"] = was
    follow([mine], [theirs], here[1], there[1], 20)


@pytest.mark.parametrize("last", [0, 5, 6])
@pytest.mark.parametrize("row", ALONE, ids=label)
def test_resumed_at_an_epoch_is_pytorchs(row, last):
    """With the rates that the groups hold, and the initial ones that a loaded state has."""
    here, there = both()
    for side in (here, there):
        stepped_of = made(side, [row])
        for _ in range(last + 1):
            stepped(stepped_of)
    again = row[0], {**row[1], "last_epoch": last}
    follow(made(here, [again]), made(there, [again]), here[1], there[1], 12)


@pytest.mark.parametrize("row", ALONE, ids=label)
def test_a_step_to_an_epoch_is_pytorchs(row):
    here, there = both()
    mine, theirs = made(here, [row]), made(there, [row])
    for epoch in (3, 11, 4, 0) + ((2.5, 9.25) if "Restarts" in row[0] else ()):
        stepped(mine, epoch)
        stepped(theirs, epoch)
        same(here[1], there[1], f"epoch {epoch}")
    follow(mine, theirs, here[1], there[1], 5)


# ---------------------------------------------------------------- without PyTorch
def optimizer_of_two_groups(kind=optim.SGD):
    return kind([{"params": [nn.Parameter(np.ones(2))], "lr": lr} for lr in (0.1, 3.0)], lr=0.1)


def test_a_schedule_of_ones_own_defines_get_lr():
    class Halves(optim.LRScheduler):
        def __init__(self, optimizer, floor, last_epoch=-1):
            self.lowest = floor
            super().__init__(optimizer, last_epoch)

        def get_lr(self):
            return [max(self.lowest, base * 0.5**self.last_epoch) for base in self.base_lrs]

    one = Halves(optimizer_of_two_groups(), 0.02)
    for _ in range(3):
        one.step()
    assert one.get_last_lr() == [0.02, 0.375]
    other = Halves(optimizer_of_two_groups(), 1.0)
    other.load_state_dict(one.state_dict())
    assert (other.lowest, other.last_epoch) == (0.02, 3)


def test_a_state_goes_through_json():
    one = optim.MultiStepLR(optimizer_of_two_groups(), [2, 2, 5])
    stepped([one])
    other = optim.MultiStepLR(optimizer_of_two_groups(), [7])
    other.load_state_dict(json.loads(json.dumps(one.state_dict())))
    assert (other.milestones, other.last_epoch) == ([2, 2, 5], 1)


def test_what_is_looked_at_in_a_copy_leaves_the_schedules_alone():
    """As a checkpoint is looked at before a run is resumed from it."""

    def build():
        one = optimizer_of_two_groups()
        return optim.SequentialLR(one, [optim.LinearLR(one, total_iters=3), optim.ExponentialLR(one, 0.9)], [3])

    ahead, behind = build(), build()
    for _ in range(6):
        ahead.step()
    copy.copy(behind).load_state_dict(ahead.state_dict())
    assert [one.last_epoch for one in behind._schedulers] == [0, -1] and behind.last_epoch == 0
    assert not behind.per_step


S = optimizer_of_two_groups
ERRORS = [
    (lambda: optim.ExponentialLR(S(), 0.9, last_epoch=3), ValueError, "ExponentialLR: group 0 has no initial_lr, expe"),
    (lambda: optim.OneCycleLR(S(), 1.0, 9, last_epoch=3), ValueError, "OneCycleLR: group 0 has no initial_lr"),
    (lambda: optim.StepLR(S(), 3, last_epoch=-2), ValueError, "StepLR: last_epoch must be a whole number of at least"),
    (lambda: optim.ConstantLR(S(), 1.5), ValueError, "ConstantLR: factor must be a number in [0, 1], got 1.5; usual:"),
    (lambda: optim.ConstantLR(S(), 0.5, 0), ValueError, "ConstantLR: total_iters must be a whole number of at least 1"),
    (lambda: optim.PolynomialLR(S(), 5, "2"), TypeError, "PolynomialLR: power must be a finite number, got '2'"),
    (lambda: optim.LambdaLR(S(), 0.5), TypeError, "LambdaLR: lr_lambda is 0.5, expected a function of the step count;"),
    (lambda: optim.LambdaLR(S(), [falling]), ValueError, "LambdaLR: lr_lambda has 1 values, but the optimizer has 2"),
    (lambda: optim.LambdaLR(3, falling), TypeError, "LambdaLR: optimizer is a int, expected one of gpunn.optim; pass"),
    (lambda: optim.CyclicLR(S(), 0.1, 1, mode="up"), ValueError, "CyclicLR: mode must be one of triangular, triangula"),
    (lambda: optim.CyclicLR(S(), 0.1, [1.0]), ValueError, "CyclicLR: max_lr has 1 values, but the optimizer has 2 gro"),
    (lambda: optim.CyclicLR(S(optim.Rprop), 0.1, 1), ValueError, "CyclicLR: Rprop has no momentum to cycle, expected"),
    (lambda: optim.CosineAnnealingWarmRestarts(S(), 0), ValueError, "T_0 must be a whole number of at least 1"),
    (lambda: optim.CosineAnnealingWarmRestarts(S(), 3, 0), ValueError, "T_mult must be a whole number of at least 1"),
    (lambda: optim.CosineAnnealingWarmRestarts(S(), 3).step(-1), ValueError, "epoch must be a number of 0 to"),
    (lambda: optim.ReduceLROnPlateau(S(), "less"), ValueError, "ReduceLROnPlateau: mode must be one of min, max, got"),
    (lambda: optim.ReduceLROnPlateau(S(), factor=1.0), ValueError, "factor must be a number in (0, 1), got 1.0; usual"),
    (lambda: optim.ReduceLROnPlateau(S()).step(), TypeError, "step has no metric, expected the number to watch; pass"),
    (lambda: optim.ReduceLROnPlateau(S()).step("low"), TypeError, "the metric is a str, expected a number or a Tensor"),
    (lambda: optim.ReduceLROnPlateau(S(), min_lr=[0.1]), ValueError, "min_lr has 1 values, but the optimizer has 2 gr"),
    (lambda: optim.ChainedScheduler([]), ValueError, "ChainedScheduler: schedulers is [], expected a list of schedule"),
    (lambda: optim.ChainedScheduler([optim.ReduceLROnPlateau(S())]), TypeError, "schedulers[0] is a ReduceLROnPlateau"),
    (lambda: optim.ChainedScheduler([optim.StepLR(S(), 1), optim.StepLR(S(), 1)]), ValueError, "has another optimizer"),
    (lambda: optim.SequentialLR(o := S(), [optim.StepLR(o, 1)], [3]), ValueError, "1 milestones for 1 schedules, expe"),
    (lambda: optim.SequentialLR(o := S(), [optim.StepLR(o, 1)] * 3, [5, 3]), ValueError, "step counts in growing orde"),
    (lambda: optim.SequentialLR(S(), [optim.StepLR(S(), 1)], []), ValueError, "a StepLR, has another optimizer, expec"),
    (lambda: optim.LambdaLR(S(), falling).load_state_dict({}), ValueError, "LambdaLR: the saved state's lr_lambdas: i"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, words", ERRORS)
def test_errors(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value) and "\n" not in str(caught.value)


HOSTILE = [None, "x", -3, 1.5, float("nan"), 10**400, [], {}, [[]], np.ones(3), True]
ALL = [*[row for row in ALONE if row[0] not in ("CyclicLR",)][::2], ALONE[12], ("ReduceLROnPlateau", {})]


@pytest.mark.parametrize("row", ALL, ids=label)
def test_a_saved_state_of_other_types_is_read_or_refused(row):
    saved, refused = made((optim, optimizer_of_two_groups()), [row])[0].state_dict(), 0
    for key in saved:
        for value in HOSTILE:
            (one,) = made((optim, optimizer_of_two_groups()), [row])
            before = repr(one.state_dict())
            try:
                one.load_state_dict({**saved, key: value})
            except (ValueError, TypeError) as error:
                refused += 1
                assert str(error).startswith(f"{row[0]}: ") and "\n" not in str(error), (key, value)
                assert repr(one.state_dict()) == before
            else:
                one.step(*([1.0] if one.watches else []))
    assert refused > 20 and issubclass(getattr(optim, row[0]), Schedule)
