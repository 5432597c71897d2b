"""Averaged models beside PyTorch's, their schedule, and batch norm's statistics."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from gpunn import Tensor, nn, optim
from gpunn.optim import swa_utils


def net():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def moved(model, step):
    for i, array in enumerate([*model.parameters(), *model.buffers()]):
        array.array[...] = step + i


FUNCTIONS = [
    ("get_ema_multi_avg_fn", "multi_avg_fn", (0.8,)),
    ("get_swa_multi_avg_fn", "multi_avg_fn", ()),
    ("get_ema_avg_fn", "avg_fn", (0.8,)),
    ("get_swa_avg_fn", "avg_fn", ()),
    (None, "avg_fn", ()),
]


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize("name, argument, given", FUNCTIONS)
def test_averages_are_pytorchs(name, argument, given, use_buffers):
    torch = pytest.importorskip("torch", reason="PyTorch is the reference")
    reference = torch.optim.swa_utils
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
    model = net()
    if use_buffers and name == "get_swa_multi_avg_fn":
        pytest.skip("PyTorch's divides the count of batches, a whole number, and raises")
    made = [{} if name is None else {argument: getattr(side, name)(*given)} for side in (swa_utils, reference)]
    mine = swa_utils.AveragedModel(model, use_buffers=use_buffers, **made[0])
    other = reference.AveragedModel(theirs, use_buffers=use_buffers, **made[1])
    for step in range(4):
        moved(model, 2.0**step)
        for q, p in zip(
            [*theirs.parameters(), *theirs.buffers()], [*model.parameters(), *model.buffers()], strict=True
        ):
            q.data.copy_(torch.tensor(p.numpy()))
        mine.update_parameters(model)
        other.update_parameters(theirs)
        want = other.state_dict()
        assert list(mine.state_dict()) == list(want)
        for key, value in mine.state_dict().items():
            if "tracked" not in key:  # counts are not averaged here
                np.testing.assert_allclose(value.numpy(), want[key].numpy(), rtol=1e-6, err_msg=key)
    x = np.ones((5, 3), np.float32)
    assert mine.eval()(Tensor(x)).shape == (5, 2)


def test_statistics_of_batch_norm_are_the_means_of_all_batches():
    rng = np.random.default_rng(0)
    batches = [rng.standard_normal((6, 3)).astype(np.float32) for _ in range(3)]
    model = net().eval()
    swa_utils.update_bn([(x, 0) for x in batches], model)
    inner = [model[0](Tensor(x)).numpy() for x in batches]
    np.testing.assert_allclose(
        model[1].running_mean.numpy(), np.mean([x.mean(0) for x in inner], 0), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(model[1].running_var.numpy(), np.mean([x.var(0, ddof=1) for x in inner], 0), rtol=1e-4)
    assert model[1].momentum == 0.1 and not model.training and int(model[1].num_batches_tracked) == 3
    swa_utils.update_bn([], nn.Linear(2, 2))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("options", [{}, {"anneal_epochs": 4, "anneal_strategy": "linear"}, {"anneal_epochs": 0}])
def test_the_rate_of_averaging_is_pytorchs(options):
    torch = pytest.importorskip("torch", reason="PyTorch is the reference")
    groups = [{"params": [nn.Parameter(np.ones(2))], "lr": lr} for lr in (0.1, 3.0)]
    others = [{"params": [torch.nn.Parameter(torch.ones(2))], "lr": lr} for lr in (0.1, 3.0)]
    mine, theirs = optim.SGD(groups, lr=1.0), torch.optim.SGD(others, lr=1.0)
    swa_lr = [0.05, 0.5]
    ours = optim.ExponentialLR(mine, 0.9), swa_utils.SWALR(mine, swa_lr, **options)
    reference = (
        torch.optim.lr_scheduler.ExponentialLR(theirs, 0.9),
        torch.optim.swa_utils.SWALR(theirs, swa_lr, **options),
    )
    for t in range(20):
        got, want = ([group["lr"] for group in one.param_groups] for one in (mine, theirs))
        np.testing.assert_allclose(got, want, rtol=1e-10, err_msg=str(t))
        for schedules in (ours, reference):
            schedules[t > 8].step()
    again = swa_utils.SWALR(mine, swa_lr, **options)
    again.load_state_dict(copy.deepcopy(ours[1].state_dict()))
    mine.load_state_dict(mine.state_dict())


ERRORS = [
    (lambda: swa_utils.AveragedModel(3), TypeError, "AveragedModel: model is a int, expected a Module; pass the model"),
    (lambda: swa_utils.AveragedModel(net(), avg_fn=max, multi_avg_fn=max), ValueError, "expected one at most; leave o"),
    (lambda: swa_utils.AveragedModel(net()).update_parameters(nn.Linear(2, 2)), ValueError, "have other shapes than t"),
    (lambda: swa_utils.get_ema_avg_fn(2), ValueError, "get_ema_avg_fn: decay must be a number in [0, 1], got 2; usual"),
    (lambda: swa_utils.SWALR(3, 0.1), TypeError, "SWALR: optimizer is a int, expected one of gpunn.optim; pass the op"),
]


@pytest.mark.parametrize("call, error, words", ERRORS)
def test_errors(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value) and "\n" not in str(caught.value)
