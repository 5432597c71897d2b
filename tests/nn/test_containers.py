"""ModuleDict, ParameterList and ParameterDict: what they hold, in which order, under which keys; what they refuse."""

import copy
import pickle

import numpy as np
import pytest

from gpunn import Tensor, nn


def test_a_module_dict_is_a_dict_of_modules():
    net = nn.ModuleDict([("a", nn.Linear(2, 3)), ("b", nn.ReLU())])
    net["c"] = nn.Linear(3, 1)
    assert list(net) == list(net.keys()) == ["a", "b", "c"] and len(net) == 3 and "b" in net and "d" not in net
    assert list(net.state_dict()) == ["a.weight", "a.bias", "c.weight", "c.bias"]
    assert [name for name, _ in net.items()] == ["a", "b", "c"] and next(iter(net.values())) is net["a"] is net.a
    linear = net.pop("a")
    assert isinstance(linear, nn.Linear) and list(net) == ["b", "c"] and net.get("a") is None
    net.update({"b": nn.Tanh(), "z": linear})
    assert list(net) == ["b", "c", "z"] and isinstance(net["b"], nn.Tanh)
    assert net.popitem() == ("z", linear)
    assert net == net and net != copy.deepcopy(net) and {net: 1}[net] == 1  # a Module is itself alone
    net.clear()
    assert not len(net) and list(net.parameters()) == []


def test_a_module_dict_prints_moves_and_copies():
    net = nn.ModuleDict({"fc": nn.Linear(2, 1)}).to("float64").eval()
    assert repr(net) == "ModuleDict(\n  fc: Linear(2->1)\n)"
    other = pickle.loads(pickle.dumps(net))
    assert other["fc"].weight.dtype == np.float64 and not other["fc"].training
    assert np.array_equal(other["fc"].weight.numpy(), net["fc"].weight.numpy())


def test_a_parameter_list_holds_parameters():
    weight = nn.Parameter(np.ones(2))
    some = nn.ParameterList([weight, Tensor(np.zeros(3))])
    some.append(np.full(1, 2.0)).extend([np.ones(4)])
    some += [np.ones(5)]
    assert [p.shape for p in some] == [(2,), (3,), (1,), (4,), (5,)] and all(isinstance(p, nn.Parameter) for p in some)
    assert some[0] is weight and some[-1] is some[4] and [p.shape for p in some[1:3]] == [(3,), (1,)]
    some[1] = np.ones(7)
    assert list(some.state_dict()) == ["0", "1", "2", "3", "4"] and some[1].shape == (7,)
    assert repr(nn.ParameterList([weight])) == "ParameterList(\n  (0): Parameter of float64 (2,) on cpu\n)"
    assert some[2].requires_grad and len(list(some.parameters())) == 5


def test_a_parameter_dict_holds_parameters():
    some = nn.ParameterDict({"a": np.ones(2), "b": Tensor(np.zeros(3))})
    both = some | {"c": np.ones(1)}
    assert list(both.state_dict()) == ["a", "b", "c"] and both["a"] is some["a"] and some.copy()["b"] is some["b"]
    some |= {"d": np.ones(1)}
    assert list(some) == ["a", "b", "d"] and some.pop("a").shape == (2,) and some.setdefault("b", None).shape == (3,)
    assert some.fromkeys(["x", "y"], np.ones(1))["y"].shape == (1,)
    assert repr(some) == (
        "ParameterDict(\n  (b): Parameter of float64 (3,) on cpu\n  (d): Parameter of float64 (1,) on cpu\n)"
    )


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: nn.ModuleDict({"a": 1}), TypeError, "ModuleDict: a is a int, expected a Module"),
        (lambda: nn.ModuleDict({1: nn.ReLU()}), TypeError, "ModuleDict: the key 1 is a int, expected a string"),
        (lambda: nn.ModuleDict({"forward": nn.ReLU()}), KeyError, "ModuleDict: 'forward' cannot be a key, .*choose an"),
        (lambda: nn.ModuleDict({"a.b": nn.ReLU()}), KeyError, "ModuleDict: 'a.b' cannot be a key, empty, with a dot"),
        (lambda: nn.ModuleDict({"first": nn.ReLU()})["frist"], KeyError, "no 'frist'; did you mean 'first'"),
        (lambda: nn.ModuleDict({"first": nn.ReLU()}).pop("x"), KeyError, "ModuleDict: no 'x'; it has first"),
        (lambda: nn.ModuleDict().popitem(), KeyError, "ModuleDict: popitem of an empty one"),
        (lambda: nn.ModuleDict()(1), TypeError, "ModuleDict cannot be called; use its values in forward"),
        (lambda: nn.ParameterList([1.5]), TypeError, "ParameterList: 0 is a float, expected a Parameter, a Tensor or"),
        (lambda: nn.ParameterList(np.ones(3)), TypeError, "extend got a ndarray, expected several Tensors; append one"),
        (lambda: nn.ParameterList()[0], IndexError, "ParameterList: index 0 is outside its 0 parameters"),
        (lambda: nn.ParameterList()(1), TypeError, "ParameterList cannot be called"),
        (lambda: nn.ParameterDict({"a": "b"}), TypeError, "ParameterDict: a is a str, expected a Parameter, a Tensor"),
        (lambda: nn.ParameterDict({"training": np.ones(1)}), KeyError, "ParameterDict: 'training' cannot be a key"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_refused_extend_adds_nothing():
    some = nn.ParameterList([np.ones(1)])
    with pytest.raises(TypeError):
        some.extend([np.ones(2), "no"])
    assert len(some) == 1
