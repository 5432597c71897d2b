"""examples/from_cupy_cudnn.md: each new line runs on the kernels, and gives what the old ones gave."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import gpunn
from gpunn import ops

TEXT = (Path(__file__).parents[2] / "examples/from_cupy_cudnn.md").read_text()
SETUP, *BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.S)
PAIRS = list(zip(BLOCKS[::2], BLOCKS[1::2], strict=True))
NAMES = [" and ".join(dict.fromkeys(re.findall(r"ops\.(\w+)", new))) for _, new in PAIRS]
# Whose old lines need more than the functions of tests/examples/cudnn_functions.py: flat weights, other random numbers.
UNCOMPARED = {"dropout_forward and dropout_backward and dropout_mask", "recurrent_forward and recurrent_backward"}
# CuPy 13's public functions of arrays.
OLD = [
    "convolution_forward",
    "convolution_backward_filter",
    "convolution_backward_data",
    "pooling_forward",
    "pooling_backward",
    "batch_normalization_forward_training",
    "_ex",
    "batch_normalization_forward_inference",
    "batch_normalization_backward",
    "activation_forward",
    "activation_backward",
    "softmax_forward",
    "softmax_backward",
    "DropoutStates",
    "rnn_forward_training",
    "rnn_forward_inference",
    "rnn_backward_data",
    "rnn_backward_weights",
    "add_tensor",
    "ctc_loss",
]


def ran(block, **names):
    """What a block's lines leave, after those that come first in the guide."""
    space = dict(names)
    setup = SETUP.replace("import cupy\n", "").replace("from gpunn import ops\n", "")
    exec(setup, space)
    before = set(space)
    for line in block.splitlines():
        if line and not line.startswith("#"):
            exec(line, space)
    return {name: space[name] for name in space if name not in before}


def results(found):
    """The arrays among them, by name, on the host."""
    return {name: gpunn.to_numpy(a) for name, a in found.items() if gpunn.backend.is_array(a)}


@pytest.mark.parametrize("pair", PAIRS, ids=NAMES)
def test_every_new_line_runs_on_the_kernels(pair, look_alike):
    gpunn.manual_seed(0)
    found = ran(pair[1], cupy=look_alike, ops=ops)
    gpunn.manual_seed(0)
    on_cpu = results(ran(pair[1], cupy=np, ops=ops))
    assert results(found).keys() == on_cpu.keys()
    for name, wanted in on_cpu.items():
        assert isinstance(found[name], look_alike.ndarray), f"{name} left the device"
        np.testing.assert_allclose(gpunn.to_numpy(found[name]), wanted, 2e-4, 2e-4, err_msg=name)


@pytest.mark.parametrize("pair", PAIRS, ids=NAMES)
def test_it_gives_what_the_old_lines_gave(pair, request):
    if request.node.callspec.id in UNCOMPARED:
        pytest.skip("its old lines want flat weights or other random numbers")
    pytest.importorskip("torch")
    from tests.examples import cudnn_functions as old

    names = SimpleNamespace(**vars(old))
    before = results(ran(pair[0], cupy=np, cudnn=names, libcudnn=old.constants, F=names))
    after = results(ran(pair[1], cupy=np, ops=ops))
    assert before.keys() - {"no", "mode"} <= after.keys() | {"m"}
    for name in before.keys() & after.keys():
        np.testing.assert_allclose(after[name], before[name], 1e-4, 1e-4, err_msg=name)


def test_pairs_are_short():
    for old, new in PAIRS:
        assert old.startswith(("# CuPy 13", "# Chainer 7")) and new.startswith("# gpunn"), old
        assert len(old.strip().splitlines()) <= 6 and len(new.strip().splitlines()) <= 6, old


def test_every_function_has_a_row():
    table = "\n".join(line for line in TEXT.splitlines() if line.startswith("|"))
    missing = [name for name in OLD if f"`{name}" not in table]
    assert not missing, missing
    called = set(re.findall(r"ops\.(\w+)", TEXT))
    unknown = sorted(name for name in called if not hasattr(ops, name))
    assert not unknown, unknown
