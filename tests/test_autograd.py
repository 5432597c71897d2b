"""gpunn.autograd: gradients beside .grad, functions with a backward of one's own, and whether anything is recorded."""

import numpy as np
import pytest

import gpunn
from gpunn import nn
from gpunn.autograd import Function
from tests.parity import torch


def leaf(*values):
    return gpunn.tensor(values, requires_grad=True)


def test_grad_gives_a_tuple_of_the_sum_of_the_outputs():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    got = gpunn.autograd.grad([(x * y).sum(), (x * x).sum()], [x, y])
    assert [g.tolist() for g in got] == [[5, 8], [1, 2]] and x.grad is None
    (scaled,) = gpunn.autograd.grad(x * 2, x, grad_outputs=gpunn.tensor([1.0, 10.0]))
    assert scaled.tolist() == [2, 20]


def test_unused_inputs():
    x, y = leaf(1.0), leaf(2.0)
    assert gpunn.autograd.grad(x * 2, [x, y], allow_unused=True)[1] is None
    assert gpunn.autograd.grad(x * 2, [x, y], materialize_grads=True)[1].tolist() == [0]
    with pytest.raises(RuntimeError, match="grad: no output depends on input 1, expected one that does; leave it out"):
        gpunn.autograd.grad(x * 2, [x, y])


def test_graphs_are_kept_where_asked_for():
    x = leaf(3.0)
    y = x * x
    for _ in range(2):
        assert gpunn.autograd.grad(y, x, retain_graph=True)[0].tolist() == [6]
    gpunn.autograd.grad(y, x)
    with pytest.raises(RuntimeError, match="was used and freed"):
        gpunn.autograd.grad(y, x)


def test_backward_of_several():
    x = leaf(1.0, 2.0)
    gpunn.autograd.backward([x.sum(), x * x], [None, gpunn.ones(2)])
    assert x.grad.tolist() == [3, 5]


REFUSED = {
    "second derivatives": (lambda x: gpunn.autograd.grad(x, x, create_graph=True), NotImplementedError, "create_graph"),
    "one gradient": (lambda x: gpunn.autograd.backward([x, x], [x]), ValueError, "got 1 gradients for 2 outputs"),
    "in place": (lambda x: Dirty.apply(x), NotImplementedError, "Function: mark_dirty is for inputs changed in place"),
    "too few": (lambda x: Few.apply(x, x).backward(), RuntimeError, "Few: backward gave 1 gradients, expected 2"),
}


class Dirty(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x


class Few(Function):
    @staticmethod
    def forward(ctx, x, y):
        return x * y

    @staticmethod
    def backward(ctx, gy):
        return gy


@pytest.mark.parametrize(("call", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_says_why(call, error, words):
    with pytest.raises(error, match=words):
        call(leaf(1.0))


def functions(t, base):
    """The same text for gpunn and PyTorch."""

    class Line(base):
        @staticmethod
        def forward(ctx, x, w, scale):
            ctx.save_for_backward(x, w)
            ctx.scale = scale
            return x * w * scale

        @staticmethod
        def backward(ctx, gy):
            x, w = ctx.saved_tensors
            assert ctx.needs_input_grad == (True, True, False)
            return gy * w * ctx.scale, gy * x * ctx.scale, None

    class Sorted(base):
        @staticmethod
        def forward(ctx, x):
            places = x.argmax()
            ctx.mark_non_differentiable(places)
            return x * 2, places, x * 3

        @staticmethod
        def backward(ctx, first, places, last):
            assert last is not None  # zeros, where no gradient reached it
            return first * 2 + last * 3

    class Apart(base):
        @staticmethod
        def forward(x):
            return x * x

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, gy):
            return gy * 2 * ctx.saved_tensors[0]

    return Line, Sorted, Apart


def results(t, base):
    line, ordered, apart = functions(t, base)
    x, w = (t.tensor(v, requires_grad=True) for v in ([1.0, 2.0], [3.0, 5.0]))
    line.apply(x, w, 10.0).sum().backward()
    first, places, _ = ordered.apply(x)
    assert not places.requires_grad and int(places) == 1
    (first.sum() + apart.apply(x).sum()).backward()
    return np.asarray(x.grad), np.asarray(w.grad)


def test_functions_of_ones_own_are_pytorchs():
    for mine, theirs in zip(results(gpunn, Function), results(torch(), torch().autograd.Function), strict=True):
        assert np.array_equal(mine, theirs)


def test_a_function_records_nothing_where_nothing_is_recorded():
    class Twice(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    with gpunn.no_grad():
        assert not Twice.apply(leaf(1.0)).requires_grad
    assert not Twice.apply(gpunn.ones(1)).requires_grad


def recorded():
    return (leaf(1.0) * 2).requires_grad


def test_recording_is_switched():
    for off in (gpunn.no_grad, gpunn.no_grad(), gpunn.inference_mode, gpunn.inference_mode()):
        assert off(recorded)() is False and recorded()
    assert gpunn.set_grad_enabled(False)(recorded)() is False and recorded()
    with gpunn.no_grad():
        assert gpunn.enable_grad()(recorded)() and not recorded()
        with gpunn.set_grad_enabled(True), gpunn.inference_mode():
            assert not recorded()
        assert not gpunn.is_grad_enabled()
    gpunn.set_grad_enabled(False)
    try:
        assert not recorded()
        with gpunn.set_grad_enabled(True):
            assert recorded()
        assert not recorded()
    finally:
        gpunn.set_grad_enabled(True)


def test_parameters_as_a_vector_and_norms():
    layer = nn.Linear(2, 3)
    vector = nn.utils.parameters_to_vector(layer.parameters())
    assert vector.shape == (9,) and vector.requires_grad
    nn.utils.vector_to_parameters(gpunn.arange(9.0), layer.parameters())
    assert layer.weight.tolist() == [[0, 1], [2, 3], [4, 5]] and layer.bias.tolist() == [6, 7, 8]
    with pytest.raises(ValueError, match=r"vector_to_parameters: vec is \(8,\), expected \(9,\)"):
        nn.utils.vector_to_parameters(gpunn.zeros(8), layer.parameters())
    layer(gpunn.ones(1, 2)).sum().backward()
    norm = nn.utils.clip_grad_norm_(layer.parameters(), max_norm=1.0, foreach=None)
    assert abs(norm.item() - 3) < 1e-6
    after = nn.utils.get_total_norm([p.grad for p in layer.parameters()])
    assert abs(after.item() - 1) < 1e-5
    with pytest.raises(gpunn.TrainingError, match="get_total_norm: the norm is inf, expected a finite one"):
        nn.utils.get_total_norm([gpunn.full((1,), float("inf"))], error_if_nonfinite=True)


@pytest.mark.parametrize(("a", "b"), [(-2, 2), (-0.1, 0.1), (3, 5), (-6, -4), (1, 1000)])
def test_truncated_normal_numbers(a, b):
    x = np.asarray(nn.init.trunc_normal_(gpunn.empty(20_000), 0.0, 1.0, a, b)).astype(float)
    grid = np.linspace(a, min(b, 12), 100_001)
    density = np.exp(-grid * grid / 2)
    mean = (grid * density).sum() / density.sum()
    assert x.min() >= a and x.max() <= b and abs(x.mean() - mean) < 0.03


def test_filters_that_pass_channels_on_and_the_identity():
    t = torch()
    for shape, groups in (((4, 2, 3), 2), ((3, 5, 3, 4), 1), ((4, 1, 2, 2, 2), 4)):
        want = t.nn.init.dirac_(t.empty(shape), groups).numpy()
        assert np.array_equal(np.asarray(nn.init.dirac_(gpunn.empty(shape), groups)), want)
    assert np.array_equal(np.asarray(nn.init.eye_(gpunn.empty(2, 3))), np.eye(2, 3))
    with pytest.raises(
        ValueError, match=r"dirac_: tensor is \(3, 2, 1\), expected 3 to 5 dimensions, the first a multiple of 2"
    ):
        nn.init.dirac_(gpunn.empty(3, 2, 1), 2)
    with pytest.raises(ValueError, match=r"trunc_normal_: std is 1.0, a 2 and b 1"):
        nn.init.trunc_normal_(gpunn.empty(2), a=2, b=1)


def test_generators_initialise():
    one, other = (nn.init.normal_(gpunn.empty(4), generator=gpunn.Generator(3)) for _ in range(2))
    assert one.tolist() == other.tolist()


@pytest.mark.parametrize(
    "options", [{}, {"batch_first": True}, {"padding_value": 7.0, "padding_side": "left"}], ids=str
)
def test_sequences_are_filled_up(options):
    def padded(t):
        given = [t.ones(n, 2) * n for n in (3, 1, 2)]
        return np.asarray(t.nn.utils.rnn.pad_sequence(given, **options))

    assert np.array_equal(padded(gpunn), padded(torch()))
    with pytest.raises(ValueError, match="pad_sequence: padding_side is 'up', expected 'left' or 'right'"):
        nn.utils.rnn.pad_sequence([gpunn.ones(1)], padding_side="up")
    with pytest.raises(ValueError, match="pad_sequence: sequences is empty, expected at least one"):
        nn.utils.rnn.pad_sequence([])
