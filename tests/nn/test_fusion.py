"""Which neighbours go into one call, and that a chain gives what its layers give one by one."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, models, nn, ops

CONV, RELU, TANH, MAX, AVG = (
    lambda: nn.Conv2d(3, 4, 3, padding=1),
    nn.ReLU,
    nn.Tanh,
    lambda: nn.MaxPool2d(3, 2),
    lambda: nn.AvgPool2d(2),
)


class Loud(nn.ReLU):
    def forward(self, x):
        return 2 * super().forward(x)


CHAINS = {  # layers -> how many calls of a layer are left
    "conv relu max": ((CONV, RELU, MAX), 1),
    "conv max relu": ((CONV, MAX, RELU), 1),
    "conv tanh avg": ((CONV, TANH, AVG), 1),
    "conv avg": ((CONV, AVG), 1),
    "conv relu max flatten linear": ((CONV, RELU, MAX, nn.Flatten, lambda: nn.Linear(64, 2), TANH), 2),
    "conv max relu flatten": ((CONV, MAX, RELU, nn.Flatten), 1),
    "conv flatten": ((CONV, nn.Flatten), 2),
    "conv avg flatten from the end": ((CONV, AVG, lambda: nn.Flatten(2)), 2),
    "conv relu": ((CONV, RELU), 1),
    "conv max": ((CONV, MAX), 1),
    "conv max tanh": ((CONV, MAX, TANH), 2),  # tanh makes equals of numbers that are not: another winner
    "conv avg relu": ((CONV, AVG, RELU), 2),
    "conv relu max relu": ((CONV, RELU, MAX, RELU), 2),
    "relu conv": ((RELU, CONV), 2),
    "conv bn relu": ((CONV, lambda: nn.BatchNorm2d(4), RELU), 3),
    "conv and a subclass": ((CONV, Loud, MAX), 3),
    "linear relu linear tanh": ((lambda: nn.Linear(9, 4), RELU, lambda: nn.Linear(4, 4), TANH), 2),
    "linear max": ((lambda: nn.Linear(9, 9), MAX), 2),
    "conv gelu": ((CONV, nn.GELU), 2),
    "conv relu, circular padding": ((lambda: nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular"), RELU), 1),
    "conv max with dilation": ((CONV, lambda: nn.MaxPool2d(2, 1, 1, 2), RELU), 1),
}


def grads(net, forward):
    net.zero_grad()
    x = Tensor(np.random.default_rng(0).standard_normal((2, 3, 9, 9)), requires_grad=True)
    y = forward(x)
    y.backward(np.random.default_rng(1).standard_normal(y.shape))
    return [y.array, x.gradient, *(p.gradient for p in net.parameters())]


def calls_of(net, monkeypatch):
    """A list that every call of one of the net's layers adds to."""
    found, call = [], nn.Module.__call__

    def counted(self, *args, **kwargs):
        found.append(self)
        return call(self, *args, **kwargs)

    monkeypatch.setattr(nn.Module, "__call__", counted)
    return found


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_gives_what_its_layers_give(name, monkeypatch):
    layers, calls = CHAINS[name]
    gpunn.manual_seed(0)
    net = nn.Sequential(*(make() for make in layers)).to("float64")

    def one_by_one(x):
        for layer in net:
            x = layer(x)
        return x

    want = grads(net, one_by_one)
    found = calls_of(net, monkeypatch)
    got = grads(net, net.forward)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(found) == calls


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_watched_layer_runs_on_its_own_and_its_hook_sees_its_own_output(place):
    gpunn.manual_seed(0)
    net, seen = nn.Sequential(CONV(), RELU(), MAX()), []
    x = np.random.default_rng(0).standard_normal((2, 3, 9, 9)).astype(np.float32)
    want = [net[0](x), ops.relu(net[0](x)), ops.max_pool2d(ops.relu(net[0](x)), 3, 2)]
    remove = net[place].register_forward_hook(lambda module, args, y: seen.append(y))
    y = net(x)
    np.testing.assert_array_equal(seen[0].array, want[place].array)
    np.testing.assert_array_equal(y.array, want[2].array)
    remove()
    net(x)
    assert len(seen) == 1


def test_a_forward_put_in_a_layers_place_is_called():
    net = nn.Sequential(CONV(), RELU())
    net[1].forward = lambda x: x - x
    assert not np.any(net(np.ones((1, 3, 4, 4), np.float32)).array)


@pytest.mark.parametrize("name", ["lenet5", "lenet_20_50_500", "alexnet_lite"])
def test_a_model_that_is_watched_gives_the_same_bits(name):
    channels, height, width = models.input_shape(name)
    x = np.random.default_rng(0).standard_normal((2, channels, height, width)).astype(np.float32)
    gpunn.manual_seed(0)
    model = models.create(name).eval()

    def gradients():
        model.zero_grad()
        y = model(x)
        ops.cross_entropy(y, np.array([1, 2])).backward()
        return [y.array, *(p.gradient for p in model.parameters())]

    alone, seen = gradients(), []
    for layer in model.modules():
        layer.register_forward_hook(lambda module, args, y: seen.append(type(module).__name__))
    for a, b in zip(alone, gradients(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(seen) == len(list(model.modules()))
