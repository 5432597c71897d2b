"""nn.SyncBatchNorm: training on parts as on whole batches, what is converted into it, and what nn.fuse makes of it."""

from __future__ import annotations

import copy
import inspect

import numpy as np
import pytest

import gpunn
from gpunn import dist, nn, ops, optim
from gpunn.dist.reducer import Reducer
from gpunn.errors import DistError
from gpunn.models import resnet20
from gpunn.nn import fusion
from gpunn.ranks.group import Group, inside
from tests.dist.together import together
from tests.parity import normal, torch

BATCH, STEPS = 12, 20


class Net(nn.Module):
    """Convolutions and norms, one with a residual and ReLU fused in, one of vectors."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(2, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.conv2, self.bn2 = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6, momentum=None)
        self.fc, self.bn1 = nn.Linear(6, 5), nn.BatchNorm1d(5)

    def forward(self, x):
        x = self.bn(self.conv(x), relu=True)
        x = fusion.conv_norm(x, self.conv2, self.bn2, relu=True, residual=x)
        return self.bn1(self.fc(ops.mean(x, (2, 3))))


def batches(dtype):
    rng = np.random.default_rng(3)
    for _ in range(STEPS):
        yield rng.standard_normal((BATCH, 2, 6, 6)).astype(dtype), rng.integers(0, 5, BATCH)


def trained(model, cut, accumulation):
    """The state after 20 steps on one part of each batch, which weighs by its samples."""
    params = list(model.parameters())
    optimizer = optim.SGD(params, lr=0.1, momentum=0.9)
    for x, labels in batches(params[0].dtype):
        optimizer.zero_grad()
        part = x[cut], labels[cut]
        loss = ops.cross_entropy(model(gpunn.tensor(part[0])), part[1])
        with accumulation.collecting(params, float(len(part[1])), True):
            loss.backward()
        accumulation.release(params)
        optimizer.step()
    return {name: value.numpy() for name, value in model.state_dict().items()}


@pytest.mark.parametrize(
    "cuts", [(0, 6, 12), (0, 2, 7, 12), (0, 5, 5, 12)], ids=["2 ranks", "3, unequal", "3, one empty"]
)
@pytest.mark.parametrize(("dtype", "atol"), [("float32", 1e-5), ("float64", 1e-12)])
def test_training_on_parts_ends_where_training_on_whole_batches_does(cuts, dtype, atol):
    """Rounding grows in 20 steps, and where it turns a ReLU more than 1e-5: in float32 of one in six first weights."""
    gpunn.manual_seed(1)
    first = Net().to(dtype)
    whole = trained(copy.deepcopy(first), slice(None), Reducer(1, Group()))

    def rank(group):
        model = nn.SyncBatchNorm.convert(copy.deepcopy(first))
        return trained(model, slice(*cuts[group.rank : group.rank + 2]), Reducer(1, group, bucket_bytes=400))

    with np.errstate(invalid="ignore", divide="ignore"):  # a mean over no sample
        states = together(len(cuts) - 1, rank)
    for state in states:
        assert all(np.array_equal(value, states[0][name]) for name, value in state.items()), "ranks stay alike"
        assert state.keys() == whole.keys()
    for name, value in whole.items():
        moved = np.abs(value - first.state_dict()[name].numpy()).max()
        assert moved > 0.01 or "weight" not in name, "it has learnt something"
        np.testing.assert_allclose(states[0][name], value, atol=atol, err_msg=name)
    assert int(states[0]["bn.num_batches_tracked"]) == STEPS


def test_in_a_data_parallel_network_gradients_are_the_whole_batchs():
    """Of unequal parts, and where some ranks leave out parameters that others use."""
    x, gy, cuts = normal(9, 2, 3, 3).astype("f"), normal(9, 5, seed=1).astype("f"), (0, 2, 9)
    first = Net()
    first.spare = nn.Linear(5, 5)

    def gradients(model, cut, spare):
        y = model(x[cut])
        if spare:
            y = y + model.module.spare(y) * 0
        ops.mean((y * gy[cut]).sum(1)).backward()
        return [p.grad.numpy() for p in model.parameters()]

    want = gradients(dist.DataParallel(copy.deepcopy(first)), slice(None), True)

    def rank(group):
        model = dist.DataParallel(nn.SyncBatchNorm.convert(copy.deepcopy(first)), bucket_cap_mb=1e-4)
        found = gradients(model, slice(*cuts[group.rank : group.rank + 2]), group.rank)
        with pytest.raises(DistError, match="join: bn is a SyncBatchNorm, to which all ranks have to come"):
            model.join().__enter__()
        return found

    for found in together(2, rank):
        for mine, theirs in zip(found, want, strict=True):
            np.testing.assert_allclose(mine, theirs, atol=2e-6)


def test_conversion_keeps_the_layers_with_all_that_they_hold():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, 1e-3, None, bias=False), nn.Sequential(nn.BatchNorm1d(2)))
    net[1].running_mean.array[...] = 3
    net[1].eval()
    seen = []
    net[2][0].register_forward_hook(lambda *args: seen.append(1))
    before, keys = list(net.parameters()), list(net.state_dict())
    layers = net[1], net[2][0]
    assert nn.SyncBatchNorm.convert_sync_batchnorm(net) is net
    assert (net[1], net[2][0]) == layers and all(type(layer) is nn.SyncBatchNorm for layer in layers)
    assert [id(p) for p in net.parameters()] == [id(p) for p in before] and list(net.state_dict()) == keys
    assert (net[1].eps, net[1].momentum, net[1].bias, net[1].training) == (1e-3, None, None, False)
    assert net[1].running_mean.tolist() == [3.0] * 4
    net[2](gpunn.zeros(3, 2))
    assert seen == [1] and repr(net[1]) == "SyncBatchNorm(4, eps 0.001, momentum None, no bias)"
    one = nn.BatchNorm3d(2)
    assert nn.SyncBatchNorm.convert(one) is one and type(one) is nn.SyncBatchNorm
    assert nn.SyncBatchNorm.convert(net) is net, "once more changes nothing"
    again = copy.deepcopy(net)
    assert type(again[1]) is nn.SyncBatchNorm and again[1].process_group is None


class Own(nn.BatchNorm2d):
    def forward(self, x):
        return 2 * x


def test_refusals():
    net = nn.Sequential(nn.BatchNorm2d(3), nn.LazyBatchNorm2d())
    with pytest.raises(
        ValueError, match="1 is a LazyBatchNorm2d, whose channels are not known yet; run a batch through"
    ):
        nn.SyncBatchNorm.convert(net)
    with pytest.raises(TypeError, match=r"it is a Own, whose forward is its own, .*call ops.sync_batch_norm in it"):
        nn.SyncBatchNorm.convert(Own(3))
    with pytest.raises(TypeError, match="got list, expected a Module; pass the network itself"):
        nn.SyncBatchNorm.convert([nn.BatchNorm2d(3)])
    assert type(net[0]) is nn.BatchNorm2d, "nothing has changed"
    for group in (Group(), Group(0, 2)):
        with (
            inside(group),
            pytest.raises(ValueError, match=r"SyncBatchNorm: x has 1 dimensions \(3,\), expected \(N, C\)"),
        ):
            nn.SyncBatchNorm(3)(gpunn.zeros(3))


def test_on_one_rank_it_is_batch_norm_and_takes_any_rank():
    x, r = normal(4, 3, 2, 2).astype("f"), normal(4, 3, 2, 2, seed=1).astype("f")
    ours, plain = nn.SyncBatchNorm(3), nn.BatchNorm2d(3)
    for how in ((), (gpunn.tensor(r),), (gpunn.tensor(r), True), (None, True)):
        assert np.array_equal(ours(x, *how).numpy(), plain(x, *how).numpy())
    assert all(np.array_equal(a.numpy(), plain.state_dict()[name].numpy()) for name, a in ours.state_dict().items())
    assert [nn.SyncBatchNorm(3)(np.ones((2, 3, *[2] * more), "f")).ndim for more in range(5)] == [2, 3, 4, 5, 6]


def test_without_running_statistics_and_in_evaluation():
    x = normal(6, 3, 2).astype("f")
    whole = nn.BatchNorm1d(3, momentum=None, track_running_stats=False)(x).numpy()

    def rank(group):
        layer = nn.SyncBatchNorm(3, momentum=None, track_running_stats=False, process_group=group)
        part = x[4 * group.rank : 4 + 2 * group.rank]
        trained, called = layer(part).numpy(), len(group.log)
        alone = layer.eval()(part).numpy()  # as PyTorch: by the statistics of what it is given
        assert len(group.log) == called and np.array_equal(
            alone, nn.BatchNorm1d(3, track_running_stats=False)(part).numpy()
        )
        return trained

    np.testing.assert_allclose(np.concatenate(together(2, rank)), whole, atol=1e-6)


def test_fused_networks(capsys):
    """In evaluation folded into the convolution as ever; in training apart, where there are other ranks."""
    gpunn.manual_seed(0)
    net = nn.SyncBatchNorm.convert(resnet20())
    assert sum(type(layer) is nn.SyncBatchNorm for layer in net.modules()) == 19
    x = normal(2, 3, 8, 8).astype("f")
    want = net.eval()(x).numpy()
    with gpunn.no_grad():
        np.testing.assert_allclose(nn.fuse(net)(x).numpy(), want, atol=1e-4)
    assert "statistics by" in capsys.readouterr().out

    def rank(group):
        mine = nn.fuse(nn.SyncBatchNorm.convert(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())))
        before = len(group.log)
        mine(x[group.rank :][: 2 - group.rank])
        return len(group.log) - before

    assert together(2, rank) == [1, 1]
    table = capsys.readouterr().out
    assert "a pass of its own" in table and "in training its statistics are of all ranks" in table


def test_arguments_are_pytorchs():
    theirs = inspect.signature(torch().nn.SyncBatchNorm).parameters
    ours = inspect.signature(nn.SyncBatchNorm).parameters
    assert list(ours)[:6] == list(theirs)[:6]
    assert {p.name: p.default for p in ours.values()} == {p.name: p.default for p in theirs.values()}
