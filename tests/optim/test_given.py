"""What optimisers are given: options by name, parameters in an order, saved states; refused in the user's words."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest

import gpunn
from gpunn import nn, optim

MODEL = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
P = list(MODEL.parameters())
RULES = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "Rprop", "ASGD"]


@pytest.mark.parametrize("name", RULES)
def test_positional_arguments_are_pytorchs(name):
    """PyTorch's names at PyTorch's places with PyTorch's defaults; what only we have goes by keyword."""
    torch = pytest.importorskip("torch", reason="PyTorch's signatures are the reference")
    ours, theirs = (inspect.signature(getattr(library, name)).parameters for library in (optim, torch.optim))
    placed = [p for p in ours.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    for mine, reference in zip(placed, theirs.values(), strict=False):
        assert (mine.name, mine.default) == (reference.name, reference.default)
    assert "l1" not in [p.name for p in placed]


def test_how_a_step_is_computed_is_taken_where_it_changes_no_result():
    assert optim.Adam(P, 1e-3, (0.9, 0.999), 1e-8, 0, True).param_groups[0]["l1"] == 0
    group = optim.AdamW(P, foreach=True, capturable=True, fused=False).param_groups[0]
    assert not {"foreach", "fused", "capturable", "differentiable"} & group.keys()
    optim.SGD([{"params": P, "foreach": None, "differentiable": False}])
    with pytest.raises(
        ValueError, match=r"SGD: differentiable must be False: a step is not recorded, got True; usual:"
    ):
        optim.SGD(P, differentiable=True)
    with pytest.raises(ValueError, match=r"differentiable must be False: a step is not recorded, got True"):
        optim.Rprop([{"params": P, "differentiable": True}])
    with pytest.raises(ValueError, match=r"AdamW: fused and foreach are both True, expected one at most; leave"):
        optim.AdamW(P, fused=True, foreach=True)
    with pytest.raises(TypeError, match=r"ASGD: foreach must be none, or True or False, got 'yes'"):
        optim.ASGD(P, foreach="yes")
    with pytest.raises(TypeError, match=r"RMSprop.__init__\(\) takes"):
        optim.RMSprop(P, 1e-2, 0.99, 1e-8, 0, 0, False, False, None, False, False, 0)


def test_parameters_may_have_names():
    named = list(MODEL.named_parameters())
    optimizer = optim.SGD(named, momentum=0.5)
    assert optimizer.param_groups[0]["param_names"] == [name for name, _ in named]
    assert [*map(id, optimizer.param_groups[0]["params"])] == [*map(id, P)]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == [name for name, _ in named]
    plainly = optim.SGD(P, momentum=0.5)
    plainly.load_state_dict(optimizer.state_dict())
    optimizer.load_state_dict(plainly.state_dict())
    assert "param_names" not in plainly.param_groups[0] and len(optimizer.param_groups[0]["param_names"]) == len(P)
    with pytest.raises(ValueError, match=r"SGD: 1 of the 2 parameters of group 0 have names, expected all or none"):
        optim.SGD([named[0], P[1]])
    with pytest.raises(ValueError, match=r"SGD: group 1 has names of its parameters, the groups before have not; name"):
        optim.SGD([{"params": P[:2]}, {"params": iter(named[2:])}])
    with pytest.raises(ValueError, match=r"SGD: group 1 has no names of its parameters, the groups before have; name"):
        optim.SGD([{"params": named[:2]}, {"params": P[2:]}])


NUMBERS = ["lr", "weight_decay", "l1", "eps", "momentum", "dampening", "alpha"]
WRONG = [(option, value) for option in NUMBERS for value in ("1e-3", None, [0.1], True, {}, 1j, np.ones(2))]
WRONG += [("betas", value) for value in ("ab", 0.9, ("0.9", 0.999), (0.9, None), None)]
WRONG += [(option, value) for option in ("nesterov", "centered") for value in ("yes", None, [])]


@pytest.mark.parametrize("option, value", WRONG, ids=str)
def test_an_option_of_another_type_is_named(option, value):
    met = 0
    for name in RULES:
        kind = getattr(optim, name)
        if option not in inspect.signature(kind).parameters:
            continue
        met += 1
        for params, options in ((P, {option: value}), ([{"params": P, option: value}], {})):
            with pytest.raises(TypeError, match=rf"^{name}: {option} must be .*, got .*; usual: .*") as caught:
                kind(params, **options)
            assert "\n" not in str(caught.value)
    assert met


@pytest.mark.parametrize("value", [np.float32(0.5), np.float64(0.5), np.array(0.5), np.array([0.5]), gpunn.Tensor(0.5)])
def test_numbers_of_every_library_are_numbers(value):
    group = optim.SGD(P, lr=value, momentum=value).param_groups[0]
    assert type(group["lr"]) is float and group["lr"] == group["momentum"] == 0.5


@pytest.mark.parametrize("name", RULES)
def test_an_option_set_by_hand_is_looked_at_by_the_next_step(name):
    p = nn.Parameter(np.ones(2, np.float32))
    optimizer = getattr(optim, name)([p])
    p.gradient = np.ones(2, np.float32)
    for value in ("1e-3", None):
        optimizer.param_groups[0]["lr"] = value
        with pytest.raises(TypeError, match=rf"^{name}: lr must be a finite number >= 0, got {value!r}; usual: 0.001"):
            optimizer.step()
    assert p.numpy().tolist() == [1, 1] and not optimizer.state_dict()["state"]
    optimizer.param_groups[0]["lr"] = np.float64(0.5)
    optimizer.step()
    assert type(optimizer.param_groups[0]["lr"]) is float and p.numpy()[0] < 1


def test_a_number_too_large_for_a_float_is_refused():
    with pytest.raises(ValueError, match=r"SGD: lr must be a finite number >= 0, got a whole number of 1329 bits"):
        optim.SGD(P, lr=10**400)


@pytest.mark.parametrize(
    "params, words",
    [
        (lambda: set(P), "params is a set, expected an iterable of parameters; whose order changes from run to run"),
        (lambda: [{"params": frozenset(P)}], 'group 0\'s "params" is a frozenset, expected an iterable'),
        (lambda: MODEL, "params is a Sequential, expected an iterable of parameters; pass model.parameters()"),
        (lambda: nn.Linear(2, 2), "params is a Linear, expected an iterable of parameters; pass model.parameters()"),
        (lambda: [MODEL], "params[0] is a Sequential, expected a Parameter; pass model.parameters()"),
        (lambda: MODEL.parameters, "expected an iterable of parameters; call it: model.parameters()"),
        (lambda: MODEL.state_dict(), "params is a dict, expected an iterable of parameters; pass model.parameters()"),
        (lambda: [("w", 3)], "params[0] is 3, expected a Parameter; make it one"),
        (lambda: {"params": P}, "params is one group, a dict, expected a list of them; pass [group]"),
        (lambda: [{"params": MODEL}], 'group 0\'s "params" is a Sequential, expected an iterable of parameters; pass'),
        (lambda: None, "params is a NoneType, expected an iterable of parameters; pass model.parameters()"),
        (lambda: 3, "params is a int, expected an iterable of parameters; pass model.parameters()"),
        (lambda: "weight", "params is a str, expected an iterable of parameters; pass model.parameters()"),
        (lambda: ["weight"], "params[0] is 'weight', expected a Parameter; pass model.parameters()"),
        (lambda: [{"params": P}, P], 'a parameter group is a dict with "params", got a list of 4'),
    ],
)
@pytest.mark.parametrize("name", RULES)
def test_what_is_no_list_of_parameters_is_named(name, params, words):
    with pytest.raises(TypeError, match=re.escape(words)) as caught:
        getattr(optim, name)(params())
    assert str(caught.value).startswith(f"{name}: ") and "\n" not in str(caught.value)


def test_rmsprop_counts_its_steps():
    p = nn.Parameter(np.ones(2, np.float32))
    optimizer = optim.RMSprop([p])
    for _ in range(3):
        p.gradient = np.ones(2, np.float32)
        optimizer.step()
    assert optimizer.state_dict()["state"][0]["step"] == 3


def fitted(name):
    p = nn.Parameter(np.ones(2, np.float32))
    optimizer = getattr(optim, name)([p], **({"momentum": 0.5} if name in ("SGD", "RMSprop") else {}))
    p.gradient = np.ones(2, np.float32)
    optimizer.step()
    return optimizer


def places(tree, path=()):
    """The path of every value of a saved state, the tree itself included."""
    yield path
    if isinstance(tree, (dict, list)):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from places(value, (*path, key))


def with_value(tree, path, value):
    if not path:
        return value
    if isinstance(tree, dict):
        return {k: with_value(v, path[1:], value) if k == path[0] else v for k, v in tree.items()}
    return [with_value(v, path[1:], value) if i == path[0] else v for i, v in enumerate(tree)]


HOSTILE = [None, "x", b"x", -1, 3, 1.5, float("nan"), 10**400, [], {}, [[]], {"a": {}}, np.ones(3), np.array("x"), True]


@pytest.mark.parametrize("name", RULES)
def test_a_saved_state_of_other_types_is_read_or_refused_in_one_line(name):
    optimizer = fitted(name)
    saved, refused = optimizer.state_dict(), 0
    for path in places(saved):
        for value in HOSTILE:
            other = fitted(name)
            before = repr(other.state_dict())
            try:
                other.load_state_dict(with_value(saved, path, value))
            except (ValueError, TypeError) as error:
                refused += 1
                assert re.match(rf"{name}: .*\bsaved\b.*; .+", str(error)) and "\n" not in str(error), (path, value)
                assert repr(other.state_dict()) == before
            else:  # what was taken over can be used
                other.param_groups[0]["params"][0].gradient = np.ones(2, np.float32)
                other.step()
    assert refused > 100


def test_words_about_a_saved_state():
    optimizer = fitted("Adam")
    saved = optimizer.state_dict()
    for path, value, words in (
        ((), 3, "Adam: of the saved state it is 3, expected a table with state, param_groups; pass what state_dict()"),
        (("state",), {"x": {}}, "state is {'x': {}}, expected a table of: a table of: anything; pass"),
        (("state",), {7: {}}, "the saved state is of parameter 7, expected 0 to 0; build it over"),
        (("state", 0, "step"), "3", "the saved step of parameter 0 is '3', expected a whole number of at least 0"),
        (("state", 0, "exp_avg"), 1.0, "the saved exp_avg of parameter 0 is 1.0, expected an array of floats of shape"),
        (("param_groups", 0, "lr"), "1e-3", "the saved state: lr must be a finite number >= 0, got '1e-3'; usual"),
    ):
        with pytest.raises((ValueError, TypeError), match=re.escape(words)):
            optimizer.load_state_dict(with_value(saved, path, value))
