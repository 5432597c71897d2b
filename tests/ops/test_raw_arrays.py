"""Plain arrays in, plain arrays out: nothing is recorded, nothing is wrapped, and the numbers are the Tensors' own."""

import numpy as np
import pytest

from gpunn import Pooling, Tensor, manual_seed, no_grad, ops
from tests.ops.math_calls import LOGIC, MATH
from tests.parity import normal

X, W4 = normal(2, 4, 6, 6), normal(4, 2, 3, 3, seed=1)
LABELS = np.array([1, 3])
WINNERS = normal(2, 4, 36).argsort(-1)[..., :9].reshape(2, 4, 3, 3)
WINNERS[:, 0, 0, 1] = WINNERS[:, 0, 0, 0]  # one place twice
PLACES = np.array([[[[0, 3, 1], [2, 3, 3], [1, 0, 3]]] * 4] * 2)
# x, h0 and the weights of 2 units, by the gates; an LSTM's two directions share theirs.
RECURRENT = {g: [normal(3, 2, 5), normal(1, 2, 2), normal(2 * g, 5), normal(2 * g, 2)] for g in (1, 3)}
RECURRENT[4] = [normal(3, 2, 5), normal(2, 2, 2), normal(2, 2, 2, seed=1), normal(8, 5), normal(8, 2), *normal(2, 8)]


def seeded(function, *arguments):
    manual_seed(0)
    return function(*arguments)


def seeded_dropout(x):
    return seeded(ops.dropout, x, 0.5)


CALLS = {
    "add": (ops.add, X, X),
    "sub": (ops.sub, X, 2.0),
    "mul": (ops.mul, 2.0, X),
    "div": (ops.div, X, 4.0),
    "neg": (ops.neg, X),
    "pow": (ops.pow, X, 2),
    "exp": (ops.exp, X),
    "log": (ops.log, X**2),
    "sqrt": (ops.sqrt, X**2),
    "abs": (ops.abs, X),
    "clip": (ops.clip, X, -1, 1),
    "where": (ops.where, X > 0, X, 0.0),
    "maximum": (ops.maximum, X, 0.0),
    "minimum": (ops.minimum, X, X[::-1]),
    "matmul": (ops.matmul, X, X),
    "greater": (ops.greater, X, 0.0),
    "sum": (ops.sum, X, 1),
    "mean": (ops.mean, X, (0, 2)),
    "var": (ops.var, X),
    "max": (ops.max, X, 0),
    "min": (ops.min, X, 0),
    "prod": (ops.prod, X, 1),
    "vector_norm": (ops.vector_norm, X, 2, 1),
    "vector_norm of order 1": (ops.vector_norm, X, 1, (0, 2)),
    "vector_norm of order inf": (ops.vector_norm, X, np.inf, 0),
    "logsumexp": (ops.logsumexp, X, 1),
    "reshape": (ops.reshape, X, (2, -1)),
    "transpose": (ops.transpose, X, (1, 0, 2, 3)),
    "permute": (ops.permute, X, (3, 0, 1, 2)),
    "flatten": (ops.flatten, X, 1),
    "squeeze": (ops.squeeze, X[:1]),
    "unsqueeze": (ops.unsqueeze, X, 0),
    "expand_dims": (ops.expand_dims, X, 0),
    "broadcast_to": (ops.broadcast_to, X[0, 0], (3, 6, 6)),
    "concatenate": (lambda *a: ops.concatenate(a), X, X),
    "stack": (lambda *a: ops.stack(a), X, X),
    "hstack": (lambda *a: ops.hstack(a), X, X),
    "vstack": (lambda *a: ops.vstack(a), X[0, 0, 0], X[0, 0]),
    "dstack": (lambda *a: ops.dstack(a), X[0, 0, 0], X[0, 1, :1]),
    "view": (ops.view, X, (2, -1)),
    "contiguous": (ops.contiguous, X.transpose(2, 0, 3, 1)),
    "expand": (ops.expand, X[:, :1], (2, 2, 3, -1, 6)),
    "narrow": (ops.narrow, X, 2, -3, 2),
    "select": (ops.select, X, 1, -1),
    "movedim": (ops.movedim, X, (0, 1), (-1, 0)),
    "t": (ops.t, X[0, 0]),
    "unflatten": (ops.unflatten, X, 2, (3, -1)),
    "diagonal": (ops.diagonal, X, 1, 1, -1),
    "windows_along": (ops.windows_along, X, 2, 3, 2),
    "split": (lambda x: ops.split(x, [1, 5], 2)[1], X),
    "chunk": (lambda x: ops.chunk(x, 4, 2)[1], X),
    "tensor_split": (lambda x: ops.tensor_split(x, (4, 1), 2)[2], X),
    "unbind": (lambda x: ops.unbind(x, 2)[3], X),
    "gather": (ops.gather, X, 2, PLACES),
    "take_along_dim": (ops.take_along_dim, X, PLACES[:1, :, :, :1], 2),
    "take": (ops.take, X, PLACES),
    "index_select": (ops.index_select, X, 1, PLACES[0, 0, 1]),
    "index_fill": (ops.index_fill, X, 2, PLACES[0, 0, 0], -1.0),
    "masked_fill": (ops.masked_fill, X, X[0] > 0, 2.0),
    "masked_select": (ops.masked_select, X, X[0] > 0),
    "scatter": (ops.scatter, X, 2, PLACES, X[:, ::-1]),
    "scatter_add": (ops.scatter_add, X, 2, PLACES, X[:, ::-1]),
    "index_add": (lambda x, i, s: ops.index_add(x, 1, i, s, alpha=0.5), X, PLACES[0, 0, 1], X[:, :3]),
    "index_copy": (ops.index_copy, X, 1, PLACES[0, 0, 1], X[:, :3]),
    "repeat": (ops.repeat, X, (2, 1, 1, 2, 1)),
    "tile": (ops.tile, X, (2, 1)),
    "repeat_interleave": (ops.repeat_interleave, X, 2, 1),
    "flip": (ops.flip, X, (1, -1)),
    "rot90": (ops.rot90, X, 3, (1, 2)),
    "roll": (ops.roll, X, (2, -1), (0, 3)),
    "tril": (ops.tril, X, -1),
    "triu": (ops.triu, X),
    "diag": (ops.diag, X[0, 0, 0], 1),
    "diag_embed": (ops.diag_embed, X[0, 0], -1, 0, 2),
    "trace": (ops.trace, X[0, 0]),
    "mm": (ops.mm, X[0, 0], X[0, 1]),
    "bmm": (ops.bmm, X[0], X[1]),
    "mv": (ops.mv, X[0, 0], X[0, 0, 1]),
    "dot": (ops.dot, X[0, 0, 0], X[0, 0, 1]),
    "outer": (ops.outer, X[0, 0, 0], X[0, 0, 1]),
    "addmm": (lambda *a: ops.addmm(*a, beta=0.5, alpha=2), X[0, 0, 0], X[0, 0], X[0, 1]),
    "addmv": (ops.addmv, X[0, 0, 0], X[0, 0], X[0, 1, 0]),
    "baddbmm": (ops.baddbmm, X[0], X[0], X[1]),
    "tensordot": (lambda *a: ops.tensordot(*a, dims=([1, 3], [2, 1])), X, X.transpose(0, 3, 1, 2)),
    "kron": (ops.kron, X[0, 0], X[0, 1, 0]),
    "einsum": (lambda *a: ops.einsum("...ij,kj,ki->...k", *a), X, X[0, 0, :2], X[0, 1, :2]),
    "cdist": (ops.cdist, X[0], X[1, :, :4]),
    "atleast_3d": (ops.atleast_3d, X[0, 0]),
    "meshgrid": (lambda x: ops.meshgrid(x, x[:4], indexing="xy")[0], X[0, 0, 0]),
    "pad": (ops.pad, X, (1, 2)),
    "pad and crop": (ops.pad, X, (2, -1), "replicate"),
    "filter1d": (ops.filter1d, X, normal(5), "modulo"),
    "filter2d": (ops.filter2d, X, normal(3, 4), "mirror"),
    "filter3d": (ops.filter3d, X, normal(2, 3, 3), "replicate"),
    "getitem": (ops.getitem, X, (0, slice(1, None))),
    "conv1d": (ops.conv1d, X[0], normal(4, 6, 3)),
    "conv2d": (lambda *a: ops.conv2d(*a, groups=2), X, W4),
    "conv2d, relu, max": (lambda *a: ops.conv2d(*a, groups=2, activation="relu", pool=Pooling.max(3, 1)), X, W4),
    "conv2d, tanh, avg": (lambda *a: ops.conv2d(*a, None, 1, 1, 1, 2, "tanh", Pooling.avg(2)), X, W4),
    "conv2d, residual": (lambda x, w, r: ops.conv2d(x, w, None, 1, 1, 1, 2, "tanh", residual=r), X, W4, X[::-1]),
    "conv2d, tanh": (lambda *a: ops.conv2d(*a, groups=2, activation="tanh"), X, W4),
    "conv3d": (ops.conv3d, X[None], W4[None, :2, :2]),
    "conv1d, residual": (lambda x, w, r: ops.conv1d(x, w, None, 1, 1, 1, 1, "relu", r), X[0], normal(6, 6, 3), X[1]),
    "conv3d, residual": (lambda x, w, r: ops.conv3d(x, w, activation="tanh", residual=r), X[None], W4[None, :2, :2],
        normal(1, 1, 3, 4, 4)),
    "conv_transpose1d": (ops.conv_transpose1d, X[0], normal(6, 2, 3)),
    "conv_transpose2d": (ops.conv_transpose2d, X, W4),
    "conv_transpose3d": (ops.conv_transpose3d, X[None], W4[:2, None, :2]),
    "max_pool2d": (ops.max_pool2d, X, 2),
    "avg_pool2d": (ops.avg_pool2d, X, 2),
    "max_pool1d": (ops.max_pool1d, X[0], 2),
    "avg_pool1d": (ops.avg_pool1d, X[0], 2),
    "max_pool3d": (ops.max_pool3d, X[None], 2),
    "avg_pool3d": (ops.avg_pool3d, X[None], 2),
    "adaptive_avg_pool1d": (ops.adaptive_avg_pool1d, X[0], 2),
    "adaptive_avg_pool2d": (ops.adaptive_avg_pool2d, X, 2),
    "adaptive_avg_pool3d": (ops.adaptive_avg_pool3d, X[None], (1, 3, 2)),
    "adaptive_max_pool1d": (ops.adaptive_max_pool1d, X[0], 2),
    "adaptive_max_pool2d": (ops.adaptive_max_pool2d, X, 2),
    "adaptive_max_pool3d": (ops.adaptive_max_pool3d, X[None], (1, 3, 2)),
    "lp_pool1d": (ops.lp_pool1d, X[0], 2, 2),
    "lp_pool2d": (ops.lp_pool2d, X, 2, 2, 1),
    "lp_pool3d": (ops.lp_pool3d, X[None], 1, (2, 1, 2)),
    "batch_norm": (lambda x: ops.batch_norm(x, None, None, training=True), X),
    "sync_batch_norm": (lambda x: ops.sync_batch_norm(x, None, None, training=True), X),
    "batch_norm_relu": (lambda x: ops.batch_norm_relu(x, None, None, training=True), X),
    "linear": (ops.linear, X, normal(3, 6)),
    "relu": (ops.relu, X),
    "leaky_relu": (ops.leaky_relu, X),
    "tanh": (ops.tanh, X),
    "sigmoid": (ops.sigmoid, X),
    "softplus": (ops.softplus, X),
    "softmax": (ops.softmax, X, 1),
    "log_softmax": (ops.log_softmax, X, 1),
    "grid_sample": (ops.grid_sample, X, np.tanh(X[:, :3, :5, :2])),
    "affine_grid": (lambda t: ops.affine_grid(t, (2, 1, 3, 4)), X[:, 0, :2, :3]),
    "normalize": (ops.normalize, X),
    "cosine_similarity": (ops.cosine_similarity, X, X[:, ::-1]),
    "pairwise_distance": (ops.pairwise_distance, X, X[::-1]),
    "pdist": (ops.pdist, X[0, 0]),
    "gumbel_softmax": (lambda x: seeded(ops.gumbel_softmax, x), X),
    "scaled_dot_product_attention": (ops.scaled_dot_product_attention, X, X[::-1], X[..., ::-1]),
    "multi_head_attention_forward": (
        lambda x, w, b, *out: ops.multi_head_attention_forward(x, x, x, 6, 2, w, b, None, None, False, 0.0, *out)[0],
        X[0], normal(18, 6), normal(18), normal(6, 6), normal(6)),
    "cross_entropy": (ops.cross_entropy, X[:, :, 0, 0], LABELS),
    "nll_loss": (ops.nll_loss, X[:, :, 0, 0], LABELS),
    "dice_loss": (ops.dice_loss, X, (X[:, 0] * 9).astype(int) % 4),
    "mse_loss": (ops.mse_loss, X, X[::-1]),
    "l1_loss": (ops.l1_loss, X, X[::-1]),
    "binary_cross_entropy_with_logits": (ops.binary_cross_entropy_with_logits, X, (X > 0) * 1.0),
    **{name: (getattr(ops, name), X, X[::-1]) for name in ("smooth_l1_loss", "huber_loss", "poisson_nll_loss")},
    "binary_cross_entropy": (ops.binary_cross_entropy, abs(X) / 5, abs(X[::-1]) / 5),
    "kl_div": (ops.kl_div, X, abs(X) + 0.1),
    "gaussian_nll_loss": (ops.gaussian_nll_loss, X, X[::-1], abs(X) + 0.1),
    "hinge_embedding_loss": (ops.hinge_embedding_loss, X, LABELS[:, None, None, None]),
    "soft_margin_loss": (ops.soft_margin_loss, X, np.where(X > 0, 1, -1)),
    "multilabel_soft_margin_loss": (ops.multilabel_soft_margin_loss, X, (X > 0) * 1.0),
    "multi_margin_loss": (ops.multi_margin_loss, X[:, :, 0, 0], LABELS),
    "multilabel_margin_loss": (ops.multilabel_margin_loss, X[:, :2, 0, 0], np.array([[1, -1], [1, 0]])),
    "margin_ranking_loss": (ops.margin_ranking_loss, X, X[::-1], np.sign(X)),
    "cosine_embedding_loss": (ops.cosine_embedding_loss, X[:, 0, 0], X[:, 1, 0], np.array([1, -1])),
    "triplet_margin_loss": (ops.triplet_margin_loss, X[0], X[1], X[1, ::-1]),
    "triplet_margin_with_distance_loss": (ops.triplet_margin_with_distance_loss, X[0], X[1], X[1, ::-1]),
    "ctc_loss": (lambda x, t, m, n: ops.ctc_loss(ops.log_softmax(x, 2), t, m, n), X[0, :2].swapaxes(0, 1),
        LABELS[:, None] // [1, 2], np.array([6, 5]), np.array([2, 1])),
    "dropout": (seeded_dropout, X),
    "dropout2d": (lambda x: seeded(ops.dropout2d, x, 0.5), X),
    "dropout1d": (lambda x: seeded(ops.dropout1d, x, 0.5), X[0]),
    "dropout3d": (lambda x: seeded(ops.dropout3d, x, 0.5), X[None]),
    "alpha_dropout": (lambda x: seeded(ops.alpha_dropout, x, 0.5, True), X),
    "feature_alpha_dropout": (lambda x: seeded(ops.feature_alpha_dropout, x, 0.5, True), X),
    "pixel_shuffle": (ops.pixel_shuffle, X, 2),
    "pixel_unshuffle": (ops.pixel_unshuffle, X, 2),
    "channel_shuffle": (ops.channel_shuffle, X, 2),
    "unfold": (ops.unfold, X, (2, 3), 1, 1, 2),
    "fold": (lambda x: ops.fold(x, (4, 5), (2, 3), padding=(0, 1)), normal(2, 12, 15)),
    "max_unpool1d": (ops.max_unpool1d, X[:, :, 1:].reshape(2, 4, 30)[..., :9], WINNERS.reshape(2, 4, 9), 4),
    "max_unpool2d": (ops.max_unpool2d, X[..., :3, :3], WINNERS, 2, None, 0, (7, 6)),
    "max_unpool3d": (ops.max_unpool3d, X[None, ..., :3, :3], WINNERS[None], (1, 2, 2)),
    "embedding": (lambda w, x: ops.embedding(x, w, 1, scale_grad_by_freq=True), X[0, 0], LABELS),
    "bilinear": (ops.bilinear, X, X[..., :3], normal(2, 6, 3), normal(2)),
    "stochastic_depth": (lambda x: seeded(ops.stochastic_depth, x, 0.5, "row"), X),
    "prelu": (ops.prelu, X, W4[:, 0, 0, 0]),
    "elu": (ops.elu, X, 0.7),
    "silu": (ops.silu, X),
    "hardtanh": (ops.hardtanh, X),
    **{name: (getattr(ops, name), X) for name in ("selu", "mish", "hardswish", "hardsigmoid", "logsigmoid")},
    "softsign": (ops.softsign, X),
    **{name: (getattr(ops, name), X, 0.3) for name in ("celu", "softshrink", "hardshrink")},
    "tanhshrink": (ops.tanhshrink, X),
    "threshold": (ops.threshold, X, 0.3, 7.0),
    "softmin": (ops.softmin, X, 1),
    "glu": (ops.glu, X, 1),
    "rrelu": (lambda x: seeded(lambda: ops.rrelu(x, training=True)), X),
    "relu6": (ops.relu6, X * 5),
    "clipped_relu": (ops.clipped_relu, X, 0.5),
    "gelu": (ops.gelu, X),
    "group_norm": (lambda *a: ops.group_norm(a[0], 2, *a[1:]), X, W4[:, 0, 0, 0], W4[:, 0, 0, 1]),
    "layer_norm": (lambda *a: ops.layer_norm(a[0], (6, 6), *a[1:]), X, X[0, 0], X[0, 1]),
    "rms_norm": (lambda *a: ops.rms_norm(a[0], (6, 6), *a[1:]), X, X[0, 0]),
    "instance_norm": (lambda *a: ops.instance_norm(a[0], None, None, *a[1:]), X, W4[:, 0, 0, 0], W4[:, 0, 0, 1]),
    "local_response_norm": (ops.local_response_norm, X, 3),
    "rnn": (lambda x, h, *w: ops.rnn(x, h, [w])[0], *RECURRENT[1]),
    "lstm": (lambda x, h, c, *w: ops.lstm(x, (h, c), [w, w], True)[1][1], *RECURRENT[4]),
    "gru": (lambda x, h, *w: ops.gru(x, h, [w])[1], *RECURRENT[3]),
    "rnn_cell": (lambda x, h, *w: ops.rnn_cell(x[0], h[0], *w, nonlinearity="relu"), *RECURRENT[1]),
    "lstm_cell": (lambda x, h, *w: ops.lstm_cell(x[0], (h[0], h[1]), *w)[1], *RECURRENT[4][:2], *RECURRENT[4][3:]),
    "gru_cell": (lambda x, h, *w: ops.gru_cell(x[0], h[0], *w), *RECURRENT[3]),
    "interpolate": (lambda x: ops.interpolate(x, (9, 4), mode="bilinear"), X),
    **MATH,
}  # fmt: skip
NO_GRADIENT = {"greater"}


def as_tensors(arguments):
    """Float arrays as Tensors that require gradients."""
    is_float = [isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in arguments]
    return [Tensor(a, requires_grad=True) if f else a for a, f in zip(arguments, is_float, strict=True)]


# Not functions of numbers a user differentiates, or tested beside their forward pass, or in test_on_arrays.py.
ELSEWHERE = {"batch_norm_forward", "layer_norm_forward", "group_norm_forward", "dropout_forward", "dropout_mask"}
ELSEWHERE |= {"one_hot", "argmax", "argmin", "equal", "not_equal", "less", "less_equal", "greater_equal"}
ELSEWHERE |= {"recurrent_forward", *LOGIC}
# Other names, or of the table's alone.
OTHER_NAMES = {"cat", "concat", "moveaxis", "swapaxes", "swapdims", "atleast_1d", "atleast_2d", "broadcast_tensors"}
OTHER_NAMES |= {"fliplr", "flipud"}
ELSEWHERE |= OTHER_NAMES | {"nonzero", "argwhere"}


def test_every_public_op_is_in_this_table():
    public = {n for n, f in vars(ops).items() if callable(f) and not n.startswith("_") and not isinstance(f, type)}
    missing = {n for n in public if not (n.endswith("_backward") or "_grad_" in n)} - set(CALLS) - ELSEWHERE
    assert not missing, f"add {sorted(missing)} to CALLS"


@pytest.mark.parametrize("name", CALLS)
def test_arrays_in_arrays_out(name):
    function, *arguments = CALLS[name]
    y = function(*arguments)
    assert type(y) is np.ndarray or isinstance(y, np.generic), f"{name} gave {type(y).__name__}"
    t = function(*as_tensors(arguments))
    assert isinstance(t, Tensor)
    assert type(t.array) is np.ndarray, f"{name}: a Tensor holds an array, even 0-d"
    np.testing.assert_array_equal(t.array, y)
    assert t.requires_grad == (name not in NO_GRADIENT)


@pytest.mark.parametrize("name", sorted(set(CALLS) - NO_GRADIENT))
def test_no_grad_records_nothing(name):
    function, *arguments = CALLS[name]
    with no_grad():
        t = function(*as_tensors(arguments))
    assert isinstance(t, Tensor) and not t.requires_grad


@pytest.mark.parametrize("name", sorted(set(CALLS) - NO_GRADIENT))
def test_backward_changes_neither_inputs_nor_the_gradient_given(name):
    function, *arguments = CALLS[name]
    inputs = as_tensors(arguments)
    y = function(*inputs)
    gy = normal(*y.shape, seed=5)
    befores = [t.array.copy() for t in (*inputs, y) if isinstance(t, Tensor)]
    gy_before = gy.copy()
    y.backward(gy)
    np.testing.assert_array_equal(gy, gy_before)
    for t, before in zip([t for t in (*inputs, y) if isinstance(t, Tensor)], befores, strict=True):
        np.testing.assert_array_equal(t.array, before)


@pytest.mark.parametrize("name", sorted(set(CALLS) - NO_GRADIENT))
def test_a_gradient_shares_memory_with_nothing(name):
    """x.gradient may be scaled in place (clipping does): neither gy, nor the data, nor another gradient may move."""
    function, *arguments = CALLS[name]
    inputs = as_tensors(arguments)
    y = function(*inputs)
    gy = normal(*y.shape, seed=5)
    y.backward(gy)
    gradients = [t.gradient for t in inputs if isinstance(t, Tensor)]
    for i, g in enumerate(gradients):
        for other in [gy, y.array, *(t.array for t in inputs if isinstance(t, Tensor)), *gradients[:i]]:
            assert not np.shares_memory(g, other)
        g *= 1  # and it can be written
