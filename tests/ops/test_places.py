"""Elements picked and placed by index: the same on every device and in every run, and refused where PyTorch refuses."""

import re
from functools import partial
from typing import Any

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, ops
from tests.ops.test_devices import moved
from tests.parity import compare, normal, torch

X, SRC = normal(3, 5), normal(3, 4, seed=1)
THREE: Any = 3
ONE = np.array(2.0)
INDEX = np.array([[4, 0, 4, 4], [1, 2, 3, 0], [0, 0, 0, 0]])


def same(name, *arguments, **options):
    """A method of both, on one sample."""

    def call(x, *others):
        given = iter(others)
        return getattr(x, name)(*[next(given) if isinstance(a, np.ndarray) else a for a in arguments], **options)

    return compare(call, call, X, *[a for a in arguments if isinstance(a, np.ndarray)], terms=6)


def test_methods_are_pytorchs():
    same("gather", 1, INDEX)
    same("scatter_add", 1, INDEX, SRC)
    same("scatter", 1, np.array([[4, 0, 1, 2]] * 3), SRC)
    same("index_select", 0, np.array([2, 2, 0]))
    same("index_add", 1, np.array([0, 0, 3, 0]), SRC, alpha=0.5)
    same("index_copy", 1, np.array([4, 1, 3, 0]), SRC)
    same("index_fill", 1, np.array([4, 1]), -1.0)
    same("take", INDEX)
    same("masked_fill", X > 0, 2.5)
    same("masked_select", X > 0)
    same("repeat", 2, 1, 3)
    same("tile", 2)
    same("repeat_interleave", 2, dim=1)
    same("flip", 0, 1)
    same("flip", (1,))
    same("rot90", 3)
    same("roll", 2, 1)
    same("where", X > 0, -X)


def test_the_last_of_several_stays_and_has_the_slope(place):
    x, src = Tensor(moved(X, place), requires_grad=True), Tensor(moved(SRC, place), requires_grad=True)
    y = x.scatter(1, moved(INDEX, place), src)
    want = X.astype(np.float32)
    for i, row in enumerate(INDEX):
        for j, to in enumerate(row):
            want[i, to] = SRC[i, j]
    np.testing.assert_array_equal(y.numpy(), want)
    y.backward(moved(np.ones((3, 5)), place))
    assert gpunn.to_numpy(src.grad).tolist() == [[0, 1, 0, 1], [1, 1, 1, 1], [0, 0, 0, 1]]
    assert gpunn.to_numpy(x.grad).tolist() == [[0, 1, 1, 1, 0], [0, 0, 0, 0, 1], [0, 1, 1, 1, 1]]


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.float32])
def test_sums_of_every_dtype(dtype, place):
    x, src = (gpunn.to_device(abs(a * 9).astype(dtype), place) for a in (X, SRC))
    y = ops.scatter_add(x, 1, moved(INDEX, place), src)
    want = gpunn.to_numpy(x).copy()
    np.add.at(want, (np.arange(3)[:, None], INDEX), gpunn.to_numpy(src))
    assert y.dtype == dtype
    np.testing.assert_allclose(gpunn.to_numpy(y), want, rtol=1e-6)


def test_what_the_host_sees_outside_is_refused(place):
    x, outside = moved(X, place), np.array([0, 5])
    words = r"index_select: index runs from 0 to 5, expected 0 to 4: dimension 1 of shape \(3, 5\)"
    with pytest.raises(IndexError, match=words):
        ops.index_select(x, 1, outside)
    for call in (ops.gather, ops.scatter_add):
        with pytest.raises(IndexError, match=f"{call.__name__}: index runs from -1 to 0"):
            call(x, 1, np.array([[-1], [0], [0]]), *([x] if call is ops.scatter_add else []))
    with pytest.raises(IndexError, match="take: index runs from -16 to 0, expected -15 to 14"):
        ops.take(x, np.array([0, -16]))


REFUSED = {
    "rank": (lambda: ops.gather(X, 1, INDEX[0]), "gather: index is (4,) for shape (3, 5); expected the same rank"),
    "kind": (lambda: ops.gather(X, 1, INDEX * 1.0), "gather: index is float64, expected integers; convert it with"),
    "longer": (lambda: ops.scatter(X, 1, INDEX, SRC[:, :3]), "scatter: index is (3, 4) and src (3, 3); expected no"),
    "dtype": (lambda: ops.scatter(X, 1, INDEX, SRC.astype("f")), "scatter: x is float64 but the source float32"),
    "neither": (lambda: ops.scatter(X, 1, INDEX), "scatter: expected either src or value; pass one of them"),
    "reduce": (lambda: ops.scatter(X, 1, INDEX, SRC, reduce="multiply"), "scatter: reduce is 'multiply', expected"),
    "source": (lambda: ops.index_add(X, 0, np.array([0]), X), "index_add: source is (3, 5), expected (1, 5): x's"),
    "vector": (lambda: ops.index_select(X, 1, INDEX), "index_select: index is (3, 4), expected a vector; flatten it"),
    "mask": (lambda: ops.masked_fill(X, X, 0), "masked_fill: mask is float64, expected bool; compare first"),
    "mask's shape": (lambda: ops.masked_select(X, X[:2] > 0), "masked_select: the mask (2, 5) and x (3, 5) do not"),
    "values": (lambda: ops.masked_fill(X, X > 0, X), "masked_fill: value is (3, 5), expected one number; of several"),
    "overflow": (lambda: ops.masked_fill(np.ones(2, "e"), np.ones(2, bool), 1e9), "masked_fill: value is 1000000000.0, "
        "which float16 cannot hold"),
    "inf": (lambda: ops.masked_fill(np.ones(2, int), np.ones(2, bool), np.inf), "value is inf, which int64 cannot"),
    "one choice": (partial(ops.where, X > 0, X), "where: got a condition and one choice, expected two, or none"),
    "times": (lambda: ops.repeat_interleave(X, [1, 2], 0), "repeat_interleave: repeats are [1, 2] for dimension 0"),
    "in all": (lambda: ops.repeat_interleave(X, 2, 0, output_size=5), "output_size is 5, expected 6, the sum of"),
    "repeat": (lambda: ops.repeat(X, 2), "repeat: got (2,) for shape (3, 5); expected a number for each dimension"),
    "flip twice": (lambda: ops.flip(X, (0, -2)), "flip: got dims (0, 0) for shape (3, 5); expected each of them once"),
    "plane": (lambda: ops.rot90(X, 1, (0, 0)), "rot90: got dims (0, 0) for shape (3, 5); expected two different"),
    "shifts": (lambda: ops.roll(X, (1, 2), 0), "roll: got shifts (1, 2) and dims (0,); expected as many of one"),
    "narrow": (lambda: ops.narrow(X, 1, 3, 3), "narrow: start 3 and length 3 reach out of dimension 1 of shape (3, 5)"),
    "select": (lambda: ops.select(X, 0, 3), "select: index 3 lies outside dimension 0 of shape (3, 5); expected -3 to"),
    "split": (lambda: ops.split(X, [1, 1]), "split: sizes (1, 1) do not make up dimension 0 of shape (3, 5); expected"),
    "chunk": (lambda: ops.chunk(X, 0), "chunk: chunks is 0, expected at least 1"),
    "expand": (lambda: ops.expand(X, (3, 4)), "expand: shape (3, 5) does not expand to (3, 4); expected each size"),
    "unflatten": (lambda: ops.unflatten(X, 1, (2, -1)), "unflatten: sizes (2, -1) do not make up dimension 1 of shape"),
    "movedim": (lambda: ops.movedim(X, (0, 1), 0), "movedim: got source (0, 1) and destination 0; expected as many"),
    "t": (lambda: ops.t(X[None]), "t: x is (1, 3, 5), expected two dimensions at most; swap two with transpose"),
    "unfold": (lambda: ops.windows_along(X, 1, 6, 1), "unfold: size is 6, expected 0 to 5, dimension 1 of shape (3,"),
    "diagonal": (lambda: ops.diagonal(X, 0, 1, -1), "diagonal: dim1 is 1 and dim2 -1, expected two different ones"),
    "meshgrid": (lambda: ops.meshgrid(X, indexing="ji"), "meshgrid: indexing is 'ji', expected 'ij' or 'xy'"),
    "mm": (lambda: ops.mm(X, X[0]), "mm: got shapes (3, 5) and (5,), expected a matrix and a matrix; matmul takes"),
    "bmm": (lambda: ops.bmm(X[None], np.ones((2, 5, 1))), "expected a batch of matrices and a batch of matrices of"),
    "mm of two dtypes": (lambda: ops.mm(X, SRC.T.astype("f")), "mm: got float64 and float32, expected one dtype"),
    "addmm": (lambda: ops.addmm(X, X, X.T), "addmm: x is (3, 5), which does not broadcast to the product's (3, 3)"),
    "tensordot": (lambda: ops.tensordot(X, SRC), "tensordot: dims [0, 1] of (3, 5) and [0, 1] of (3, 4) do not fit"),
    "letters": (lambda: ops.einsum("ijk->i", X), "einsum: 'ijk' of 'ijk->i' has 3 letters for an array of 2"),
    "sizes": (lambda: ops.einsum("ij,ij", X, SRC), "einsum: 'j' of 'ij,ij' has size 5 and 4, expected one size, or 1"),
    "arrays": (lambda: ops.einsum("ij,ij", X), "einsum: 'ij,ij' names 2 arrays but got 1, expected as many; pass them"),
    "result": (lambda: ops.einsum("ij->ik", X), "einsum: 'k' in the result of 'ij->ik' is not in an array, or there"),
    "sublists": (partial(ops.einsum, THREE), "einsum: the equation is a int, expected a string such as"),
    "cdist": (lambda: ops.cdist(X, SRC), "cdist: got shapes (3, 5) and (3, 4), expected (..., P, M) and (..., R, M)"),
    "tril": (lambda: ops.tril(X[0]), "tril: x is (5,), expected two dimensions at least; reshape it"),
    "trace": (lambda: ops.trace(X[0]), "trace: x is (5,), expected two dimensions; take diagonal(...).sum(-1)"),
    "diag": (lambda: ops.diag(X[None]), "diag: x is (1, 3, 5), expected one or two dimensions; use diagonal or"),
    "no dimensions": (lambda: ops.narrow(ONE, 0, 0, 1), "narrow: x has no dimensions, expected one at least;"),
    "sections": (lambda: ops.tensor_split(X, 0), "tensor_split: got 0 sections, expected at least 1"),
    "size of a part": (lambda: ops.split(X, 0), "split: the size of a part is 0, expected at least 1"),
    "more sizes": (lambda: ops.expand(X, (3,)), "expand: got sizes (3,) for shape (3, 5); expected at least 2 of them"),
    "step": (lambda: ops.windows_along(X, 1, 2, 0), "unfold: step is 0, expected at least 1"),
    "one dimension": (lambda: ops.diagonal(X[0]), "diagonal: x is (5,), expected two dimensions at least; reshape it"),
    "vectors": (lambda: ops.meshgrid(X), "meshgrid: array 0 is (3, 5), expected vectors; flatten it"),
    "one dtype": (lambda: ops.meshgrid(X[0], INDEX[0]), "meshgrid: array 1 is int64 among float64, expected one dtype"),
    "stack": (lambda: ops.stack([X, X], 3), "stack: axis 3 does not fit arrays of shape (3, 5); expected -3 to 2"),
    "negative": (lambda: ops.tile(X, -1), "tile: got (-1,), expected numbers of times of at least 0"),
    "rounded": (lambda: ops.repeat_interleave(X, SRC[0], 1), "repeat_interleave: repeats are float64, expected"),
    "fliplr": (lambda: ops.fliplr(X[0]), "fliplr: x is (5,), expected two dimensions at least; use flip"),
    "flipud": (lambda: ops.flipud(ONE), "flipud: x is a number, expected one dimension at least; reshape it"),
    "diag_embed": (lambda: ops.diag_embed(ONE), "diag_embed: x is a number, expected one dimension at least"),
    "indices": (lambda: ops.take_along_dim(X, INDEX[:2], 1), "take_along_dim: indices (2, 4) and x (3, 5) do not fit"),
    "complex": (lambda: ops.masked_fill(X, X > 0, np.array(1j)), "masked_fill: value is complex"),
    "integers": (lambda: ops.addmm(INDEX, INDEX, INDEX.T, beta=0.5), "addmm: beta is 0.5, expected an int beside"),
    "dtype of x": (lambda: ops.addmm(X[:, :3].astype("f"), X, X.T), "addmm: x is float32 but the product float64"),
    "dims": (lambda: ops.tensordot(X, X, 3), "tensordot: dims is 3 for shapes (3, 5) and (3, 5); expected no more"),
    "pairs": (lambda: ops.tensordot(X, X, ([0], [0, 1])), "tensordot: dims is ([0], [0, 1]), expected two lists of as"),
    "outer": (lambda: ops.outer(X, X), "outer: got shapes (3, 5) and (3, 5), expected vectors; flatten them"),
    "odd letters": (lambda: ops.einsum("i1->i", X), "einsum: 'i1->i' has '1', expected letters, ',', '->' and '...'"),
    "ellipses": (lambda: ops.einsum("ij->......", X), "einsum: 'ij->......' has two ellipses in the result, expected"),
    "order": (lambda: ops.cdist(X, X, -1), "cdist: p is -1.0 and compute_mode 'use_mm_for_euclid_dist_if_necessary',"),
    "both names": (lambda: ops.squeeze(X, 0, dim=1), "squeeze: got both axis 0 and dim 1, two names of one argument"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    call, words = REFUSED[name]
    with pytest.raises((TypeError, ValueError, IndexError), match=re.escape(words)):
        call()


EQUATIONS = [
    "ij,jk",
    "ij->ji",
    "...j,kj->k...",
    "ij,i,j->",
    "ii->i",
    "ab,cb,db->acd",
    "i...->...",
    "ij,ij->ij",
    "b i , i j",
]


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum(equation):
    letters = {c: 3 for c in "abcdijk"}
    shapes = [[letters[c] for c in term.replace("...", "kj" if term != "...j" else "a").replace(" ", "")]
              for term in equation.partition("->")[0].split(",")]  # fmt: skip
    arrays = [normal(*shape, seed=i) for i, shape in enumerate(shapes)]
    compare(lambda *xs: ops.einsum(equation, *xs), lambda *xs: torch().einsum(equation, *xs), *arrays, terms=60)


def test_nothing_to_pick(place):
    x, none = moved(X, place), moved(np.zeros(0, np.int64), place)
    assert ops.index_select(x, 1, none).shape == (3, 0)
    assert ops.gather(x, 1, none.reshape(3, 0)).shape == (3, 0)
    np.testing.assert_array_equal(gpunn.to_numpy(ops.scatter(x, 1, none.reshape(3, 0), x)), gpunn.to_numpy(x))
    assert ops.nonzero(moved(np.zeros((2, 3)), place)).shape == (0, 2)
    assert [len(a) for a in ops.where(moved(X, place) > 9)] == [0, 0]


def test_in_place_and_by_name():
    def both(call):
        compare(call, call, X, terms=4)

    index = np.array([[4, 0], [1, 2], [0, 3]])
    for name in ("scatter_", "scatter_add_"):
        x, theirs = Tensor(X.copy()), torch().tensor(X)
        assert getattr(x, name)(1, index, Tensor(SRC)) is x
        getattr(theirs, name)(1, torch().tensor(index), torch().tensor(SRC))
        np.testing.assert_allclose(x.numpy(), theirs.numpy())
    labels = gpunn.tensor([1, 0])
    assert gpunn.zeros(2, 3).scatter_(1, labels.view(-1, 1), 1).tolist() == [[0, 1, 0], [1, 0, 0]]
    both(lambda x: x.flip(dims=(1,)).reshape(shape=(5, 3)).permute(dims=(1, 0)).expand(size=(2, 3, 5)))
    both(lambda x: x.repeat(repeats=(2, 1)).tile(dims=(1, 2)).transpose(dim0=0, dim1=1))
    with pytest.raises(TypeError, match="flip: got axes by name, expected dims, by place or by name; pass it once"):
        Tensor(X).flip(axes=(1,))
