"""Indexing: every kind of index that NumPy has, gradients against PyTorch, repeats added up."""

import numpy as np
import pytest

from gpunn import Tensor, ops
from gpunn.reference.close import assert_close
from tests.parity import DTYPES, compare, normal, torch

BASIC = {
    "int": np.s_[1],
    "negative int": np.s_[-1],
    "slice": np.s_[1:3],
    "open slice": np.s_[2:],
    "step": np.s_[::2],
    "empty slice": np.s_[2:2],
    "two": np.s_[1, 2],
    "int and slice": np.s_[:, 2],
    "None first": np.s_[None, 1],
    "None between": np.s_[1, None, :2],
    "ellipsis": np.s_[..., 1],
    "ellipsis between": np.s_[0, ..., 1:],
    "all ints": np.s_[1, 2, 3],
    "everything": np.s_[...],
    "nothing": (),
}


@DTYPES
@pytest.mark.parametrize("index", BASIC.values(), ids=BASIC.keys())
def test_basic(index, dtype):
    compare(lambda x: x[index], lambda x: x[index], normal(4, 3, 5), dtype=dtype)


ADVANCED = {
    "list": [0, 2, 2, 1],
    "array with repeats": np.array([3, 0, 3, 3, 1]),
    "negative numbers": np.array([-1, 0, -1]),
    "matrix": np.array([[0, 1], [2, 0]]),
    "pairs": (np.array([0, 1, 0]), np.array([2, 2, 2])),
    "broadcast pairs": (np.array([[0], [1]]), np.array([2, 0, 2])),
    "array then slice": (np.array([1, 1]), slice(1, None)),
    "slice then array": (slice(None), np.array([0, 0, 2])),
    "int and array": (1, np.array([0, 2, 2])),
    "apart": (np.array([0, 1]), slice(None), np.array([4, 4])),
    "no rows": np.array([], np.int64),
    "None and array": (None, np.array([1, 1])),
}


def their_index(index):
    def one(i):
        return torch().tensor(i) if isinstance(i, np.ndarray | list) else i

    return tuple(map(one, index)) if isinstance(index, tuple) else one(index)


@DTYPES
@pytest.mark.parametrize("index", ADVANCED.values(), ids=ADVANCED.keys())
def test_integer_arrays_add_up_repeats(index, dtype):
    compare(lambda x: x[index], lambda x: x[their_index(index)], normal(4, 3, 5), dtype=dtype, terms=9)


@pytest.mark.parametrize("kind", ["rows", "full", "last", "none true"])
def test_boolean_masks(kind):
    x = normal(4, 3, 5)
    mask = {
        "rows": np.array([True, False, True, True]),
        "full": x > 0,
        "last": (slice(None), slice(None), np.array([True, False, False, True, False])),
        "none true": np.zeros(4, bool),
    }[kind]
    compare(lambda x: x[mask], lambda x: x[their_index(mask)], x)


def test_negative_step_reverses_and_sends_the_gradient_back_reversed():
    x = Tensor(np.arange(5.0), requires_grad=True)
    x[::-2].backward(np.array([1.0, 2.0, 3.0]))
    assert x.gradient.tolist() == [3, 0, 2, 0, 1]


def test_index_by_tensors():
    x = Tensor(normal(4, 3), requires_grad=True)
    rows = Tensor(np.array([0, 0, 3]))
    y = x[rows]
    assert_close(y.array, x.array[[0, 0, 3]])
    y.sum().backward()
    assert x.gradient[:, 0].tolist() == [2, 0, 0, 1]
    positive = x.detach()[x > 0]
    assert (positive.array > 0).all() and positive.shape == (int((x.array > 0).sum()),)


def test_getitem_of_an_array_is_an_array():
    x = normal(3, 4)
    np.testing.assert_array_equal(ops.getitem(x, np.s_[1:, 0]), x[1:, 0])


def test_picking_the_scores_of_labels():
    x, labels = normal(6, 4), np.array([0, 3, 1, 1, 2, 0])
    rows = np.arange(6)
    compare(
        lambda x: -x[rows, labels].mean(),
        lambda x: -x[torch().tensor(rows), torch().tensor(labels)].mean(),
        x,
        terms=36,
    )


def test_chained_views_write_into_the_right_cells():
    compare(lambda x: x[1:][:, ::2][0], lambda x: x[1:][:, ::2][0], normal(3, 5))


def test_length_and_iteration():
    x = Tensor(normal(3, 2), requires_grad=True)
    assert len(x) == 3
    rows = list(x)
    assert [r.shape for r in rows] == [(2,)] * 3
    (rows[0] * 2 + rows[2]).sum().backward()
    assert x.gradient.tolist() == [[2, 2], [0, 0], [1, 1]]


APART = {
    "int, slice, array": (0, slice(None), np.array([1, 2, 2])),
    "array, slice, int": (np.array([3, 3]), slice(None), 1),
    "int, None, array": (1, None, np.array([0, 0])),
    "int, ellipsis, mask": (2, ..., np.array([True, False, True, True, False])),
    "arrays and an int apart": (np.array([3, 3]), slice(None), np.int64(1)),
    "no dimension between": (np.array([1, 0]), ..., np.array([[2], [0]]), slice(None)),
    "one-element array": (np.array(1), slice(None), np.array([4, 0])),
}


@pytest.mark.parametrize("name", APART)
def test_an_int_apart_from_an_array_is_taken_first(name):
    index = APART[name]
    compare(lambda x: x[index], lambda x: x[their_index(index)], normal(4, 3, 5), terms=9)
    x, theirs = Tensor(normal(4, 3, 5)), torch().tensor(normal(4, 3, 5))
    part = normal(*theirs[their_index(index)].shape, seed=1)
    x[index], theirs[their_index(index)] = part, torch().tensor(part)
    np.testing.assert_array_equal(x.numpy(), theirs.numpy())

    def assigned(x):
        y = x * 1
        y[index if isinstance(x, Tensor) else their_index(index)] = 2.0
        return y

    compare(assigned, assigned, normal(4, 3, 5))


def test_bytes_that_may_be_a_mask_are_refused():
    x, mask = Tensor(normal(3, 2)), np.array([1, 0, 1], np.uint8)
    for use in (lambda: x[mask], lambda: x[Tensor(mask)], lambda: x.__setitem__(mask, 0.0)):
        with pytest.raises(TypeError, match=r"getitem: the index is uint8 and has x's shape \(3,\), so that it may"):
            use()
    assert x[mask[:2]].shape == (2, 2) and x[mask.astype(bool)].shape == (2, 2)


@pytest.mark.parametrize(("index", "place"), [(0, 0), ((-1, 1), (2, 1)), ((1, np.int64(0)), (1, 0))])
def test_a_single_element_shares_memory(index, place):
    x = Tensor(normal(3, 2)) if isinstance(index, tuple) else Tensor(normal(3))
    part = x[index]
    assert part.shape == ()
    part += 5
    assert x.array[place] == part.item()
    y = Tensor(normal(3), requires_grad=True) * 1
    first = y[0]
    with pytest.raises(RuntimeError, match="add: in place, x shares memory with another Tensor"):
        y += 1
    assert first.shape == ()
