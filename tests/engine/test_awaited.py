"""Leaves that are awaited: their gradients come as soon as they are whole, while others are to come."""

import copy

import numpy as np
import pytest

from gpunn import Tensor, grad, nn, ops, optim
from gpunn.engine import autograd
from gpunn.engine.record import record
from gpunn.train.frozen import Frozen


def leaf(values=(1.0, 2.0, 3.0)):
    return Tensor(np.array(values), requires_grad=True)


def test_the_last_layer_is_there_first_while_the_first_is_to_come():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1))
    names = {id(p): name for name, p in model.named_parameters()}
    seen = []

    def hook(p):
        missing = sum(q.gradient is None for q in model.parameters())
        seen.append((names[id(p)].split(".")[0], p.gradient is not None, missing))

    for p in model.parameters():
        p.register_post_accumulate_grad_hook(hook)
    model(np.ones((4, 2), np.float32)).sum().backward()
    assert seen == [(layer, True, 5 - i) for i, layer in enumerate(["4", "4", "2", "2", "0", "0"])]


def test_a_leaf_of_several_consumers_is_told_of_once_with_all_of_it():
    x, other = leaf(), leaf()
    seen = []
    handle = x.register_post_accumulate_grad_hook(lambda x: seen.append(x.gradient.tolist()))
    y = x * x + x[0] * other
    first, second = ops.split(x, [1, 2])
    (y.sum() + first.sum() + (second * 0).sum()).backward()
    assert seen == [x.gradient.tolist()] and seen[0] == [2 + 6 + 1, 4, 6]
    (x * 2).sum().backward()
    assert seen[1] == [11, 6, 8]  # accumulated
    handle.remove()
    handle.remove()
    x.sum().backward()
    assert len(seen) == 2


def test_a_leaf_whose_consumer_is_given_nothing_comes_in_its_turn():
    """The op between gives no gradient, so that its consumers are never met."""
    x, seen = leaf(), []
    x.register_post_accumulate_grad_hook(lambda x: seen.append(x.gradient.tolist()))
    blocked = record("blocked", (x * 3).array * 1.0, (x * 3,), lambda gy, needs: (None,))
    (x * 2 + blocked).sum().backward()
    assert seen == [[2, 2, 2]]
    alone = record("blocked", x.array * 1.0, (x,), lambda gy, needs: (None,))
    alone.sum().backward()
    assert len(seen) == 1 and x.gradient.tolist() == [2, 2, 2]


def test_gradients_are_those_without_hooks_to_the_last_bit():
    def run(awaited):
        rng = np.random.default_rng(3)
        leaves = [Tensor(rng.standard_normal(4), requires_grad=True) for _ in range(5)]
        seen = []
        for x in leaves[:awaited]:
            x.register_post_accumulate_grad_hook(lambda x: seen.append(x.gradient.copy()))
        values = list(leaves)
        for _ in range(60):
            a, b = rng.integers(len(values), size=2)
            values.append(ops.tanh(values[a]) * values[b] + values[b])
        values[-1].sum().backward()
        reached = [x for x in leaves[:awaited] if x.gradient is not None]
        assert len(seen) == len(reached)
        return [None if x.gradient is None else x.gradient.tobytes() for x in leaves]

    assert run(0) == run(3) == run(5) and any(run(0))


def test_an_error_on_the_way_leaves_those_alone_for_which_nobody_waits():
    first, last = leaf(), leaf()
    last.register_post_accumulate_grad_hook(lambda x: None)

    def fail(gy, needs):
        raise ValueError("on the way")

    y = record("fails", first.array * 1.0, (first,), fail) * last
    with pytest.raises(ValueError, match="on the way"):
        (first * 1 + y).sum().backward()
    assert first.gradient is None and last.gradient.tolist() == first.array.tolist()
    with pytest.raises(RuntimeError, match="no backward is under way in this thread; call it from a hook of a leaf"):
        autograd.at_the_end(list)


def test_what_is_to_run_at_the_end_runs_once_all_gradients_are_there():
    first, last = leaf(), leaf()
    seen = []
    last.register_post_accumulate_grad_hook(lambda x: autograd.at_the_end(lambda: seen.append(first.gradient.tolist())))
    (first * last).sum().backward()
    assert seen == [[1, 2, 3]]
    assert grad((first * last).sum(), last).tolist() == [1, 2, 3] and len(seen) == 1  # which leaves every .grad alone
    last.requires_grad = False
    (first * last).sum().backward()
    assert len(seen) == 1


def test_a_leaf_of_another_dtype_is_awaited_as_before():
    x, seen = leaf(), []
    x.register_post_accumulate_grad_hook(lambda x: seen.append(x.gradient.dtype))
    x.data = np.ones(3, np.float32)
    x.sum().backward()
    assert seen == [np.float32]


def test_a_hook_may_update_its_parameter_and_drop_the_gradient():
    """PyTorch's way to keep one gradient at a time."""
    base = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4), nn.Linear(4, 2)
    )
    x, found = np.random.default_rng(0).standard_normal((5, 1, 6, 6)).astype(np.float32), []
    for awaited in (False, True):
        model = copy.deepcopy(base)
        optimizers = {id(p): optim.SGD([p], 0.1) for p in model.parameters()}

        def update(p, optimizers=optimizers):
            optimizers[id(p)].step()
            optimizers[id(p)].zero_grad()

        for p in model.parameters() if awaited else ():
            p.register_post_accumulate_grad_hook(update)
        ops.cross_entropy(model(x), np.arange(5) % 2).backward()
        assert all((p.gradient is None) == awaited for p in model.parameters())
        for p in () if awaited else model.parameters():
            update(p)
        found.append([p.array.tobytes() for p in model.parameters()])
    assert found[0] == found[1]


def test_hooks_of_the_program_are_not_captured_and_computed_values_are_refused():
    model = nn.Linear(2, 3)
    frozen = Frozen([model])
    assert frozen.hooked() == "" == frozen.changed()
    model.bias.register_post_accumulate_grad_hook(lambda p: None)
    assert frozen.hooked() == "bias" and frozen.changed() == "requires_grad or a hook of bias"
    with pytest.raises(RuntimeError, match="got a computed value, expected a leaf; take register_hook"):
        (model.bias * 2).register_post_accumulate_grad_hook(print)
    with pytest.raises(RuntimeError, match="requires no gradient"):
        Tensor(np.ones(2)).register_post_accumulate_grad_hook(print)
