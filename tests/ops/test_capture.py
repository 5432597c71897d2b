"""Which ops a captured step may have: their replays give eager's bits, forward and backward, on new inputs too."""

import os

import numpy as np
import pytest

import gpunn
from gpunn import Pooling, Tensor, ops
from gpunn.backend import capture
from gpunn.errors import CaptureError
from tests.backend.graphs import Feed
from tests.ops.math_calls import LOGIC
from tests.ops.test_devices import CALLS, LABELS, SMALL, W4, X, moved, tensors
from tests.ops.test_raw_arrays import OTHER_NAMES
from tests.parity import normal

pytestmark = pytest.mark.skipif(not gpunn.is_available("emulator"), reason="kernels run on the emulator here")


def recurrent(x, h, w_ih, w_hh, lengths):
    """A GRU on plain arrays, forward and backward, its lengths on the device."""
    y, _, reserve = ops.recurrent_forward("GRU", x.array, h.array, [(w_ih.array, w_hh.array)], lengths=lengths)
    return ops.recurrent_backward(reserve, y).weights[0][1]


SCORES = normal(4, 5)
SOFT = np.full((4, 5), 0.2)
ABOVE, PLACES = X[:, :, :2, :2], np.tile(np.array([[1, 1], [4, 4]]), (2, 4, 1, 1))
ROWS, TWICE = np.array([2, 0]), np.array([1, 1, 0])
MORE = {
    "cross_entropy, smoothed and weighted": (lambda x, t, w: ops.cross_entropy(x, t, w.array, 3, label_smoothing=0.1),
        SCORES, np.arange(4), np.ones(5)),
    "cross_entropy, soft targets": (lambda x, t: ops.cross_entropy(x, t, label_smoothing=0.1), SCORES, SOFT),
    "bce, weighted": (lambda x, t, w: ops.binary_cross_entropy_with_logits(x, t, w.array, pos_weight=w.array),
        SCORES, SOFT, np.ones(5)),
    "mse_loss, summed": (lambda x, t: ops.mse_loss(x, t, "sum"), SCORES, SOFT),
    "getitem by an array": (ops.getitem, SCORES, ROWS),
    "getitem by an array twice": (lambda x, i: ops.getitem(x, (slice(None), i)), SCORES, TWICE),
    "getitem by two arrays": (lambda x, i, j: ops.getitem(x, (i, j)), SCORES, ROWS, ROWS),
    "pad, reflect": (ops.pad, X, (1, 2, 2, 1), "reflect"),
    "pad, circular": (ops.pad, X, (1, 2), "circular"),
    "interpolate, nearest": (lambda x: ops.interpolate(x, scale_factor=2), X),
    "interpolate, smaller": (lambda x: ops.interpolate(x, (2, 3)), X),
    "interpolate, corners": (lambda x: ops.interpolate(x, (4, 9), mode="bilinear", align_corners=True), X),
    "max_pool2d, strided": (lambda x: ops.max_pool2d(x, 3, 2, 1), X),
    "conv2d, bias": (lambda x, w, b: ops.conv2d(x, w, b, padding=1), X, normal(3, 4, 3, 3), normal(3)),
    "conv2d, relu, max": (lambda x, w: ops.conv2d(x, w, activation="relu", pool=Pooling.max(2)), X, normal(3, 4, 3, 3)),
    "batch_norm, evaluating": (lambda x, m: ops.batch_norm(x, m.array, m.array**2), X, W4[:, 0, 0, 0]),
    "batch_norm, running": (lambda x, m, v: ops.batch_norm(x, m.array, v.array, training=True),
        X, np.ones(4), np.ones(4)),
    "mean of all, twice": (lambda x: ops.mean(ops.mul(ops.mean(x), x)), X),
    "in place": (lambda x: ops.relu(x.detach() * 2.0).array.__iadd__(1), X),
    "matmul of a batch": (ops.matmul, normal(2, 3, 4), normal(4, 5)),
    "linear, relu": (lambda *a: ops.linear(*a, activation="relu"), SCORES, normal(3, 5), normal(3)),
    "recurrent_forward": (recurrent, X[0], normal(1, 6, 5), normal(15, 6), normal(15, 5), np.array([2, 4, 1, 3, 2, 4])),
    "argmax": (ops.argmax, SCORES, 1),
    "argmin": (ops.argmin, SCORES, 1),
    "max with indices": (lambda x: ops.max(x, 1, return_indices=True)[0], SCORES),
    "max_pool2d_backward": (lambda gy, i: ops.max_pool2d_backward(gy.array, i, (2, 4, 3, 3)), ABOVE, PLACES),
    "max_pool2d_backward, by windows": (lambda gy, i: ops.max_pool2d_backward(gy.array, i, (2, 4, 3, 3), 2, 1),
        ABOVE, PLACES),
    "adaptive_max_pool2d_backward": (lambda gy, i: ops.adaptive_max_pool2d_backward(gy.array, i, (2, 4, 3, 3)),
        ABOVE, PLACES),
    "max_pool2d_backward, from x": (lambda gy, x: ops.max_pool2d_backward(gy.array, x=x.array, kernel_size=2, stride=1),
        ABOVE, X[:, :, :3, :3]),
    "one_hot": (lambda t: ops.one_hot(t, 5), np.arange(4)),
    "embedding, shrunk": (lambda w, x: ops.embedding(x, w, 0, max_norm=1.0, scale_grad_by_freq=True), SCORES, ROWS),
    "equal": (lambda x, t: ops.equal(ops.argmax(x, 1), t), SCORES, np.arange(4)),
}  # fmt: skip

# Op by op, what blocks a capture: the words in which it says so.
BLOCKED = {
    "getitem by a mask": ("how many a mask chooses only the device knows", ops.getitem, SCORES, SCORES > 0),
    "getitem of nothing": ("how many a mask chooses", ops.getitem, SCORES[0], np.zeros(5, bool)),
    "getitem by a list": ("the index is the host's", lambda x: ops.getitem(x, [0, 2]), SCORES),
    "getitem by NumPy's array": ("the index is the host's", lambda x: ops.getitem(x, ROWS), SCORES),
    "masked_select": ("how many a mask chooses only the device knows", *CALLS["masked_select"]),
    "repeat_interleave by an array": ("the host reads an array", ops.repeat_interleave, SCORES, np.arange(5), 1),
    "nonzero": ("nonzero: how many there are only the device knows", ops.nonzero, SCORES),
    "argwhere": ("nonzero: how many there are only the device knows", ops.argwhere, SCORES),
    "ctc_loss of the host's lengths": ("ctc_loss: the lengths are the host's",
        lambda x, t: ops.ctc_loss(x, t, [6, 5], [2, 1]), *CALLS["ctc_loss"][1:3]),
    "one_hot, classes uncounted": ("one_hot: the host counts the classes", ops.one_hot, np.arange(4)),
    "unique": ("unique: how many values there are only the device knows", ops.unique, SCORES),
    "bincount": ("bincount: how many values there are only the device knows", ops.bincount, np.arange(4)),
    "histc": ("histc: how many values there are only the device knows", ops.histc, SCORES),
    "allclose": ("the host reads an array", lambda x: x if ops.allclose(x, x) else -x, SCORES),
    "to the host": ("the host reads an array", lambda x: x + float(ops.sum(x)), SCORES),
    "from the host": ("sends an array of the host", lambda x: x + gpunn.tensor(SOFT, device=x.device), SCORES),
}  # fmt: skip
# By default these are tried, with what has no kernel of ours; all where CI is set.
QUICK = {"sum", "softmax", "group_norm", "interpolate", "local_response_norm", "conv2d", "max_pool2d", "batch_norm"}
CASES = {**CALLS, **{f"{name} (small)": call for name, call in SMALL.items()}, **MORE}
CASES = {name: call for name, call in CASES.items() if name.removesuffix(" (small)") not in BLOCKED}
CHOSEN = [name for name in CASES if os.environ.get("CI") or name in MORE or name in QUICK]


def worked(function, arguments, gy):
    """What the op gives and its gradients, on the device."""
    for a in arguments:
        if isinstance(a, Tensor):
            a.gradient = None
    y = function(*arguments)
    if gy is None:
        return [y.array if isinstance(y, Tensor) else y]
    y.backward(gy)
    return [y.array, *(a.gradient for a in arguments if isinstance(a, Tensor) and a.gradient is not None)]


class Captured:
    """An op's graph, after two eager calls which fill the pool."""

    def __init__(self, xp, function, arguments, gy):
        self.stream, self.pool, self.feed = xp.cuda.Stream(non_blocking=True), xp.cuda.MemoryPool(), Feed(xp)
        with self.stream, xp.cuda.using_allocator(self.pool.malloc):
            for _ in range(2):
                worked(function, arguments, gy)
            token = capture.now.set(self.feed)
            self.stream.begin_capture()
            try:
                self.results = worked(function, arguments, gy)
            finally:
                capture.now.reset(token)
                self.graph = self.stream.end_capture()

    def replay(self):
        self.feed.fill()
        self.graph.launch(self.stream)
        return self.results


def prepared(call, dtype=np.float32):
    function, *arguments = call
    given = [a.array.astype(dtype) if isinstance(a, Tensor) else a for a in tensors(arguments, "cuda")]
    given = [Tensor(a, requires_grad=True) if getattr(a, "dtype", np.dtype(int)).kind in "fV" else a for a in given]
    y = function(*given)
    needs = isinstance(y, Tensor) and y.requires_grad
    return function, given, moved(normal(*y.shape, seed=5), "cuda").astype(dtype) if needs else None


def check(xp, name, dtype=np.float32):
    function, arguments, gy = prepared(CASES[name], dtype)
    graph = Captured(xp, function, arguments, gy)
    inputs = [a.array for a in arguments if isinstance(a, Tensor)]
    before = [a.copy() for a in inputs]

    def ran(work, factor):
        """What work() gives for other inputs in the same memory, and what it leaves there."""
        gpunn.manual_seed(0)
        for a, b in zip(inputs, before, strict=True):
            a[...] = b * np.float32(factor)
        return [one.get() for one in (*work(), *inputs)]

    for factor in (1, 0.75):
        found = ran(graph.replay, factor)
        expected = ran(lambda: worked(function, arguments, gy), factor)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == other.dtype and one.shape == other.shape
            assert one.tobytes() == other.tobytes(), (name, factor, one, other)


@pytest.mark.parametrize("name", CHOSEN)
def test_a_replay_gives_what_eager_gives(name, look_alike):
    check(look_alike, name)


@pytest.mark.skipif(not os.environ.get("CI"), reason="CI is set for all of them")
@pytest.mark.parametrize("dtype", [np.float64, np.float16])
@pytest.mark.parametrize("name", [name for name in CALLS if name in CASES])
def test_in_other_dtypes(name, dtype, look_alike):
    check(look_alike, name, dtype)


@pytest.mark.parametrize("name", BLOCKED)
def test_what_blocks_a_capture_and_why(name, look_alike):
    words, *call = BLOCKED[name]
    function, arguments, gy = prepared(call)
    with pytest.raises(CaptureError, match=f"{words}.*; "):  # and what to do
        Captured(look_alike, function, arguments, gy)


def test_every_op_is_captured_or_blocks():
    public = {n for n, f in vars(ops).items() if callable(f) and not n.startswith("_") and not isinstance(f, type)}
    halves = {name for name in public if name.endswith(("_backward", "_forward"))}  # which test_on_arrays captures
    halves |= {name for name in public if "_grad_" in name}  # what a backward runs
    elsewhere = {"not_equal", "less", "less_equal", "greater_equal", "dropout_mask", *LOGIC, *OTHER_NAMES}
    left = public - set(CASES) - set(BLOCKED) - halves - elsewhere
    assert not left, f"add {sorted(left)} to CASES or, with a reason, to BLOCKED"
    assert LABELS.size and not set(BLOCKED) & set(CASES)
