"""Every refusal of an op holds: the function's name, what it got, what it expected, and what to do."""

import numpy as np
import pytest

import gpunn
from gpunn import Pooling, Tensor, Window, ops
from gpunn.ops.conv_norm import conv2d_batch_norm
from tests.errors.recurrent import RECURRENT
from tests.errors.refusals import check_refused


def z(*shape, dtype=np.float64):
    return np.zeros(shape, dtype)


X, W = z(1, 3, 5, 5), z(16, 3, 3, 3)
F32 = np.float32

# name: (call, error, words that the text must hold: got, expected, remedy)
CONV = {
    "channels": (
        lambda: ops.conv2d(z(8, 3, 32, 32), z(16, 4, 3, 3)),
        ValueError,
        ["conv2d: x has 3 channels but w expects 4", "(8, 3, 32, 32)", "(16, 4, 3, 3)", "set in_channels=3"],
    ),
    "channels, 1-D": (lambda: ops.conv1d(z(1, 3, 5), z(2, 4, 3)), ValueError, ["conv1d:", "3", "4", "in_channels=3"]),
    "channels, 3-D": (lambda: ops.conv3d(z(1, 3, 5, 5, 5), z(2, 4, 3, 3, 3)), ValueError, ["conv3d:", "in_channels=3"]),
    "rank of x": (lambda: ops.conv2d(z(3, 3), W), ValueError, ["conv2d: x", "(3, 3)", "(N, C, H, W)", "reshape"]),
    "rank of w": (lambda: ops.conv2d(X, z(16, 3, 3)), ValueError, ["conv2d: w", "(16, 3, 3)", "(K, C/groups, R, S)"]),
    "bias": (lambda: ops.conv2d(X, W, z(15)), ValueError, ["conv2d: bias", "(15,)", "(16,)"]),
    "bias rank": (lambda: ops.conv2d(X, W, z(1, 16)), ValueError, ["conv2d: bias", "(1, 16)", "(16,)"]),
    "activation": (
        lambda: ops.conv2d(X, W, activation="gelu"),
        ValueError,
        ["conv2d: activation is 'gelu'", "'relu', 'tanh'"],
    ),
    "residual": (
        lambda: ops.conv2d(X, W, residual=z(1, 16, 5, 5)),
        ValueError,
        ["conv2d: residual is (1, 16, 5, 5)", "expected (1, 16, 3, 3)", "y's shape"],
    ),
    "residual and pool": (
        lambda: ops.conv2d(X, W, residual=z(1, 16, 3, 3), pool=Pooling.max(2)),
        ValueError,
        ["conv2d: residual and pool are both given", "expected one", "pool the result by its own op"],
    ),
    "pool": (
        lambda: ops.conv2d(X, W, pool=("max", 2)),
        TypeError,
        ["conv2d: pool is ('max', 2)", "expected a gpunn.Pooling", "gpunn.Pooling.max(2)"],
    ),
    "kind of pool": (
        lambda: ops.conv2d(X, W, pool=Pooling("min", Window.of(2))),
        ValueError,
        ["conv2d: pool.kind is 'min'", "'max', 'avg'"],
    ),
    "pool's padding": (
        lambda: ops.conv2d(X, W, pool=Pooling.max(2, padding=2)),
        ValueError,
        ["max_pool2d: padding is (2, 2)", "at most half of kernel_size (2, 2)"],
    ),
    "pool's window": (
        lambda: ops.conv2d(X, W, pool=Pooling.avg(4)),
        ValueError,
        ["avg_pool2d: the window 4x4 is larger than the padded input 3x3", "(1, 16, 3, 3)", "smaller kernel"],
    ),
    "dilation of a mean": (
        lambda: ops.conv2d(X, W, pool=Pooling("avg", Window.of(2, 1, 0, 2))),
        ValueError,
        ["conv2d: pool has dilation (2, 2), expected 1"],
    ),
    "groups and channels": (lambda: ops.conv2d(X, W, groups=2), ValueError, ["conv2d:", "3 channels", "groups=2"]),
    "groups and filters": (
        lambda: ops.conv2d(z(1, 4, 5, 5), z(15, 2, 3, 3), groups=2),
        ValueError,
        ["conv2d:", "15 filters", "multiple of groups=2"],
    ),
    "groups 0": (lambda: ops.conv2d(X, W, groups=0), ValueError, ["conv2d: groups is 0", "at least 1"]),
    "groups -1": (lambda: ops.conv2d(X, W, groups=-1), ValueError, ["conv2d: groups is -1", "at least 1"]),
    "groups in a tuple": (
        lambda: ops.conv2d(X, W, groups=(1,)),
        TypeError,
        ["conv2d: groups is (1,)", "expected an int"],
    ),
    "stride 0": (lambda: ops.conv2d(X, W, stride=0), ValueError, ["conv2d: stride is 0", "at least 1"]),
    "stride -1": (lambda: ops.conv2d(X, W, stride=(1, -1)), ValueError, ["conv2d: stride is (1, -1)", "at least 1"]),
    "stride 1.5": (lambda: ops.conv2d(X, W, stride=1.5), TypeError, ["conv2d: stride is 1.5", "an int or 2"]),
    "stride None": (lambda: ops.conv2d(X, W, stride=None), TypeError, ["conv2d: stride is None", "an int or 2"]),
    "three strides": (lambda: ops.conv2d(X, W, stride=(1, 2, 3)), ValueError, ["conv2d: stride", "(1, 2, 3)", "2"]),
    "dilation 0": (lambda: ops.conv2d(X, W, dilation=0), ValueError, ["conv2d: dilation is 0", "at least 1"]),
    "filter's rank": (
        lambda: ops.filter2d(X, z(1, 1, 3, 3)),
        ValueError,
        ["filter2d: kernel has 4 dimensions (1, 1, 3, 3)", "expected 2 (R, S)", "reshape it"],
    ),
    "filter without taps": (
        lambda: ops.filter3d(X, z(0, 3, 3)),
        ValueError,
        ["filter3d: kernel (0, 3, 3) has a zero size", "at least 1"],
    ),
    "filter's planes": (
        lambda: ops.filter2d(z(5), z(3, 3)),
        ValueError,
        ["filter2d: x has 1 dimensions (5,)", "expected at least 2", "reshape it"],
    ),
    "border": (
        lambda: ops.filter1d(X, z(3), "replicated"),
        ValueError,
        ["filter1d: border is 'replicated'", "'zeros', 'reflect', 'symmetric', 'replicate', 'circular'", "mean 'repl"],
    ),
    "border of ndimage": (lambda: ops.filter2d(X, z(3, 3), "nearest"), ValueError, ["'nearest' is 'replicate' here"]),
    "border of NumPy": (
        lambda: ops.conv2d(X, W, padding=1, padding_mode="wrap"),
        ValueError,
        ["conv2d: padding_mode is 'wrap'", "; 'wrap' is 'circular' here"],
    ),
    "mode of NumPy": (lambda: ops.pad(X, (1, 1), "edge"), ValueError, ["mode 'edge'", "; 'edge' is 'replicate' here"]),
    "mode of no one": (lambda: ops.pad(X, (1, 1), "reflct"), ValueError, ["mode 'reflct'", "mean 'reflect'?"]),
    "filter's dtypes": (
        lambda: ops.filter2d(X, z(3, 3, dtype=F32)),
        TypeError,
        ["filter2d: x is float64 but kernel is float32", "convert"],
    ),
    "filter's gy": (
        lambda: ops.filter2d_backward(z(1, 3, 5, 4), X, z(3, 3)),
        ValueError,
        ["filter2d_backward: gy is (1, 3, 5, 4)", "expected (1, 3, 5, 5)"],
    ),
    "pad's shape": (
        lambda: ops.pad_backward(z(4), 2, (1, 1)),
        TypeError,
        ["pad_backward: x_shape is 2", "expected a tuple of ints", "array's .shape"],
    ),
    "pad's gy": (
        lambda: ops.pad_backward(z(3), (2,), (1, 1), "reflect"),
        ValueError,
        ["pad_backward: gy is (3,)", "expected (4,)", "forward call's options"],
    ),
    "pad's width": (
        lambda: ops.pad_backward(z(6), (2,), (2, 2), "reflect"),
        ValueError,
        ["pad_backward: mode 'reflect' cannot pad axis 0 of size 2 by (2, 2)", "expected at most 1", "pad less"],
    ),
    "filter's needs": (
        lambda: ops.filter2d_backward(X, X, z(3, 3), needs=("weight",)),
        ValueError,
        ["filter2d_backward: needs has 'weight'", "'x', 'kernel'"],
    ),
    "padding -1": (lambda: ops.conv2d(X, W, padding=-1), ValueError, ["conv2d: padding is -1", "at least 0"]),
    "padding word": (
        lambda: ops.conv2d(X, W, padding="full"),
        ValueError,
        ["conv2d: padding", "'full'", "same", "valid"],
    ),
    "same with stride": (
        lambda: ops.conv2d(X, W, padding="same", stride=2),
        ValueError,
        ["conv2d: padding", "same", "stride 1", "(2, 2)", "as numbers"],
    ),
    "window": (
        lambda: ops.conv2d(z(1, 3, 5, 4), z(16, 3, 7, 7)),
        ValueError,
        ["conv2d: the window 7x7", "5x4", "(1, 3, 5, 4)", "smaller kernel or more padding"],
    ),
    "dilated window": (
        lambda: ops.conv2d(X, W, dilation=3),
        ValueError,
        ["conv2d: the window 3x3", "7x7", "dilation (3, 3)", "5x5"],
    ),
    "integers": (
        lambda: ops.conv2d(X.astype(int), W),
        TypeError,
        ["conv2d: x is int64", "float32 or float64, or 16 bits, float16 or bfloat16", "astype('float32')"],
    ),
    "mixed dtypes": (
        lambda: ops.conv2d(X.astype(F32), W),
        TypeError,
        ["conv2d: x is float32 but w is float64", "convert one"],
    ),
    "None": (lambda: ops.conv2d(None, W), TypeError, ["conv2d: x is None", "expected an array"]),
    "no weight": (lambda: ops.conv2d(X, None), TypeError, ["conv2d: w is None", "expected an array"]),
    "text": (lambda: ops.conv2d("cat.png", W), TypeError, ["conv2d: x is", "float32 or float64"]),
    "empty window": (lambda: ops.conv2d(X, z(16, 3, 0, 3)), ValueError, ["conv2d: w (16, 3, 0, 3)", "at least 1"]),
    "empty image": (lambda: ops.conv2d(z(1, 3, 0, 5), W), ValueError, ["conv2d: x (1, 3, 0, 5)", "only the batch"]),
    "no channels": (lambda: ops.conv2d(z(1, 0, 5, 5), z(2, 0, 3, 3)), ValueError, ["conv2d: x (1, 0, 5, 5)"]),
    "indices of a narrow type": (
        lambda: ops.max_pool3d_backward(z(1, 1, 1, 1), z(1, 1, 1, 1, dtype=np.uint8), (1, 2, 2, 2)),
        TypeError,
        ["max_pool3d_backward: indices are uint8", "int64 or int32", "return_indices=True"],
    ),
    "an index outside of its window": (
        lambda: ops.max_pool1d_backward(z(1, 2), np.array([[0, 1]]), (1, 4), 2),
        IndexError,
        [
            "max_pool1d_backward: indices[0, 1] is 1 in a plane of 4",
            "its window (2, stride 2, padding 0)",
            "options",
        ],
    ),
    "neither indices nor x": (
        lambda: ops.max_pool2d_backward(z(1, 1, 2, 2), x_shape=(1, 1, 4, 4)),
        TypeError,
        ["max_pool2d_backward: indices is None", "pass indices and x_shape, or x"],
    ),
    "y without x": (
        lambda: ops.adaptive_max_pool2d_backward(z(1, 1, 2, 2), y=z(1, 1, 2, 2)),
        TypeError,
        ["adaptive_max_pool2d_backward: y is given without x", "indices and x_shape"],
    ),
    "indices and x": (
        lambda: ops.max_pool2d_backward(z(1, 1, 2, 2), z(1, 1, 2, 2, dtype=int), x=z(1, 1, 4, 4), kernel_size=2),
        TypeError,
        ["max_pool2d_backward: got indices or x_shape beside x", "pass indices and x_shape, or x"],
    ),
    "x without kernel_size": (
        lambda: ops.max_pool2d_backward(z(1, 1, 2, 2), x=z(1, 1, 4, 4)),
        TypeError,
        ["max_pool2d_backward: kernel_size is None", "forward call's", "x is given"],
    ),
    "stride without kernel_size": (
        lambda: ops.max_pool2d_backward(z(1, 1, 2, 2), z(1, 1, 2, 2, dtype=int), (1, 1, 4, 4), stride=2),
        TypeError,
        ["max_pool2d_backward: kernel_size is None beside other options", "forward call's, or none"],
    ),
    "gy of another x": (
        lambda: ops.adaptive_avg_pool3d_backward(z(1, 2, 1, 1, 1), (1, 3, 4, 4, 4)),
        ValueError,
        [
            "adaptive_avg_pool3d_backward: gy is (1, 2, 1, 1, 1) but x is (1, 3, 4, 4, 4)",
            "(C, D, H, W)",
            "forward call",
        ],
    ),
    "gy of other options": (
        lambda: ops.max_pool2d_backward(z(1, 1, 2, 2), x=z(1, 1, 4, 4), kernel_size=2, stride=1),
        ValueError,
        ["max_pool2d_backward: gy is (1, 1, 2, 2)", "(1, 1, 3, 3)", "forward call"],
    ),
    "y of other options": (
        lambda: ops.max_pool2d_backward(z(1, 1, 2, 2), x=z(1, 1, 4, 4), y=z(1, 1, 2, 3), kernel_size=2),
        ValueError,
        ["max_pool2d_backward: y is (1, 1, 2, 3)", "(1, 1, 2, 2)", "forward call"],
    ),
    "y of another type": (
        lambda: ops.lp_pool2d_backward(z(1, 1, 2, 2), z(1, 1, 4, 4), z(1, 1, 2, 2, dtype=F32), 2, 2),
        TypeError,
        ["lp_pool2d_backward: gy is float64 but y is float32", "convert"],
    ),
    "y of the backward call": (
        lambda: ops.lp_pool1d_backward(z(1, 2), z(1, 4), z(1, 3), 2, 2),
        ValueError,
        ["lp_pool1d_backward: y is (1, 3)", "(1, 2)", "forward call"],
    ),
    "gy of the backward call": (
        lambda: ops.conv2d_backward(z(1, 16, 4, 4), X, W),
        ValueError,
        ["conv2d_backward: gy is (1, 16, 4, 4)", "(1, 16, 3, 3)", "forward call"],
    ),
    "transposed channels": (
        lambda: ops.conv_transpose2d(X, z(4, 3, 3, 3)),
        ValueError,
        ["conv_transpose2d: x has 3 channels", "4", "in_channels=3"],
    ),
    "transposed groups": (
        lambda: ops.conv_transpose2d(X, z(3, 3, 3, 3), groups=2),
        ValueError,
        ["conv_transpose2d: x has 3 channels", "groups=2"],
    ),
    "output_padding": (
        lambda: ops.conv_transpose2d(X, z(3, 3, 3, 3), stride=2, output_padding=2),
        ValueError,
        ["conv_transpose2d: output_padding is (2, 2)", "less than stride (2, 2)"],
    ),
    "output_padding -1": (
        lambda: ops.conv_transpose2d(X, z(3, 3, 3, 3), output_padding=-1),
        ValueError,
        ["conv_transpose2d: output_padding is -1", "at least 0"],
    ),
    "gradient: gy": (
        lambda: ops.conv2d_grad_input(z(1, 16, 4, 4), W, X.shape),
        ValueError,
        ["conv2d_grad_input: gy is (1, 16, 4, 4)", "(1, 16, 3, 3)", "forward call"],
    ),
    "gradient: gy without a batch": (
        lambda: ops.conv1d_grad_weight(z(2, 3), z(1, 2, 4), (2, 2, 2)),
        ValueError,
        ["conv1d_grad_weight: gy is (2, 3)", "(1, 2, 3)", "forward call"],
    ),
    "gradient: channels of x_shape": (
        lambda: ops.conv2d_grad_input(z(1, 16, 3, 3), W, (1, 4, 5, 5)),
        ValueError,
        ["conv2d_grad_input: x has 4 channels but w expects 3", "(1, 4, 5, 5)"],
    ),
    "gradient: rank of x_shape": (
        lambda: ops.conv3d_grad_input(z(1, 16, 3, 3, 3), z(16, 3, 3, 3, 3), (5, 5)),
        ValueError,
        ["conv3d_grad_input: x has 2 dimensions (5, 5)", "expected 5 (N, C, D, H, W)", "reshape"],
    ),
    "gradient: x_shape is a number": (
        lambda: ops.conv2d_grad_input(z(1, 16, 3, 3), W, 5),
        TypeError,
        ["conv2d_grad_input: x_shape is 5", "expected a tuple of ints", "pass the array's .shape"],
    ),
    "gradient: x_shape of floats": (
        lambda: ops.conv2d_grad_input(z(1, 16, 3, 3), W, (1.0, 3, 5, 5)),
        TypeError,
        ["conv2d_grad_input: x_shape is (1.0, 3, 5, 5)", "expected an int or 4"],
    ),
    "gradient: weight_shape": (
        lambda: ops.conv2d_grad_weight(z(1, 16, 3, 3), X, (16, 3, 3)),
        ValueError,
        ["conv2d_grad_weight: w has 3 dimensions (16, 3, 3)", "(K, C/groups, R, S)"],
    ),
    "gradient: rank of gy": (
        lambda: ops.conv2d_grad_bias(z(3, 3)),
        ValueError,
        ["conv2d_grad_bias: gy has 2 dimensions (3, 3)", "expected 4 (N, K, H, W)", "reshape"],
    ),
    "gradient: dtypes": (
        lambda: ops.conv2d_grad_weight(z(1, 16, 3, 3, dtype=F32), X, W.shape),
        TypeError,
        ["conv2d_grad_weight: gy is float32 but x is float64", "convert one"],
    ),
    "needs of another name": (
        lambda: ops.conv2d_backward(z(1, 16, 3, 3), X, W, needs=("x", "weights")),
        ValueError,
        ["conv2d_backward: needs has 'weights'", "expected some of 'x', 'weight', 'bias'", "did you mean 'weight'?"],
    ),
    "needs is a word": (
        lambda: ops.conv_transpose1d_backward(z(1, 2, 4), z(1, 3, 3), z(3, 2, 2), needs="x"),
        TypeError,
        ["conv_transpose1d_backward: needs is 'x'", "expected a tuple of some of 'x', 'weight', 'bias'", "pass ('x',)"],
    ),
    "needs is None": (
        lambda: ops.conv2d_backward(z(1, 16, 3, 3), X, W, needs=None),
        TypeError,
        ["conv2d_backward: needs is None", "expected a tuple of some of 'x', 'weight', 'bias'", "pass ('x',)"],
    ),
    "residual, 1-D": (
        lambda: ops.conv1d(z(3, 5), z(2, 3, 3), residual=z(3)),
        ValueError,
        ["conv1d: residual is (3,)", "expected (2, 3)", "y's shape"],
    ),
    "transposed, rank of w": (
        lambda: ops.conv_transpose3d(z(1, 3, 2, 2, 2), z(3, 2, 2, 2)),
        ValueError,
        ["conv_transpose3d: w has 4 dimensions (3, 2, 2, 2)", "expected 5 (C, K/groups, T, R, S)", "reshape"],
    ),
    "transposed, output_padding of 1-D": (
        lambda: ops.conv_transpose1d(z(1, 3, 2), z(3, 2, 2), output_padding=1),
        ValueError,
        ["conv_transpose1d: output_padding is (1,)", "less than stride (1,) or dilation (1,)"],
    ),
    "transposed gradient: gy": (
        lambda: ops.conv_transpose2d_backward(z(1, 2, 4, 4), X, z(3, 2, 2, 2)),
        ValueError,
        ["conv_transpose2d_backward: gy is (1, 2, 4, 4)", "expected (1, 2, 6, 6)", "forward call"],
    ),
    "nothing left": (
        lambda: ops.conv_transpose2d(z(1, 3, 1, 1), z(3, 2, 1, 1), padding=2),
        ValueError,
        ["conv_transpose2d: the output would be (-3, -3)", "less padding"],
    ),
}

POOL = {
    "window": (
        lambda: ops.max_pool2d(z(1, 3, 2, 2), 3),
        ValueError,
        ["max_pool2d: the window 3x3", "2x2", "(1, 3, 2, 2)", "smaller kernel or more padding"],
    ),
    "window, average": (lambda: ops.avg_pool2d(z(1, 3, 2, 2), 3), ValueError, ["avg_pool2d: the window 3x3", "2x2"]),
    "padding": (lambda: ops.max_pool2d(X, 3, padding=2), ValueError, ["max_pool2d: padding is 2", "half", "ops.pad"]),
    "padding, average": (lambda: ops.avg_pool2d(X, 3, padding=2), ValueError, ["avg_pool2d: padding is 2", "half"]),
    "size 0": (lambda: ops.max_pool2d(X, 0), ValueError, ["max_pool2d: kernel_size is 0", "at least 1"]),
    "size -1": (lambda: ops.avg_pool2d(X, (2, -1)), ValueError, ["avg_pool2d: kernel_size is (2, -1)", "at least 1"]),
    "size '2'": (lambda: ops.max_pool2d(X, "2"), TypeError, ["max_pool2d: kernel_size is '2'", "an int or 2"]),
    "stride 0": (lambda: ops.max_pool2d(X, 2, 0), ValueError, ["max_pool2d: stride is 0", "at least 1"]),
    "dilation 0": (lambda: ops.max_pool2d(X, 2, dilation=0), ValueError, ["max_pool2d: dilation is 0", "at least 1"]),
    "rank": (lambda: ops.max_pool2d(z(5, 5), 2), ValueError, ["max_pool2d: x", "(5, 5)", "(N, C, H, W)"]),
    "integers": (lambda: ops.max_pool2d(X.astype(int), 2), TypeError, ["max_pool2d: x is int64", "astype"]),
    "output_size 0": (
        lambda: ops.adaptive_avg_pool2d(X, 0),
        ValueError,
        ["adaptive_avg_pool2d: output_size", "at least 1"],
    ),
    "output_size -1": (
        lambda: ops.adaptive_max_pool2d(X, (-1, 2)),
        ValueError,
        ["adaptive_max_pool2d: output_size is (-1, 2)", "at least 1"],
    ),
    "three sizes": (lambda: ops.adaptive_avg_pool2d(X, (1, 2, 3)), ValueError, ["adaptive_avg_pool2d:", "(1, 2, 3)"]),
    "empty image": (
        lambda: ops.adaptive_avg_pool2d(z(1, 3, 0, 5), 2),
        ValueError,
        ["adaptive_avg_pool2d: x (1, 3, 0, 5)", "only the batch"],
    ),
    "indices of another shape": (
        lambda: ops.max_pool2d_backward(z(1, 1, 2, 2), z(1, 1, 2, 3, dtype=int), (1, 1, 4, 4)),
        ValueError,
        ["max_pool2d_backward: indices is (1, 1, 2, 3)", "(1, 1, 2, 2)"],
    ),
    "indices past the plane": (
        lambda: ops.max_pool2d_backward(z(1, 1, 2, 2), np.full((1, 1, 2, 2), 16), (1, 1, 4, 4)),
        IndexError,
        ["max_pool2d_backward: indices", "16", "0 to 15", "4x4"],
    ),
    "negative indices": (
        lambda: ops.max_pool2d_backward(z(1, 1, 2, 2), np.full((1, 1, 2, 2), -2), (1, 1, 4, 4)),
        IndexError,
        ["max_pool2d_backward: indices", "-2", "0 to 15"],
    ),
    "indices as floats": (
        lambda: ops.max_pool2d_backward(z(1, 1, 2, 2), z(1, 1, 2, 2), (1, 1, 4, 4)),
        TypeError,
        ["max_pool2d_backward: indices are float64", "integers", "return_indices=True"],
    ),
    "gy of the backward call": (
        lambda: ops.avg_pool2d_backward(z(1, 1, 3, 3), (1, 1, 4, 4), 2),
        ValueError,
        ["avg_pool2d_backward: gy is (1, 1, 3, 3)", "(1, 1, 2, 2)", "forward call"],
    ),
}

NORM = {
    "one value a channel": (
        lambda: ops.batch_norm(z(1, 3, 1, 1), None, None, training=True),
        ValueError,
        ["batch_norm: x (1, 3, 1, 1)", "one value per channel", "larger batch"],
    ),
    "evaluation without statistics": (
        lambda: ops.batch_norm(z(2, 3), None, None),
        ValueError,
        ["batch_norm:", "running_mean", "training=True"],
    ),
    "statistics of another length": (
        lambda: ops.batch_norm(z(2, 3, 4, 4), z(4), z(3)),
        ValueError,
        ["batch_norm: running_mean is (4,)", "(3,)", "(2, 3, 4, 4)"],
    ),
    "weight of another length": (
        lambda: ops.batch_norm(z(2, 3), z(3), z(3), z(5)),
        ValueError,
        ["batch_norm: weight is (5,)", "(3,)"],
    ),
    "rank": (lambda: ops.batch_norm(z(3), z(3), z(3)), ValueError, ["batch_norm: x", "(3,)", "(N, C)"]),
    "integers": (lambda: ops.batch_norm(z(2, 3, dtype=int), z(3), z(3)), TypeError, ["batch_norm: x is int64"]),
    "statistics of another dtype": (
        lambda: ops.batch_norm(z(2, 3), z(3, dtype=F32), z(3, dtype=F32)),
        TypeError,
        ["batch_norm: x is float64", "running_mean is float32", 'running_mean with .astype("float64")'],
    ),
    "residual": (
        lambda: ops.batch_norm_relu(z(2, 3), z(3), z(3), residual=z(2, 4)),
        ValueError,
        ["batch_norm_relu: residual is (2, 4)", "(2, 3)"],
    ),
    "eps": (lambda: ops.batch_norm(z(2, 3), z(3), z(3), eps=-1), ValueError, ["batch_norm: eps is -1", "at least 0"]),
    "momentum None": (
        lambda: ops.batch_norm(z(2, 3), z(3), z(3), training=True, momentum=None),
        TypeError,
        ["batch_norm: momentum is None", "expected a number", "or num_batches_tracked to average"],
    ),
    "momentum NaN": (
        lambda: ops.batch_norm(z(2, 3), z(3), z(3), training=True, momentum=np.nan),
        ValueError,
        ["batch_norm: momentum is nan, expected a number"],
    ),
    "momentum of a convolution's": (
        lambda: conv2d_batch_norm(X, W, None, (1, 0, 1, 1), (z(16), z(16), None), momentum=np.nan),
        ValueError,
        ["batch_norm: momentum is nan, expected a number"],
    ),
    "momentum on arrays": (
        lambda: ops.batch_norm_forward(z(2, 3), z(3), z(3), momentum=None),
        TypeError,
        ["batch_norm_forward: momentum is None, expected a number"],
    ),
    "statistics of layer_norm": (
        lambda: ops.layer_norm_backward(z(2, 3), z(2, 3), 3, None, z(3), z(2)),
        ValueError,
        ["layer_norm_backward: mean is (3,), expected (2,)", "the forward call gave"],
    ),
    "statistics of group_norm": (
        lambda: ops.group_norm_backward(z(2, 4), z(2, 4), 2, None, z(2, 2), z(2, 4)),
        ValueError,
        ["group_norm_backward: rstd is (2, 4), expected (2, 2)", "the forward call gave"],
    ),
    "gy of group_norm": (
        lambda: ops.group_norm_backward(z(2, 3), z(2, 4), 2, None, z(2, 2), z(2, 2)),
        ValueError,
        ["group_norm_backward: gy is (2, 3), expected (2, 4)"],
    ),
    "groups of backward": (
        lambda: ops.group_norm_backward(z(2, 4), z(2, 4), 3, None, z(2, 3), z(2, 3)),
        ValueError,
        ["group_norm_backward: x has 4 channels", "a multiple of num_groups=3"],
    ),
    "no statistics": (
        lambda: ops.layer_norm_backward(z(2, 3), z(2, 3), 3, None, None, z(2)),
        TypeError,
        ["layer_norm_backward: mean is None", "expected an array"],
    ),
    **{
        f"a gradient through {op.__name__}": (
            lambda op=op, given=given: op(Tensor(z(2, 4), requires_grad=True), *given),
            ValueError,
            [f"{op.__name__}: x requires a gradient, which {op.__name__} does not have", "x.detach()"],
        )
        for op, *given in (
            (ops.batch_norm_forward,),
            (ops.layer_norm_forward, 4),
            (ops.group_norm_forward, 2),
            (ops.dropout_forward, 0.5),
        )
    },
    "one value an activation": (
        lambda: ops.batch_norm_forward(z(1, 3, 2), per_activation=True),
        ValueError,
        ["batch_norm_forward: x (1, 3, 2) has one value per activation", "larger batch"],
    ),
    "weight of another shape than a sample": (
        lambda: ops.batch_norm_forward(z(2, 3, 2), weight=z(3), per_activation=True),
        ValueError,
        ["batch_norm_forward: weight is (3,), expected (3, 2)", "shape of a sample", "(2, 3, 2)"],
    ),
    "no sample": (
        lambda: ops.batch_norm_forward(z(4), per_activation=True),
        ValueError,
        ["batch_norm_forward: x is (4,), expected (N, C)", "only the batch"],
    ),
    "statistics that are read-only": (
        lambda: ops.batch_norm_forward(z(2, 3), np.broadcast_to(z(1), 3)),
        ValueError,
        ["batch_norm_forward: running_mean is read-only", "changed in place"],
    ),
    "var and rstd": (
        lambda: ops.batch_norm_backward(z(2, 3), z(2, 3), None, z(3), z(3), rstd=z(3)),
        TypeError,
        ["batch_norm_backward: got both var and rstd", "pass one"],
    ),
    "neither var nor rstd": (
        lambda: ops.batch_norm_backward(z(2, 3), z(2, 3), None, z(3)),
        ValueError,
        ["batch_norm_backward: mean or var is None", "(2, 3)", "as batch_norm_forward gave them"],
    ),
    "rstd of another length": (
        lambda: ops.batch_norm_backward(z(2, 3), z(2, 3), None, z(3), rstd=z(4)),
        ValueError,
        ["batch_norm_backward: rstd is (4,), expected (3,)"],
    ),
    "gy of the backward call": (
        lambda: ops.batch_norm_backward(z(2, 4), z(2, 3), None, z(3), z(3)),
        ValueError,
        ["batch_norm_backward: gy is (2, 4)", "(2, 3)"],
    ),
}

SCORES, LABELS = z(3, 4), np.array([0, 1, 2])
LOSS = {
    "label too high": (
        lambda: ops.cross_entropy(SCORES, np.array([0, 4, 1])),
        IndexError,
        ["cross_entropy: target has the label 4", "0 to 3", "4 classes", "correct the labels"],
    ),
    "negative label": (
        lambda: ops.cross_entropy(SCORES, np.array([0, -1, 1])),
        IndexError,
        ["cross_entropy:", "label -1", "0 to 3", "ignore_index=-100"],
    ),
    "label too high, nll": (
        lambda: ops.nll_loss(SCORES, np.array([9, 0, 1])),
        IndexError,
        ["nll_loss:", "label 9", "0 to 3"],
    ),
    "fewer labels": (
        lambda: ops.cross_entropy(SCORES, LABELS[:2]),
        ValueError,
        ["cross_entropy:", "(2,)", "(3,)", "(3, 4)"],
    ),
    "labels as floats": (
        lambda: ops.cross_entropy(SCORES, LABELS * 1.0),
        TypeError,
        ["cross_entropy: target is float64", "integers", "astype('int64')"],
    ),
    "labels as bools": (lambda: ops.cross_entropy(SCORES, LABELS > 0), TypeError, ["cross_entropy: target is bool"]),
    "no labels": (lambda: ops.cross_entropy(SCORES, None), TypeError, ["cross_entropy: target is"]),
    "class weights": (
        lambda: ops.cross_entropy(SCORES, LABELS, z(3)),
        ValueError,
        ["cross_entropy: weight is (3,)", "(4,)"],
    ),
    "reduction": (
        lambda: ops.cross_entropy(SCORES, LABELS, reduction="avg"),
        ValueError,
        ["cross_entropy: reduction is 'avg'", "mean", "sum", "none"],
    ),
    "label_smoothing": (
        lambda: ops.cross_entropy(SCORES, LABELS, label_smoothing=1.5),
        ValueError,
        ["cross_entropy: label_smoothing is 1.5", "0 to 1"],
    ),
    "integer scores": (lambda: ops.cross_entropy(SCORES.astype(int), LABELS), TypeError, ["cross_entropy: x is int64"]),
    "mse shapes": (lambda: ops.mse_loss(SCORES, z(3, 1)), ValueError, ["mse_loss:", "(3, 4)", "(3, 1)", "reshape"]),
    "l1 shapes": (lambda: ops.l1_loss(SCORES, z(4)), ValueError, ["l1_loss:", "(3, 4)", "(4,)", "reshape"]),
    "no target": (lambda: ops.mse_loss(SCORES, None), TypeError, ["mse_loss: target is None"]),
    "mse reduction": (
        lambda: ops.mse_loss(SCORES, SCORES, "max"),
        ValueError,
        ["mse_loss: reduction is 'max'", "mean"],
    ),
    "bce shapes": (
        lambda: ops.binary_cross_entropy_with_logits(SCORES, z(3)),
        ValueError,
        ["binary_cross_entropy_with_logits:", "(3, 4)", "(3,)"],
    ),
    "bce weight": (
        lambda: ops.binary_cross_entropy_with_logits(SCORES, SCORES, weight=z(3)),
        ValueError,
        ["binary_cross_entropy_with_logits: weight is (3,)", "(3, 4)"],
    ),
    "dropout p": (lambda: ops.dropout(SCORES, 1.5), ValueError, ["dropout: p is 1.5", "0 to 1"]),
    "dropout p < 0": (lambda: ops.dropout(SCORES, -0.1), ValueError, ["dropout: p is -0.1", "0 to 1"]),
    "dropout_forward p": (lambda: ops.dropout_forward(SCORES, 2), ValueError, ["dropout_forward: p is 2", "0 to 1"]),
    "dropout state": (
        lambda: ops.dropout_backward(SCORES, z(3, dtype=int), 0.5),
        TypeError,
        ["dropout_backward: state is int64 (3,)", "what dropout_forward gave", "gpunn.random.Draw"],
    ),
    "mask of another shape": (
        lambda: ops.dropout_backward(SCORES, z(4, dtype=bool), 0.5),
        TypeError,
        ["dropout_backward: state is bool (4,)", "gpunn.random.Draw"],
    ),
    "no dropout state": (
        lambda: ops.dropout_mask(None, 0.5, SCORES),
        TypeError,
        ["dropout_mask: state is a NoneType", "gpunn.random.Draw"],
    ),
    "softmax gy": (
        lambda: ops.softmax_backward(z(2, 3), SCORES, 1),
        ValueError,
        ["softmax_backward: gy is (2, 3), expected (3, 4)", "y's shape"],
    ),
    "log_softmax dim of backward": (
        lambda: ops.log_softmax_backward(SCORES, SCORES, 2),
        IndexError,
        ["log_softmax_backward: dim is 2", "-2 to 1", "(y (3, 4))"],
    ),
    "local response gy": (
        lambda: ops.local_response_norm_backward(z(1, 3, 2), z(1, 3, 4), 3),
        ValueError,
        ["local_response_norm_backward: gy is (1, 3, 2), expected (1, 3, 4)"],
    ),
    "local response rank": (
        lambda: ops.local_response_norm_backward(SCORES, SCORES, 3),
        ValueError,
        ["local_response_norm_backward: x has 2 dimensions (3, 4)", "(N, C, L)"],
    ),
    "one_hot of floats": (lambda: ops.one_hot(z(3)), TypeError, ["one_hot: target is float64", "integer", "astype"]),
    "one_hot too high": (
        lambda: ops.one_hot(np.array([0, 5]), 3),
        IndexError,
        ["one_hot:", "5", "0 to 2", "num_classes"],
    ),
    "one_hot negative": (lambda: ops.one_hot(np.array([0, -1]), 3), IndexError, ["one_hot:", "-1", "0 to 2"]),
    "linear": (
        lambda: ops.linear(z(2, 3), z(4, 5)),
        ValueError,
        ["linear: x has 3 features but w expects 5", "(2, 3)", "(4, 5)", "in_features=3"],
    ),
    "linear bias": (lambda: ops.linear(z(2, 5), z(4, 5), z(5)), ValueError, ["linear: bias is (5,)", "(4,)"]),
    "linear without weight": (lambda: ops.linear(z(2, 5), None), TypeError, ["linear: w is None"]),
    "hardtanh bounds": (
        lambda: ops.hardtanh(SCORES, 1, -1),
        ValueError,
        ["hardtanh: min_val is 1.0 and max_val -1.0", "min_val below max_val"],
    ),
    "clipped_relu ceiling": (
        lambda: ops.clipped_relu(SCORES, 0),
        ValueError,
        ["clipped_relu: ceiling is 0", "above 0"],
    ),
    "no y": (lambda: ops.relu_backward(SCORES, SCORES, None), TypeError, ["relu_backward: y is None", "pass y"]),
    "no x": (lambda: ops.silu_backward(SCORES, None, SCORES), TypeError, ["silu_backward: x is None", "pass x"]),
    "y of another shape": (
        lambda: ops.tanh_backward(SCORES, None, z(4)),
        ValueError,
        ["tanh_backward: y is (4,), expected (3, 4)", "gy's shape"],
    ),
    "x of another type": (
        lambda: ops.gelu_backward(SCORES, SCORES.astype(F32), None),
        TypeError,
        ["gelu_backward: gy is float64 but x is float32", "convert one"],
    ),
    "gy of integers": (
        lambda: ops.relu_backward(SCORES.astype(int), None, SCORES),
        TypeError,
        ["relu_backward: gy is int64", "float32 or float64"],
    ),
    "complex": (
        lambda: ops.relu(SCORES.astype(complex)),
        TypeError,
        ["relu: x is complex128, expected real numbers", "its .real and .imag in two calls"],
    ),
    "ceiling of an array": (
        lambda: ops.clipped_relu(SCORES, z(4)),
        TypeError,
        ["clipped_relu: ceiling is an array (4,), expected a number"],
    ),
    "alpha of text": (lambda: ops.elu(SCORES, "1"), TypeError, ["elu: alpha is '1', expected a number"]),
    "complex slope": (
        lambda: ops.leaky_relu_backward(SCORES, None, SCORES, 1j),
        TypeError,
        ["leaky_relu_backward: negative_slope is 1j, expected a number"],
    ),
    "threshold None": (lambda: ops.softplus(SCORES, 1, None), TypeError, ["softplus: threshold is None"]),
    "bound of text": (lambda: ops.hardtanh(SCORES, -1, "b"), TypeError, ["hardtanh: max_val is 'b'"]),
    "correction of text": (lambda: ops.var(SCORES, correction="1"), TypeError, ["var: correction is '1'"]),
    "k of an array": (
        lambda: ops.local_response_norm(z(1, 3, 2), 3, k=z(3)),
        TypeError,
        ["local_response_norm: k is an array (3,)"],
    ),
    "eps of an array": (
        lambda: ops.batch_norm_backward(z(4, 3), z(4, 3), None, z(3), z(3), z(3)),
        TypeError,
        ["batch_norm_backward: eps is an array (3,), expected a number"],
    ),
    "negative eps": (
        lambda: ops.batch_norm_backward(z(4, 3), z(4, 3), None, z(3), z(3), -1.0),
        ValueError,
        ["batch_norm_backward: eps is -1.0, expected at least 0"],
    ),
    "eps of text": (lambda: ops.layer_norm_forward(z(4, 3), 3, eps="0"), TypeError, ["layer_norm_forward: eps is '0'"]),
    "x for its shape": (
        lambda: ops.conv2d_grad_input(z(1, 16, 3, 3), W, X),
        TypeError,
        ["conv2d_grad_input: x_shape is an array (", "expected a tuple of ints; pass the array's .shape"],
    ),
    "x for its shape, averages": (
        lambda: ops.avg_pool2d_backward(z(1, 1, 2, 2), z(1, 1, 4, 4), 2),
        TypeError,
        ["avg_pool2d_backward: x_shape is an array (1, 1, 4, 4)", ".shape"],
    ),
    "x for its shape, places": (
        lambda: ops.max_pool2d_backward(z(1, 1, 2, 2), z(1, 1, 2, 2, dtype=int), z(1, 1, 4, 4)),
        TypeError,
        ["max_pool2d_backward: x_shape is an array (1, 1, 4, 4)", ".shape"],
    ),
    "x for its shape, adaptive": (
        lambda: ops.adaptive_avg_pool1d_backward(z(1, 2, 2), z(1, 2, 4)),
        TypeError,
        ["adaptive_avg_pool1d_backward: x_shape is an array (1, 2, 4)", ".shape"],
    ),
    "stride of an array": (lambda: ops.conv2d(X, W, stride=z(2)), TypeError, ["conv2d: stride is an array (2,)"]),
    "a mask of another shape": (
        lambda: ops.dropout_backward(SCORES, z(4, dtype=bool)),
        TypeError,
        ["dropout_backward: state is bool (4,)", "what dropout_forward gave", "or a mask of bool (3, 4)"],
    ),
    "beta 0": (lambda: ops.softplus_backward(SCORES, SCORES, None, 0), ValueError, ["softplus_backward: beta is 0.0"]),
    "softmax dim": (lambda: ops.softmax(z(2, 3), 2), IndexError, ["softmax: dim is 2", "-2 to 1", "(2, 3)"]),
    "softmax of integers": (lambda: ops.log_softmax(z(2, 3, dtype=int), 1), TypeError, ["log_softmax: x is int64"]),
}

T = Tensor(z(2, 3))
BASIC = {
    "add": (lambda: T + z(2, 4), ValueError, ["add:", "(2, 3)", "(2, 4)", "broadcast", "reshape"]),
    "add text": (lambda: T + "a", TypeError, ["add:", "<U1", "expected"]),
    "add None": (lambda: T + None, TypeError, ["add:", "object", "expected"]),
    "matmul": (lambda: T @ z(2, 3), ValueError, ["matmul:", "(2, 3) and (2, 3)", "transpose"]),
    "matmul of a number": (lambda: ops.matmul(z(2, 3), 2.0), ValueError, ["matmul:", "()", "expected"]),
    "matmul batches": (lambda: ops.matmul(z(2, 3, 4), z(3, 4, 5)), ValueError, ["matmul:", "(2, 3, 4)", "(3, 4, 5)"]),
    "where": (lambda: ops.where(z(2, 3) > 0, z(2, 4), 0.0), ValueError, ["where:", "(2, 3)", "(2, 4)"]),
    "where condition": (
        lambda: ops.where(z(2, 3), T, 0.0),
        TypeError,
        ["where: the condition", "float64", "bool", "x > 0"],
    ),
    "clip": (lambda: ops.clip(T), ValueError, ["clip:", "min", "max"]),
    "mean of integers": (lambda: ops.mean(z(2, dtype=int)), TypeError, ["mean:", "int64", "floating point"]),
    "reshape": (lambda: T.reshape(4, 2), ValueError, ["reshape:", "(2, 3)", "(4, 2)", "product is 6"]),
    "two unknown sizes": (lambda: T.reshape(-1, -1), ValueError, ["reshape:", "(-1, -1)", "at most one"]),
    "unknown size": (lambda: T.reshape(-1, 4), ValueError, ["reshape:", "(-1, 4)", "(2, 3)"]),
    "permute": (lambda: ops.permute(T, (0, 0)), ValueError, ["permute:", "(0, 0)", "(2, 3)", "once"]),
    "transpose": (lambda: ops.transpose(T, 0, 5), ValueError, ["transpose:", "5", "(2, 3)", "-2 to 1"]),
    "flatten": (lambda: ops.flatten(T, 1, 0), ValueError, ["flatten:", "start_dim 1", "end_dim 0", "swap"]),
    "unsqueeze": (lambda: ops.unsqueeze(T, 4), ValueError, ["unsqueeze:", "4", "(2, 3)"]),
    "broadcast_to": (lambda: ops.broadcast_to(T, (2, 4)), ValueError, ["broadcast_to:", "(2, 3)", "(2, 4)"]),
    "concatenate": (lambda: ops.concatenate([T, z(3, 4)]), ValueError, ["concatenate:", "(2, 3)", "(3, 4)", "axis 0"]),
    "concatenate nothing": (lambda: ops.concatenate([]), ValueError, ["concatenate:", "at least one"]),
    "stack": (lambda: ops.stack([T, z(2, 4)]), ValueError, ["stack:", "(2, 3)", "(2, 4)", "equal shapes"]),
    "pad mode": (lambda: ops.pad(T, (1, 1), mode="mirror"), ValueError, ["pad:", "'mirror'", "reflect", "circular"]),
    "pad reflect": (lambda: ops.pad(T, (3, 3), mode="reflect"), ValueError, ["pad:", "reflect", "at most 2", "(3, 3)"]),
    "pad circular": (lambda: ops.pad(T, (4, 3), mode="circular"), ValueError, ["pad:", "circular", "at most 3"]),
    "pad crop": (lambda: ops.pad(T, (-4, 0)), ValueError, ["pad:", "(-4, 0)", "no more than there is"]),
    "argmax of none": (lambda: ops.argmax(z(2, 0), 1), ValueError, ["argmax:", "(2, 0)", "at least one element"]),
    "argmin of two": (lambda: ops.argmin(X, (0, 1)), ValueError, ["argmin: axis is (0, 1)", "one axis", "flatten"]),
    "index of none": (
        lambda: ops.min(z(2, 0), 1, return_indices=True),
        ValueError,
        ["min: got shape (2, 0)", "at least one element"],
    ),
    "order by name": (lambda: ops.vector_norm(X, "fro"), TypeError, ["vector_norm: ord is 'fro'", "expected a number"]),
    "largest of none": (
        lambda: ops.vector_norm(z(2, 0), np.inf, 1),
        ValueError,
        ["vector_norm: got shape (2, 0)", "at least one element"],
    ),
    "norm of integers": (lambda: ops.vector_norm(z(2, dtype=int)), TypeError, ["vector_norm: got dtype int64"]),
    "argmax of two": (lambda: ops.argmax(X, (0, 1)), ValueError, ["argmax: axis is (0, 1)", "one axis", "flatten"]),
    "neg": (lambda: ops.neg(z(2, dtype=bool)), TypeError, ["neg: got dtype bool", "numbers", ".to('int64')"]),
    "join None": (lambda: ops.stack([T, None]), TypeError, ["stack: xs[1] is None", "an array", "leave it out"]),
    "pad odd": (lambda: ops.pad(T, (1, 1, 1)), ValueError, ["pad:", "(1, 1, 1)", "pairs"]),
    "pad by a half": (lambda: ops.pad(T, (1.5, 1)), TypeError, ["pad: padding is 1.5, expected an int"]),
    "pad by a half, in pairs": (lambda: ops.pad(T, ((1, 0.5), (0, 0))), TypeError, ["pad: padding is 0.5"]),
    "half an axis": (lambda: ops.sum(T, 1.5), TypeError, ["sum: axis is 1.5, expected an int or a tuple of them"]),
    "axis by name": (lambda: ops.max(T, "C"), TypeError, ["max: axis is 'C', expected an int"]),
    "axis of an array": (lambda: ops.mean(T, z(2)), TypeError, ["mean: axis is an array (2,), expected an int"]),
    "half a size": (lambda: ops.reshape(T, (2.5, 3)), TypeError, ["reshape: a size is 2.5, expected an int"]),
    "half a dimension": (lambda: ops.flatten(T, 0.5), TypeError, ["flatten: dimension is 0.5, expected an int"]),
    "one dimension": (lambda: ops.permute(T, 1), ValueError, ["permute: got dims (1,)", "each of 0 to 1 once"]),
    "half a new axis": (lambda: ops.unsqueeze(T, 0.5), TypeError, ["unsqueeze: axis is 0.5, expected an int"]),
    "half a class": (lambda: ops.one_hot(np.array([1]), 2.5), TypeError, ["one_hot: num_classes is 2.5"]),
    "half a seed": (lambda: gpunn.manual_seed(1.5), TypeError, ["manual_seed: seed is 1.5, expected an int"]),
    "a seed in words": (lambda: gpunn.manual_seed("42"), TypeError, ["manual_seed: seed is '42', expected an int"]),
    "a generator's seed": (lambda: gpunn.Generator("42"), TypeError, ["Generator: seed is '42', expected an int"]),
    "index": (lambda: T[2], IndexError, ["getitem:", "(2, 3)", "2"]),
    "too many indices": (lambda: T[0, 0, 0], IndexError, ["getitem:", "(2, 3)", "3"]),
    "float index": (lambda: T[1.0], IndexError, ["getitem:", "integers"]),
    "mask": (lambda: T[np.array([True, False, True])], IndexError, ["getitem:", "(2, 3)", "3"]),
    "sum axis": (lambda: ops.sum(T, 2), ValueError, ["sum: axis 2", "(2, 3)", "-2 to 1"]),
    "sum axis twice": (lambda: ops.sum(T, (0, 0)), ValueError, ["sum: axis (0, 0)", "different"]),
    "sum axis and dim": (lambda: ops.sum(T, axis=0, dim=1), TypeError, ["sum:", "axis 0", "dim 1", "pass one"]),
    "sum option": (lambda: ops.sum(T, dims=1), TypeError, ["sum:", "'dims'", "axis or dim"]),
    "max of nothing": (lambda: ops.max(z(0, 3)), ValueError, ["max:", "(0, 3)", "at least one"]),
    "var of one": (lambda: ops.var(z(1, 3), 0), ValueError, ["var:", "1 element", "correction=0"]),
}

TABLES = {"conv": CONV, "pool": POOL, "norm": NORM, "loss": LOSS, "basic": BASIC, "recurrent": RECURRENT}
ROWS = [pytest.param(*row, id=f"{part}: {name}") for part, table in TABLES.items() for name, row in table.items()]


@pytest.mark.parametrize(("call", "error", "words"), ROWS)
def test_the_text_says_what_was_wrong_and_what_to_do(call, error, words):
    check_refused(call, error, words)


def test_a_refused_call_changes_nothing():
    mean, var = np.zeros(3), np.ones(3)
    with pytest.raises(ValueError, match="batch_norm: weight"):
        ops.batch_norm(np.ones((4, 3)), mean, var, np.ones(5), training=True)
    assert (mean == 0).all() and (var == 1).all()
