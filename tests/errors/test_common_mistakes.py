"""The mistakes that users of PyTorch make most often are recognised as such, and the remedy works."""

import re

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn, ops, optim

F = nn.functional


def z(*shape, dtype="float32"):
    return np.zeros(shape, dtype)


def nhwc(order):
    return f"transpose it with x.permute{order}, an array with x.transpose{order}"


IMAGES = "x looks like (N, H, W, C); " + nhwc((0, 3, 1, 2))
X = z(2, 32, 32, 3)
LOOKS = {
    "conv2d": (lambda x: ops.conv2d(x, z(4, 3, 3, 3)), X, IMAGES),
    "groups": (lambda x: ops.conv2d(x, z(6, 1, 3, 3), groups=3), X, IMAGES),
    "Conv2d": (nn.Conv2d(3, 4, 3), X, IMAGES),
    "ConvTranspose2d": (nn.ConvTranspose2d(3, 4, 3), X, IMAGES),
    "one image": (nn.Conv2d(3, 4, 3), X[0], "x looks like (H, W, C); " + nhwc((2, 0, 1))),
    "Conv1d": (nn.Conv1d(3, 4, 3), z(2, 9, 3), "x looks like (N, L, C); " + nhwc((0, 2, 1))),
    "Conv3d": (nn.Conv3d(1, 4, 3), z(2, 9, 9, 9, 1), "x looks like (N, D, H, W, C); " + nhwc((0, 4, 1, 2, 3))),
    "BatchNorm2d": (nn.BatchNorm2d(3), X, IMAGES),
    "batch_norm": (lambda x: F.batch_norm(x, z(3), z(3) + 1), X, IMAGES),
    "max_pool2d": (lambda x: F.max_pool2d(x, 4), X, IMAGES),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 4), X, IMAGES),
    "no channel": (
        nn.Conv2d(1, 4, 3), z(8, 28, 28),
        "x looks like (N, H, W); give it its one channel with x.unsqueeze(1), an array with x[:, None]",
    ),
    "no batch": (nn.BatchNorm2d(3), z(3, 8, 8), "give it a batch with x.unsqueeze(0), an array with x[None]"),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOKS)
def test_axes_are_recognised_and_the_remedies_work(name):
    call, x, words = LOOKS[name]
    with pytest.raises(ValueError) as caught:
        call(x)
    assert str(caught.value).endswith("; " + words), caught.value
    tensors = re.search(r"with (x[.]\S*\(.*?\)), an array", words)[1]
    arrays = re.search(r"an array with (x.*)$", words)[1]
    call(eval(tensors, {"x": Tensor(x)}))
    call(eval(arrays, {"x": x}))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ops.conv2d(z(2, 32, 3, 3), z(4, 3, 3, 3)), "set in_channels=32"),
        (lambda: ops.conv2d(z(2, 5, 9, 9), z(4, 3, 3, 3)), "set in_channels=5"),
        (lambda: F.avg_pool2d(z(2, 3, 3, 3), 4), "use a smaller kernel or more padding"),
        (lambda: nn.BatchNorm2d(3)(z(2, 5, 9, 9)), "one a channel of x (2, 5, 9, 9)"),
        (lambda: nn.BatchNorm2d(3)(z(2, 3)), "reshape it"),
    ],
)
def test_what_looks_like_nothing_is_not_guessed_at(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value).endswith(words) and "looks like" not in str(caught.value)


SCORES = z(4, 3)
LABELS = {
    "one-hot": (np.eye(3, dtype="int64")[[0, 1, 2, 0]], "pass target.argmax(1) of one-hot labels"),
    "a column": (z(4, 1, dtype="int64"), "pass target.squeeze(-1)"),
    "floats": (z(4), "convert it, for example with target.astype('int64')"),
}


@pytest.mark.parametrize("wrap", [np.asarray, Tensor])
@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
def test_labels_of_a_wrong_form(loss, name, wrap):
    target, words = LABELS[name]
    with pytest.raises((ValueError, TypeError)) as caught:
        loss(wrap(SCORES), wrap(target))
    assert words in str(caught.value)
    remedy = re.search(r"target[.]\w+\(.*?\)", words)[0]
    assert np.isfinite(float(loss(wrap(SCORES), eval(remedy, {"target": wrap(target)}))))


def test_swapped_arguments_of_a_loss():
    with pytest.raises(
        TypeError, match=r"cross_entropy: .* expected scores first; call cross_entropy\(scores, labels\)"
    ):
        F.cross_entropy(z(4, dtype="int64"), SCORES)


@pytest.mark.parametrize("layer", [nn.Linear(3, 2), nn.Conv1d(2, 3, 1), nn.Sequential(nn.Linear(3, 2))])
def test_numpys_float64_is_to_be_converted_not_the_weights(layer):
    with pytest.raises(TypeError, match=r'x is float64 but w is float32; .* for example x with .astype\("float32"\)'):
        layer(np.ones((2, 3)))
    layer(np.ones((2, 3)).astype("float32"))


MAKERS = [getattr(optim, name) for name in dir(optim) if name[0] != "_"]
OPTIMISERS = [made for made in MAKERS if isinstance(made, type) and issubclass(made, optim.Optimizer)]


@pytest.mark.parametrize("name", sorted({made.__name__ for made in OPTIMISERS} - {"Optimizer"}))
def test_an_optimiser_of_a_model_says_what_to_pass(name):
    with pytest.raises(TypeError, match=f"{name}: params is a Linear, .*; pass model.parameters"):
        getattr(optim, name)(nn.Linear(2, 1))


@pytest.mark.parametrize(
    "call",
    [
        lambda m: optim.clip_grad_norm_(m, 1.0), lambda m: nn.utils.clip_grad_norm_(m, 1.0),
        lambda m: nn.utils.clip_grad_value_(m, 1.0), optim.grad_norm,
    ],
)  # fmt: skip
def test_so_does_clipping(call):
    with pytest.raises(TypeError, match=r"parameters is a Linear, .*; pass model.parameters"):
        call(nn.Linear(2, 1))


def test_a_flat_input_is_wanted():
    with pytest.raises(ValueError, match="or flatten x first"):
        nn.Linear(12, 2)(gpunn.zeros(5, 3, 2, 2))
