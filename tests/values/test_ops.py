"""Every op against values that PyTorch computed once in float64, forward and backward, with no PyTorch here."""

import inspect
import json

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, ops
from tests.thinned import one_in
from tests.torch_samples import calls as samples
from tests.values.nested import CALLS
from tests.values.stored import array, assert_near, load

FILES = ("elementwise", "curves", "math", "reductions", "windows", "convolutions", "norms", "losses", "arrays")
FILES += ("recurrent", "more_losses", "shapes", "sampling")
ROWS = [row for file in FILES for row in load(file)]
EMULATED = pytest.mark.skipif(not gpunn.is_available("emulator"), reason="kernels run on the emulator here")


def title(row):
    return f"{row['op']} {json.dumps(row.get('options', {}))}".replace('"', "")


def test_every_op_is_stored_or_among_pytorchs_samples():
    stateful = {"dropout_forward", "dropout_backward", "dropout_mask"}  # whose masks are dropout's, in test_on_arrays
    stateful |= {"dropout1d", "dropout3d", "alpha_dropout", "feature_alpha_dropout", "gumbel_softmax"}  # by chance
    public = {op.__name__ for op in vars(ops).values() if inspect.isfunction(op)}
    sampled = {part for name in samples.CALLS for part in name.split(".")}
    # one bool of Python's; not PyTorch's, tests/ops/test_dice_loss.py; of ranks, tests/ops/test_sync_batch_norm.py
    others = {"allclose", "dice_loss", "sync_batch_norm"}
    lacking = public - {row["op"] for row in ROWS} - sampled - stateful - others
    assert not lacking, f"store {sorted(lacking)}, or name them in tests/torch_samples/calls.py"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("row", ROWS, ids=title)
def test_op(row, dtype):
    check(row, dtype)


@EMULATED
@pytest.mark.parametrize("row", ROWS, ids=title)
def test_kernels_on_the_emulator(row):
    check(row, "float32", "emulator")


@EMULATED
@pytest.mark.parametrize("row", one_in(4, ROWS), ids=title)
def test_arrays_like_cupys(row, look_alike):
    check(row, "float32", "cuda")


def check(row, dtype, device="cpu"):
    """The row's call on that device, in that type."""

    def there(value):
        return gpunn.to_device(array(value, dtype), device)

    inputs = {key: Tensor(there(value), requires_grad=True) for key, value in row.get("inputs", {}).items()}
    fixed = {key: there(value) for key, value in row.get("fixed", {}).items()}
    gpunn.manual_seed(0)
    call = CALLS.get(row["op"]) or getattr(ops, row["op"])
    results = call(**inputs, **fixed, **row.get("options", {}))
    results = results if isinstance(results, tuple | list) else (results,)
    for i, (got, want) in enumerate(zip(results, row["values"], strict=True)):
        assert_near(gpunn.to_numpy(got), want, f"value {i}")
        assert got.dtype == dtype or got.dtype.kind != "f"
    if inputs:
        results[0].backward(there(row["upstream"]))
    for key, x in inputs.items():
        assert x.gradient is not None and x.gradient.dtype == dtype
        assert_near(gpunn.to_numpy(x.gradient), row["gradients"][key], f"gradient of {key}")
    for key, value in fixed.items():
        assert_near(gpunn.to_numpy(value), row.get("after", {}).get(key, row["fixed"][key]), f"{key} afterwards")


def test_a_list_says_its_type():
    assert [array(value, "float32").dtype for value in ([1, 2], [1.0, 2.0], [True])] == [np.int64, np.float32, np.bool_]
