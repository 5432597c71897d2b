"""What nn.fuse says; that results are those of the network as it was, and that no weights are those of before."""

import copy
import os
import pickle

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, data, models, nn, no_grad, ops, optim, train
from gpunn.cuda.variants import tracing
from gpunn.models.blocks import BasicBlock
from gpunn.nn.fusion import conv_norm
from gpunn.nn.state import copied
from tests import counting
from tests.train.captured_steps import same, trained


class Block(nn.Module):
    """A stem, one block with a projection, and a chain: every kind of pair."""

    conv_norms = (("stem", "norm", "relu"),)

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.block = BasicBlock(8, 12, 2)
        self.tail = nn.Sequential(nn.Conv2d(12, 6, 1), nn.BatchNorm2d(6), nn.ReLU(), nn.BatchNorm2d(6))

    def forward(self, x):
        x = conv_norm(x, self.stem, self.norm, relu=True)
        return ops.mean(self.tail(self.block(x)), axis=(2, 3))


def network(device="cpu"):
    """A network that has learned a little: statistics and parameters of batch norm are not those it started with."""
    gpunn.manual_seed(0)
    net, rng = Block(), np.random.default_rng(0)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.weight is not None and module.bias is not None
            for array in (module.running_mean, module.weight.array, module.bias.array):
                array[...] = rng.standard_normal(array.shape)
            module.running_var[...] = rng.uniform(0.3, 2, module.running_var.shape)
    return net.to(device)


def twins_of(device="cpu"):
    """The same network twice, the second fused."""
    return network(device), nn.fuse(network(device))


def images(seed=0, device="cpu"):
    x = np.random.default_rng(seed).standard_normal((4, 3, 8, 8)).astype(np.float32)
    return gpunn.to_device(x, device)


def evaluated(net, x=None):
    with no_grad():
        return gpunn.to_numpy(net.eval()(images() if x is None else x).array)


def learned(net, steps=2):
    """Losses of some steps, all gradients of the last, and the state after them."""
    sgd, losses = optim.SGD(net.train().parameters(), 0.05, momentum=0.9), []
    for i in range(steps):
        sgd.zero_grad()
        loss = ops.cross_entropy(net(images(i)), np.arange(4))
        loss.backward()
        sgd.step()
        losses.append(float(loss.array))
    return losses, [p.gradient for p in net.parameters()], copied(net)


def test_it_says_what_it_does_and_what_it_leaves(capsys):
    net = network()
    assert nn.fuse(net) is net
    said = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    rows = {line[0]: [part.strip() for part in line[1:] if part.strip()] for line in said[2:]}
    assert rows["norm"] == ["statistics by stem, one pass with relu", "folded into stem, relu"]
    assert rows["block.bn1"] == ["statistics by block.conv1, one pass with relu", "folded into block.conv1, relu"]
    assert rows["block.bn2"] == [
        "statistics by block.conv2, one pass with residual, relu", "folded into block.conv2, residual, relu"
    ]  # fmt: skip
    assert rows["block.downsample.1"] == [
        "statistics by block.downsample.0, one pass", "folded into block.downsample.0"
    ]  # fmt: skip
    assert rows["tail.1"] == ["statistics by tail.0, one pass with relu", "folded into tail.0, relu"]
    assert rows["tail.3"] == ["a pass of its own"] * 2 + ["what comes before it is known to forward alone"]


def test_it_says_where_there_is_nothing_to_do(capsys):
    nn.fuse(models.create("lenet5"))
    assert "no batch normalisation, nothing to fuse" in capsys.readouterr().out
    net = nn.Sequential(nn.Conv1d(2, 3, 1), nn.BatchNorm1d(3), nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    net[3].register_forward_hook(lambda *args: None)
    nn.fuse(net.append(nn.Conv2d(2, 3, 1)).append(nn.BatchNorm2d(3, track_running_stats=False)))
    said = capsys.readouterr().out
    assert "it is of a Conv1d: Conv2d alone takes BatchNorm2d along" in said
    assert "a hook watches the BatchNorm2d" in said and "it keeps no running statistics" in said
    with pytest.raises(TypeError, match="fuse: model is a function, expected a Module; pass the network itself"):
        nn.fuse(lambda x: x)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("device", ["cpu", "emulator"])
def test_evaluation_is_what_it_was_but_for_rounding(device):
    if not gpunn.is_available(device):
        pytest.skip("the emulator is not available here (gpunn doctor says why)")
    plain, fused = twins_of(device)
    np.testing.assert_allclose(*(evaluated(net, images(device=device)) for net in (fused, plain)), rtol=1e-4, atol=1e-4)


in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="seconds of kernels in 16 bits: in CI")


@pytest.mark.parametrize("device", ["cpu", pytest.param("emulator", marks=in_ci)])
def test_evaluation_in_bf16_is_folded_too(device):
    """Weights are folded in float32 and rounded once; beside one norm's rounding, of 2^-9, less is rounded than was."""
    if not gpunn.is_available(device):
        pytest.skip("the emulator is not available here (gpunn doctor says why)")
    with gpunn.precision("bf16"), tracing() as calls:
        plain, fused = (evaluated(net, images(device=device)).astype(np.float32) for net in twins_of(device))
    exact = evaluated(network())
    assert np.abs(fused - exact).max() < 2 * max(np.abs(plain - exact).max(), 2.0**-9 * np.abs(exact).max())
    if device == "emulator":
        added = [call.problem for call in calls if getattr(call.problem, "residual", False)]
        assert [job.activation for job in added] == ["relu"] and added[0].dtype == "bfloat16"


def test_training_is_what_it_was():
    plain, fused = map(learned, twins_of())
    np.testing.assert_allclose(fused[0], plain[0], rtol=1e-5)
    for a, b in zip(fused[1], plain[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    assert list(fused[2]) == list(plain[2])
    for name, value in plain[2].items():
        np.testing.assert_allclose(fused[2][name], value, rtol=1e-4, atol=1e-4, err_msg=name)


def halve(net):
    net.stem.weight.array[...] *= 0.5


def move(net):
    net.block.bn1.running_mean[...] += 1


def shift(net):
    net.tail[1].bias = nn.Parameter(np.full(6, 3, np.float32))


def load(net):
    net.load_state_dict({name: value * 2 for name, value in copied(net).items()})


@pytest.mark.parametrize("change", [halve, move, shift, load, learned])
def test_no_weights_are_those_of_before(change):
    plain, fused = twins_of()
    before = evaluated(fused)
    for net in (plain, fused):
        evaluated(net)
        change(net)
    after = evaluated(fused)
    assert not np.allclose(after, before, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(after, evaluated(plain), rtol=2e-3, atol=2e-3)


def test_state_copies_and_files_stay_what_they_were(monkeypatch):
    plain, fused = twins_of()
    kept = copied(fused)
    assert list(kept) == list(plain.state_dict())
    want = evaluated(fused)
    assert all(np.array_equal(kept[name], value) for name, value in copied(fused).items())
    for other in (copy.deepcopy(fused), pickle.loads(pickle.dumps(fused))):
        assert other.norm.fused and np.array_equal(evaluated(other), want)
    assert "BatchNorm2d(8, fused)" in fused.summary((1, 3, 8, 8))
    assert "fused" not in str(nn.unfuse(fused)) and np.array_equal(evaluated(fused), evaluated(plain))


def test_gradients_in_evaluation_reach_every_parameter():
    found = []
    for net in twins_of():
        x = Tensor(images(), requires_grad=True)
        ops.sum(net.eval()(x)).backward()
        found.append([x.gradient, *(p.gradient for p in net.parameters())])
    for a, b in zip(*found, strict=True):
        assert a is not None and np.array_equal(a, b)


def test_a_hook_sees_what_its_layer_gives():
    seen, (plain, fused) = [], twins_of()
    for net in (plain, fused):
        net.stem.register_forward_hook(lambda layer, args, y: seen.append(y.array))
        evaluated(net)
    assert len(seen) == 2 and np.array_equal(*seen)


class Short(nn.Module):
    """A block around one convolution, and a norm that nothing precedes."""

    conv_norms = (("conv", "norm", "residual, relu"),)

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

    def forward(self, x):
        return ops.mean(conv_norm(x, self.conv, self.norm, relu=True, residual=x), axis=(2, 3))


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=in_ci)])
def test_a_captured_evaluation_of_it_has_the_bits_of_an_eager_one(precision, look_alike):
    found, rng = [], np.random.default_rng(0)
    pairs = data.ArrayDataset(rng.standard_normal((12, 4, 2, 2)).astype(np.float32), np.arange(12) % 4)
    for capture in (False, None):
        gpunn.manual_seed(0)
        model = nn.fuse(Short()).to("cuda")
        sgd, how = optim.SGD(model.parameters(), 0.1), {"capture": capture, "precision": precision}
        run = train.Trainer(model, sgd, device="cuda", **how)
        with counting.device_work() as work, tracing() as calls:
            found.append(run.evaluate(data.DataLoader(pairs, 2, device="cuda")))
        assert bool(work.launches["graph"]) == (capture is None)
        assert any(getattr(call.problem, "residual", False) for call in calls)
    assert found[0] == found[1]


class Chain(nn.Module):
    def __init__(self):
        super().__init__()
        layers = (nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3, padding=1))
        self.layers = nn.fuse(nn.Sequential(*layers))

    def forward(self, x):
        return ops.mean(self.layers(ops.reshape(x, (2, 1, 1, 5))), axis=(2, 3))


def test_a_captured_step_of_it_has_the_bits_of_eager_ones(look_alike):
    eager, captured = (trained(5, (2,), model=Chain(), capture=capture) for capture in (False, None))
    assert eager[0] == captured[0] and same(eager[1], captured[1]) and captured[2] > 0
