"""Sequences padded, packed and back, beside PyTorch's functions of these names."""

import copy
import pickle

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, data, ops
from gpunn.nn.utils import rnn
from tests.parity import normal, torch

LENGTHS = pytest.mark.parametrize("lengths", [[4, 2, 2], [2, 4, 1], [1, 1, 1]], ids=str)
BATCH_FIRST = pytest.mark.parametrize("batch_first", [False, True])


def same(mine, theirs):
    for a, b in zip(mine, theirs, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert isinstance(a, Tensor) and str(a.dtype) == str(b.dtype).removeprefix("torch.")
            np.testing.assert_array_equal(a.numpy(), b.detach().numpy())


@LENGTHS
@BATCH_FIRST
@pytest.mark.parametrize("rest", [(), (2,), (2, 3)], ids=str)
def test_pack_and_pad_are_pytorchs(lengths, batch_first, rest):
    t, enforce = torch(), lengths == sorted(lengths, reverse=True)
    array = normal(*((3, 5) if batch_first else (5, 3)), *rest)
    x, xt = Tensor(array, requires_grad=True), t.tensor(array, requires_grad=True)
    packed = rnn.pack_padded_sequence(x, lengths, batch_first, enforce)
    wanted = t.nn.utils.rnn.pack_padded_sequence(xt, lengths, batch_first, enforce)
    same(packed, wanted)
    for how in ({}, {"total_length": 6}, {"padding_value": -1.5, "batch_first": True}):
        got, want = rnn.pad_packed_sequence(packed, **how), t.nn.utils.rnn.pad_packed_sequence(wanted, **how)
        same(got, want)
    gy = normal(*got[0].shape)
    got[0].backward(gy)
    want[0].backward(t.tensor(gy))
    np.testing.assert_array_equal(x.gradient, xt.grad.numpy())
    same(rnn.unpack_sequence(packed), t.nn.utils.rnn.unpack_sequence(wanted))


def test_pack_sequence_is_pytorchs_and_takes_whole_numbers():
    t = torch()
    arrays = [np.array([1, 2]), np.array([3, 4, 5]), np.array([6])]
    same(rnn.pack_sequence(list(map(gpunn.tensor, arrays)), False),
         t.nn.utils.rnn.pack_sequence(list(map(t.tensor, arrays)), False))  # fmt: skip
    back = rnn.unpack_sequence(rnn.pack_sequence(arrays, enforce_sorted=False))
    assert all(type(a) is np.ndarray and np.array_equal(a, b) for a, b in zip(back, arrays, strict=True))


def test_unpad_is_pytorchs_and_leaves_its_argument():
    t, x = torch(), normal(4, 3, 2)
    for batch_first in (False, True):
        lengths = [3, 1, 2, 0][: 4 if batch_first else 3]
        mine = rnn.unpad_sequence(Tensor(x), gpunn.tensor(lengths), batch_first)
        same(mine, t.nn.utils.rnn.unpad_sequence(t.tensor(x), t.tensor(lengths), batch_first))


def test_nan_behind_a_sequences_end_goes_nowhere():
    array = normal(3, 2)
    array[2, 0] = np.nan
    x = Tensor(array, requires_grad=True)
    y, lengths = rnn.pad_packed_sequence(rnn.pack_padded_sequence(x, gpunn.tensor([2, 3]), enforce_sorted=False))
    ops.sum(y * 2).backward()
    assert y.numpy()[2, 0] == 0 and lengths.tolist() == [2, 3]
    np.testing.assert_array_equal(x.gradient, [[2, 2], [2, 2], [0, 2]])


def test_a_packed_sequence_moves_and_is_a_tuple():
    packed = rnn.pack_sequence([gpunn.ones(1), gpunn.ones(2)], enforce_sorted=False)
    data, sizes, order, back = packed
    assert packed.data is data and sizes.tolist() == [2, 1] and order.tolist() == back.tolist() == [1, 0]
    assert packed.to("float32") is packed and packed.cpu() is packed and packed.pin_memory() is packed
    assert not packed.is_cuda and not packed.is_pinned()
    names = {"double": "float64", "half": "float16", "long": "int64", "int": "int32", "short": "int16"}
    for name, dtype in (names | {"char": "int8", "byte": "uint8", "float": "float32"}).items():
        moved = getattr(packed, name)()
        assert str(moved.data.dtype) == dtype and moved.sorted_indices.dtype == np.int64
    there = packed.to("emulator")
    assert str(there.data.device) == str(there.unsorted_indices.device) == "emulator"
    assert str(there.batch_sizes.device) == "cpu" and there.cpu().data.tolist() == [1, 1, 1]
    for other in (copy.deepcopy(packed), pickle.loads(pickle.dumps(packed))):
        assert type(other) is rnn.PackedSequence and other.data.tolist() == [1, 1, 1]
    older = rnn.PackedSequence((data, sizes), sorted_indices=order)
    assert older.batch_sizes is sizes and older.unsorted_indices.tolist() == [1, 0]


@pytest.mark.usefixtures("device_there")
@pytest.mark.parametrize("device", ["cpu", "emulator", "cuda"])
def test_a_loader_moves_it_but_for_its_sizes(device):
    sequences = [gpunn.ones(n, 2) for n in (1, 3)]
    (batch,) = data.DataLoader(
        sequences, 2, collate_fn=lambda s: rnn.pack_sequence(s, enforce_sorted=False), device=device
    )
    assert batch.data.device.type == batch.sorted_indices.device.type == device and len(batch.data) == 4
    assert batch.batch_sizes.device.type == "cpu" and batch.batch_sizes.tolist() == [2, 1, 1]


def test_it_moves_to_a_gpu(look_alike):
    packed = rnn.pack_sequence([gpunn.ones(2), gpunn.ones(1)]).cuda()
    assert packed.is_cuda and packed.to("cpu").data.tolist() == [1, 1, 1] and packed.cuda(0).data is packed.data


@pytest.mark.parametrize(
    ("sizes", "order", "words"),
    [
        ([], None, r"batch_sizes is \[\], expected for each step how many sequences have it"),
        ([1, 2], None, r"batch_sizes is \[1, 2\], expected .* never rise; call pack_padded_sequence"),
        ([2, 1, 0], None, r"batch_sizes is \[2, 1, 0\], expected .* from 1 on"),
        ([2.0, 1.0], None, r"batch_sizes is \[2\.0, 1\.0\], expected .* whole numbers"),
        ([2, 2], None, r"data has 3 rows, expected 4, the sum of batch_sizes; pack anew"),
        ([2, 1], [0, 0], r"sorted_indices is \[0, 0\], expected each of 0 to 1 once"),
        ([2, 1], [0, 5], r"sorted_indices is \[0, 5\], expected each of 0 to 1 once"),
        ([2, 1], [0], r"sorted_indices is \[0\], expected each of 0 to 1 once"),
    ],
    ids=str,
)
def test_parts_that_do_not_belong_together_are_refused(sizes, order, words):
    back = None if order is None else np.array(order)
    packed = rnn.PackedSequence(np.ones((3, 2), np.float32), np.array(sizes), back, back)
    with pytest.raises(ValueError, match=f"pad_packed_sequence: {words}"):
        rnn.pad_packed_sequence(packed)


def test_any_iterable_of_sequences_will_do():
    want = [[1.0, 2.0], [3.0, 0.0]]
    rows = [gpunn.tensor([1.0, 2.0]), gpunn.tensor([3.0])]
    assert rnn.pad_sequence(iter(rows), batch_first=True).tolist() == want
    assert rnn.pack_sequence(iter(rows)).data.tolist() == [1, 3, 2]
    assert rnn.pad_sequence(gpunn.tensor(want), batch_first=True).tolist() == want
    with pytest.raises(ValueError, match=r"pad_sequence: sequences\[1\] has no steps, shape \(\), expected \(L, \*\)"):
        rnn.pad_sequence([np.ones(2), np.ones(())])
