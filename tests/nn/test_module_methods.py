"""Module's look-ups, conversions and state beside PyTorch's of the same names."""

import copy
import pickle

import numpy as np
import pytest

import gpunn
from gpunn import CheckpointError, Tensor, nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        self.act = nn.ReLU()
        self.again = self.act
        self.head = nn.Linear(3, 1)
        self.scale = nn.Parameter(np.ones(1, np.float32))
        self.tied = self.scale

    def forward(self, x):
        return self.again(self.head(self.act(self.stem(x)))) * self.scale


def twin():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")

    class Their(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
            self.act = torch.nn.ReLU()
            self.again = self.act
            self.head = torch.nn.Linear(3, 1)
            self.scale = torch.nn.Parameter(torch.ones(1))
            self.tied = self.scale

    return Their()


def test_names_are_pytorchs():
    theirs, ours = twin(), Net()
    for method, options in [
        ("named_children", {}),
        ("named_modules", {}),
        ("named_modules", dict(prefix="a", remove_duplicate=False)),
        ("named_parameters", {}),
        ("named_parameters", dict(prefix="p", recurse=False)),
        ("named_parameters", dict(remove_duplicate=False)),
        ("named_buffers", {}),
        ("named_buffers", dict(recurse=False)),
    ]:
        want = [name for name, _ in getattr(theirs, method)(**options)]
        assert [name for name, _ in getattr(ours, method)(**options)] == want, (method, options)
    for method, options in [("parameters", dict(recurse=False)), ("buffers", {}), ("children", {}), ("modules", {})]:
        assert len(list(getattr(ours, method)(**options))) == len(list(getattr(theirs, method)(**options))), method
    assert list(ours._modules) == list(theirs._modules) and list(ours._parameters) == list(theirs._parameters)
    assert list(ours.stem[1]._buffers) == list(theirs.stem[1]._buffers)
    assert list(ours.state_dict(prefix="x.")) == list(theirs.state_dict(prefix="x."))


def test_look_ups():
    net = Net()
    assert net.get_submodule("") is net and net.get_submodule("stem.1") is net.stem[1]
    assert net.get_parameter("stem.0.weight") is net.stem[0].weight and net.get_parameter("scale") is net.scale
    assert net.get_buffer("stem.1.running_mean") is net.stem[1].running_mean
    with pytest.raises(TypeError, match="mappingproxy"):
        net._modules["head"] = nn.ReLU()  # pyright: ignore[reportIndexIssue]
    net.register_module("last", nn.Tanh())
    assert isinstance(net.last, nn.Tanh)


@pytest.mark.parametrize(
    "call, words",
    [
        (
            lambda net: net.get_submodule("stem.2"),
            "Net: 'stem.2' is no Module in it: Sequential has no Module '2'; it ha",
        ),
        (lambda net: net.get_submodule("hedd"), "no Module 'hedd'; did you mean 'head'"),
        (
            lambda net: net.get_parameter("head.weigth"),
            "no parameter in it: Linear has no parameter 'weigth'; did you me",
        ),
        (
            lambda net: net.get_parameter("stem.1.running_mean"),
            "BatchNorm1d has no parameter 'running_mean'; it has wei",
        ),
        (lambda net: net.get_buffer("act.x"), "'act.x' is no buffer in it: ReLU has no buffer 'x'; it has none"),
    ],
)
def test_look_ups_that_find_nothing(call, words):
    with pytest.raises(AttributeError, match=words):
        call(Net())


@pytest.mark.parametrize(
    "change, dtype",
    [
        (lambda net: net.double(), "float64"),
        (lambda net: net.half(), "float16"),
        (lambda net: net.double().float(), "float32"),
        (lambda net: net.type("float64"), "float64"),
        (lambda net: net.to(dtype="float16", non_blocking=True), "float16"),
        (lambda net: net.to("cpu", "float64"), "float64"),
        (lambda net: net.to(device="cpu", dtype=np.float64, memory_format=None), "float64"),
        (lambda net: net.to(gpunn.tensor(np.ones(1))), "float64"),
        (lambda net: net.to("float64", True).cpu(), "float64"),
    ],
)
def test_conversions(change, dtype):
    net = Net()
    net(np.ones((4, 2), np.float32)).sum().backward()
    held, mean = net.head.weight, net.stem[1].running_mean.numpy()
    assert change(net) is net and net.head.weight is held
    assert {p.dtype.name for p in net.parameters()} == {p.grad.dtype.name for p in net.parameters()} == {dtype}
    assert net.stem[1].running_mean.dtype.name == dtype and net.stem[1].num_batches_tracked.dtype == np.int64
    np.testing.assert_allclose(net.stem[1].running_mean.numpy(), mean, rtol=1e-2)


def test_bfloat16_and_another_device():
    pytest.importorskip("ml_dtypes")
    net = Net().bfloat16().to("emulator")
    assert net.head.weight.dtype.name == "bfloat16" and str(net.head.weight.device) == "emulator"


def test_a_wrong_target_changes_nothing():
    net = Net()
    with pytest.raises(TypeError, match="to: parameters cannot be int64; expected a floating dtype"):
        net.to("float64", "int64")
    assert net.head.weight.dtype == np.float32


def test_zero_grad_forgets_or_zeroes():
    net = nn.Linear(2, 1)
    net(np.ones((1, 2), np.float32)).sum().backward()
    memory = net.weight.gradient
    net.zero_grad(set_to_none=False)
    assert net.weight.gradient is memory and not memory.any()
    net.zero_grad()
    assert net.weight.grad is None


def test_state_dict_keeps_the_parameters_where_asked():
    net = nn.Linear(2, 1)
    kept, plain = net.state_dict(keep_vars=True), net.state_dict()
    assert kept["weight"] is net.weight and not plain["weight"].requires_grad
    assert np.shares_memory(plain["weight"].numpy(), net.weight.numpy())
    with pytest.raises(TypeError, match="state_dict: destination is a dict, expected None; update that"):
        net.state_dict(destination={})  # pyright: ignore[reportArgumentType]


def test_assign_takes_the_arrays_themselves():
    net, weight = nn.BatchNorm1d(2), np.arange(2.0)
    held = net.weight
    state = {"weight": weight, "bias": np.ones(2), "running_mean": np.zeros(2), "running_var": np.ones(2)}
    assert net.load_state_dict(state, assign=True) == ([], [])
    assert net.weight is held and net.weight.dtype == np.float64 and np.shares_memory(net.weight.numpy(), weight)
    assert net.running_mean.dtype == np.float64 and isinstance(net.running_mean, Tensor)
    assert net.num_batches_tracked.numpy() == 0
    with pytest.raises(CheckpointError, match=r"weight is \(2,\) but got \(3,\)"):
        net.load_state_dict({**state, "weight": np.ones(3)}, assign=True)


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.count = nn.Linear(1, 1), 0

    def get_extra_state(self):
        return {"count": self.count}

    def set_extra_state(self, state):
        self.count = state["count"]


def test_extra_state_goes_along():
    net, other = nn.Sequential(Counter()), nn.Sequential(Counter())
    net[0].count = 3
    state = net.state_dict()
    assert list(state) == ["0.fc.weight", "0.fc.bias", "0._extra_state"]
    other.load_state_dict(state)
    assert other[0].count == 3
    with pytest.raises(CheckpointError, match=r"missing 0\._extra_state"):
        other.load_state_dict({k: v for k, v in state.items() if "extra" not in k})
    with pytest.raises(CheckpointError, match="unexpected _extra"):
        nn.Linear(1, 1).load_state_dict({**nn.Linear(1, 1).state_dict(), "_extra_state": 1})


def test_a_shared_layer_is_one_child_and_runs_twice():
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, layer)
    x = np.ones((1, 2), np.float32)
    assert len(list(net.children())) == 1 and len(net) == 2
    assert np.array_equal(net(x).numpy(), layer(layer(x)).numpy())
    for made in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert made[0] is made[1] and np.array_equal(made(x).numpy(), net(x).numpy())


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Linear(3, 2),
        lambda: nn.Conv2d(2, 4, 3, groups=2),
        lambda: nn.ConvTranspose1d(2, 4, 3),
        lambda: nn.Bilinear(2, 3, 4),
        lambda: nn.Embedding(4, 3, padding_idx=1),
        lambda: nn.BatchNorm1d(3),
        lambda: nn.InstanceNorm2d(3, affine=True, track_running_stats=True),
        lambda: nn.InstanceNorm2d(3),
        lambda: nn.GroupNorm(1, 3),
        lambda: nn.LayerNorm(3, bias=False),
        lambda: nn.RMSNorm(3),
        lambda: nn.PReLU(init=0.1),
    ],
)
def test_reset_parameters_gives_the_first_values_again(make):
    """The numbers, and their order, are those of a layer that is made; PyTorch's layers have the method, too."""
    gpunn.manual_seed(4)
    layer = make()
    want = copy.deepcopy(layer.state_dict())
    for tensor in layer.state_dict().values():
        tensor.array[...] = 7
    gpunn.manual_seed(4)
    layer.reset_parameters()
    assert list(want) == list(layer.state_dict())
    assert all(np.array_equal(want[name], tensor) for name, tensor in layer.state_dict().items())


def test_pytorchs_names_of_arguments():
    net = nn.Module()
    net.register_buffer(name="seen", tensor=np.zeros(2), persistent=False)
    net.register_parameter(name="gain", param=nn.Parameter(data=np.ones(1), requires_grad=False))
    net.add_module(name="act", module=nn.ReLU())
    assert list(net.state_dict()) == ["gain"] and nn.Parameter().shape == (0,) and not net.gain.requires_grad


NAMELESS = [
    (
        lambda net: net.register_parameter("w", np.ones(1)),
        TypeError,
        "w is a numpy ndarray, expected a Parameter; pass nn",
    ),
    (
        lambda net: net.register_parameter("w.x", nn.Parameter(1.0)),
        KeyError,
        "'w.x' cannot name a Parameter; use letter",
    ),
    (
        lambda net: net.register_parameter("half", nn.Parameter(1.0)),
        KeyError,
        "half is an attribute already; choose an",
    ),
    (lambda net: net.register_buffer("", np.ones(1)), KeyError, "'' cannot name a buffer"),
    (
        lambda net: net.register_buffer("act", np.ones(1)),
        KeyError,
        "act is an attribute already; choose another name for",
    ),
    (lambda net: net.add_module("train", nn.Tanh()), KeyError, "train is an attribute already"),
    (lambda net: net.add_module(3, nn.Tanh()), KeyError, "3 cannot name a Module"),
    (lambda net: net.add_module("x", nn.Tanh), TypeError, "x is a type, expected a Module; call it to make one"),
    (lambda net: nn.Sequential([nn.Tanh()]), TypeError, r"0 is a list, expected a Module; unpack a list with \*"),
    (
        lambda net: net.load_state_dict("w.pt"),
        TypeError,
        r"state is a str, expected a mapping .*; pass gpunn.load\(path\)",
    ),
    (
        lambda net: nn.ModuleList(nn.Tanh()),
        TypeError,
        r"modules is a Tanh, expected a list of Modules; pass \[module\]",
    ),
    (lambda net: net.train("no"), ValueError, "train: mode is 'no', expected True or False; write eval"),
    (lambda net: nn.Linear(1, 1).requires_grad_("no"), TypeError, "requires_grad is 'no', expected True or False"),
]


@pytest.mark.parametrize("call, error, words", NAMELESS)
def test_what_is_registered_wrongly_is_refused(call, error, words):
    net = nn.Module()
    net.act = nn.Tanh()
    with pytest.raises(error, match=words):
        call(net)
    assert not net.state_dict() and [name for name, _ in net.named_children()] == ["act"]
