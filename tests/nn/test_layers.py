"""Each layer against PyTorch's of the same name, with the same weights: outputs, gradients, state after a step."""

from __future__ import annotations

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn, ops

rng = np.random.default_rng(3)


def normal(*shape):
    return rng.standard_normal(shape)


LAYERS = [
    ("Conv1d", (4, 6, 3), dict(padding=1, stride=2), (2, 4, 9)),
    ("Conv2d", (4, 6, (3, 2)), dict(padding=(1, 0), dilation=2, groups=2), (2, 4, 9, 8)),
    ("Conv2d", (4, 6, 3), dict(bias=False, padding="same"), (2, 4, 5, 6)),
    ("Conv3d", (2, 3, (1, 2, 3)), dict(padding=1), (2, 2, 3, 4, 5)),
    ("ConvTranspose1d", (4, 6, 3), dict(stride=2, padding=1, output_padding=1, groups=2), (2, 4, 7)),
    ("ConvTranspose2d", (4, 6, 3), dict(stride=2, padding=1, output_padding=1, groups=2), (2, 4, 5, 6)),
    ("ConvTranspose3d", (2, 3, (1, 2, 3)), dict(stride=(1, 2, 1), bias=False), (2, 2, 2, 3, 4)),
    ("MaxPool2d", (3,), dict(stride=2, padding=1, ceil_mode=True), (2, 3, 8, 7)),
    ("AvgPool2d", (3,), dict(stride=2, padding=1, count_include_pad=False), (2, 3, 8, 7)),
    ("AdaptiveAvgPool2d", ((3, None),), {}, (2, 3, 8, 7)),
    ("AdaptiveMaxPool2d", (3,), {}, (2, 3, 8, 7)),
    ("MaxPool1d", (3,), dict(stride=2, padding=1, dilation=2), (2, 3, 9)),
    ("AvgPool1d", (3,), dict(stride=2, padding=1, count_include_pad=False), (3, 8)),
    ("MaxPool3d", (2,), dict(ceil_mode=True), (2, 3, 3, 4, 5)),
    ("AvgPool3d", ((2, 3, 1),), dict(padding=(1, 1, 0)), (1, 3, 3, 4, 5)),
    ("LPPool1d", (2, 3), dict(stride=2, ceil_mode=True), (2, 3, 8)),
    ("LPPool2d", (2, (3, 2)), {}, (2, 3, 8, 7)),
    ("LPPool3d", (2, 2), dict(stride=(1, 2, 2)), (1, 2, 3, 4, 5)),
    ("AdaptiveAvgPool1d", (3,), {}, (2, 3, 7)),
    ("AdaptiveMaxPool1d", (3,), {}, (3, 7)),
    ("AdaptiveAvgPool3d", ((2, None, 3),), {}, (2, 3, 3, 4, 5)),
    ("AdaptiveMaxPool3d", ((2, 3, 2),), {}, (3, 3, 4, 5)),
    ("AdaptiveAvgPool2d", (1,), {}, (2, 3, 8, 7)),
    ("AdaptiveMaxPool2d", (1,), {}, (2, 3, 8, 7)),
    ("BatchNorm1d", (3,), {}, (5, 3)),
    ("BatchNorm1d", (3,), dict(affine=False), (5, 3, 4)),
    ("BatchNorm2d", (3,), dict(momentum=None, eps=1e-3), (5, 3, 4, 2)),
    ("BatchNorm3d", (3,), dict(track_running_stats=False), (2, 3, 4, 2, 2)),
    ("Linear", (5, 4), {}, (2, 3, 5)),
    ("Linear", (5, 4), dict(bias=False), (3, 5)),
    ("ReLU", (), {}, (3, 4)),
    ("LeakyReLU", (0.2,), {}, (3, 4)),
    ("Tanh", (), {}, (3, 4)),
    ("Sigmoid", (), {}, (3, 4)),
    ("Softplus", (2.0, 1.0), {}, (3, 4)),
    ("Softmax", (1,), {}, (3, 4, 2)),
    ("LogSoftmax", (-1,), {}, (3, 4)),
    ("Flatten", (), {}, (3, 4, 2)),
    ("Flatten", (0, 1), {}, (3, 4, 2)),
    ("Identity", (54,), dict(unused=1), (3, 4)),
    ("Dropout", (0.0,), {}, (3, 4)),
    ("Dropout2d", (0.0,), {}, (3, 4, 2, 2)),
    ("ELU", (), {}, (3, 4)),
    ("GLU", (), {}, (3, 4)),
    ("GLU", (1,), {}, (3, 4, 5)),
    *((name, (), {}, (30, 4)) for name in ("ReLU6", "SELU", "CELU", "Mish", "Hardswish", "Hardtanh")),
    *((name, (), {}, (30, 4)) for name in ("LogSigmoid", "Softsign", "Tanhshrink", "Softshrink", "Hardshrink")),
    ("CELU", (-0.5,), {}, (3, 4)),
    ("Threshold", (0.1, 7.0), {}, (3, 4)),
    ("Softmin", (1,), {}, (3, 4)),
    ("ELU", (-0.5,), {}, (3, 4)),
    ("SiLU", (), {}, (3, 4)),
    ("GELU", (), {}, (30, 4)),
    ("GELU", ("tanh",), {}, (3, 4)),
    ("PReLU", (), {}, (3, 4, 2)),
    ("PReLU", (4,), dict(init=0.1), (3, 4, 2)),
    ("PReLU", (4,), {}, (3, 4)),
    ("GroupNorm", (2, 6), {}, (2, 6, 3, 2)),
    ("GroupNorm", (3, 6), dict(affine=False, eps=0.1), (2, 6)),
    ("GroupNorm", (3, 6), dict(bias=False), (2, 6, 2)),
    ("BatchNorm2d", (3,), dict(bias=False), (5, 3, 4, 2)),
    ("SyncBatchNorm", (3,), dict(momentum=None, eps=1e-3), (5, 3, 4, 2)),
    ("SyncBatchNorm", (3,), dict(affine=False), (5, 3)),
    ("InstanceNorm1d", (3,), dict(affine=True, bias=False), (3, 3, 5)),
    ("InstanceNorm3d", (3,), dict(affine=True, track_running_stats=True), (2, 3, 5, 2, 2)),
    ("InstanceNorm3d", (3,), {}, (3, 5, 2, 2)),
    ("PixelShuffle", (2,), {}, (2, 8, 3, 2)),
    ("PixelUnshuffle", (3,), {}, (2, 2, 3, 6, 3)),
    ("ChannelShuffle", (3,), {}, (2, 6, 3, 2)),
    ("Unflatten", (1, (2, -1)), {}, (2, 6, 3)),
    ("Unfold", ((2, 3),), dict(dilation=(2, 1), padding=1, stride=2), (2, 3, 6, 5)),
    ("Fold", ((5, 6), (2, 3)), dict(padding=1, stride=(2, 1)), (2, 12, 18)),
    ("Dropout1d", (0.0,), {}, (2, 3, 4)),
    ("Dropout3d", (0.0,), {}, (2, 3, 4, 2, 2)),
    ("AlphaDropout", (0.0,), {}, (3, 4)),
    ("FeatureAlphaDropout", (0.0,), {}, (3, 4)),
    ("UpsamplingNearest2d", (), dict(scale_factor=2), (2, 3, 4, 5)),
    ("UpsamplingBilinear2d", ((7, 3),), {}, (2, 3, 4, 5)),
    ("LayerNorm", (5,), {}, (2, 3, 5)),
    ("LayerNorm", ((3, 5),), dict(bias=False), (2, 3, 5)),
    ("LayerNorm", ((5,),), dict(elementwise_affine=False, eps=0.1), (2, 3, 5)),
    ("RMSNorm", (5,), {}, (2, 3, 5)),
    ("RMSNorm", ((3, 5),), dict(elementwise_affine=False, eps=0.1), (2, 3, 5)),
    ("InstanceNorm1d", (3,), {}, (2, 3, 5)),
    ("InstanceNorm1d", (3,), dict(affine=True), (3, 5)),
    ("InstanceNorm2d", (3,), dict(affine=True, track_running_stats=True, momentum=0.3), (2, 3, 5, 2)),
    ("InstanceNorm2d", (3,), dict(track_running_stats=True, momentum=None), (2, 3, 5, 2)),
    ("InstanceNorm2d", (3,), {}, (3, 5, 2)),
    ("LocalResponseNorm", (5,), dict(alpha=0.3, k=2.0), (2, 7, 3, 2)),
    ("LocalResponseNorm", (4,), dict(alpha=2.0, beta=0.5), (2, 3, 5)),
    ("LocalResponseNorm", (9,), dict(alpha=2.0), (2, 3, 5)),
    ("RNNCell", (5, 4), {}, (2, 5)),
    ("RNNCell", (6, 4), dict(bias=False, nonlinearity="relu"), (6,)),
    ("GRUCell", (5, 4), {}, (2, 5)),
    ("ZeroPad2d", (2,), {}, (2, 3, 4, 5)),
    ("ZeroPad2d", ((1, 0, 2, 3),), {}, (3, 4, 5)),
    ("ConstantPad2d", ((1, 0, 2, 3), -1.5), {}, (2, 3, 4, 5)),
    ("ReflectionPad2d", ((1, 2, 3, 0),), {}, (2, 3, 4, 5)),
    ("ReplicationPad2d", (3,), {}, (3, 4, 5)),
    ("ZeroPad2d", ((-1, 2, 0, -1),), {}, (2, 3, 4, 5)),
    ("CircularPad2d", ((-1, 2, 1, -1),), {}, (2, 3, 4, 5)),
    ("CircularPad2d", ((1, 2, 3, 0),), {}, (2, 3, 4, 5)),
    *((f"{mode}Pad1d", ((2, 1),), {}, (2, 3, 4)) for mode in ("Zero", "Reflection", "Replication", "Circular")),
    *((f"{mode}Pad3d", (1,), {}, (2, 2, 3, 4, 2)) for mode in ("Zero", "Reflection", "Replication", "Circular")),
    ("ZeroPad3d", ((1, 0, 2, 3, 0, 4),), {}, (3, 2, 4, 5)),
    ("ConstantPad1d", (2, -1.5), {}, (3, 5)),
    ("ConstantPad3d", ((1, 0, 2, 3, 0, 4), 2.5), {}, (2, 2, 3, 4, 5)),
    ("Upsample", (), dict(scale_factor=2), (2, 3, 4, 5)),
    ("Upsample", ((7, 3),), {}, (2, 3, 4, 5)),
    ("Upsample", (7,), {}, (2, 3, 5)),
    ("Upsample", (), dict(scale_factor=(2.3, 0.6), mode="bilinear"), (2, 3, 4, 5)),
    ("Upsample", (), dict(scale_factor=2, mode="bilinear", align_corners=True), (2, 3, 4, 5)),
    ("Upsample", ((3, 9),), dict(mode="bicubic"), (2, 3, 4, 5)),
    ("Upsample", (), dict(scale_factor=1.6, mode="linear", recompute_scale_factor=True), (2, 3, 5)),
    ("Upsample", (5,), dict(mode="trilinear", align_corners=True), (2, 2, 3, 4, 5)),
    ("Upsample", ((3, 9),), dict(mode="area"), (2, 3, 4, 5)),
    ("Upsample", (), dict(scale_factor=1.3, mode="nearest-exact"), (2, 3, 5)),
    ("UpsamplingNearest2d", (), dict(scale_factor=2), (2, 3, 4, 5)),
    ("UpsamplingBilinear2d", ((7, 3),), {}, (2, 3, 4, 5)),
    ("Upsample", ((1, 9),), dict(mode="bilinear", align_corners=True), (2, 3, 4, 5)),
    ("Upsample", ((3, 9),), dict(mode="bilinear", align_corners=False), (2, 3, 4, 5)),
] + [
    (f"Conv{rank}d", (2, 3, 4), dict(padding=padding, padding_mode=mode), (2, 2, 6, 5, 7)[: rank + 2])
    for rank in (1, 2)
    for mode in ("zeros", "reflect", "replicate", "circular")
    for padding in (2, "same", "valid")
]


def pair(name, args, options):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    theirs = getattr(torch.nn, name)(*args, **options).double()
    ours = getattr(nn, name)(*args, **options)
    ours.load_state_dict(theirs.state_dict())
    return torch, theirs, ours.to("float64")


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name, args, options, shape", LAYERS)
def test_layer_equals_pytorchs(name, args, options, shape):
    torch, theirs, ours = pair(name, args, options)
    for mode in (True, True, False):
        theirs.train(mode)
        ours.train(mode)
        x = normal(*shape)
        xt, xg = torch.tensor(x, requires_grad=True), Tensor(x, requires_grad=True)
        yt, yg = theirs(xt), ours(xg)
        np.testing.assert_allclose(yg.numpy(), yt.detach().numpy(), rtol=1e-9, atol=1e-12)
        gy = normal(*yg.shape)
        theirs.zero_grad()
        ours.zero_grad()
        (yt * torch.tensor(gy)).sum().backward()
        yg.backward(gy)
        np.testing.assert_allclose(xg.gradient, xt.grad.numpy(), rtol=1e-8, atol=1e-10)
        for mine, its in zip(ours.parameters(), theirs.parameters(), strict=True):
            np.testing.assert_allclose(mine.gradient, its.grad.numpy(), rtol=1e-8, atol=1e-10)
    for key, array in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key], array.numpy(), rtol=1e-9, err_msg=key)


@pytest.mark.parametrize("name, args, options, shape", [row for row in LAYERS if "Norm" in row[0] or row[0] == "PReLU"])
def test_first_values_are_pytorchs(name, args, options, shape):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    theirs = getattr(torch.nn, name)(*args, **options).state_dict()
    ours = getattr(nn, name)(*args, **options).state_dict()
    assert list(ours) == list(theirs)
    for key, value in ours.items():
        np.testing.assert_array_equal(value, theirs[key].numpy(), err_msg=key)


@pytest.mark.parametrize("name, args, options, shape", LAYERS)
def test_layer_takes_views(name, args, options, shape):
    """Transposed, every second, backwards and read-only arrays give what their copies give, also in the gradient."""
    layer = getattr(nn, name)(*args, **options).to("float64")
    memory = normal(*[2 * n for n in reversed(shape)]).transpose()
    view = memory[tuple(slice(None, None, -2 if i % 2 else 2) for i in range(len(shape)))]
    view.flags.writeable = False
    found = []
    for x in (view, view.copy()):
        leaf = Tensor(x, requires_grad=True)
        y = layer(leaf)
        y.backward(np.linspace(-1, 1, y.size).reshape(y.shape))
        found.append((y.numpy(), leaf.gradient))
    for got, want in zip(*found, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name, args, options, shape", [row for row in LAYERS if row[3][0] in (2, 5)])
def test_layer_takes_an_empty_batch(name, args, options, shape):
    layer = getattr(nn, name)(*args, **options)
    x = Tensor(np.zeros((0, *shape[1:]), np.float32), requires_grad=True)
    for mode in (True, False):
        y = layer.train(mode)(x)
        assert y.shape == (0, *layer(normal(*shape).astype("f")).shape[1:]) and y.dtype == np.float32
        y.backward(np.zeros(y.shape, np.float32))
        assert x.gradient is not None and x.gradient.shape == x.shape
        assert all(p.gradient is None or not p.gradient.any() for p in layer.parameters())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name, args, options, shape", LAYERS)
def test_layer_of_16_bits_is_that_of_float32_rounded(name, args, options, shape, dtype):
    eps = float(pytest.importorskip("ml_dtypes").finfo(dtype).eps)
    narrow, wide = (getattr(nn, name)(*args, **options) for _ in range(2))
    wide.load_state_dict(narrow.to(dtype).state_dict())
    x = normal(*shape).astype(dtype)
    for mode in (True, False):
        found = []
        for layer, given in ((narrow, x), (wide, x.astype(np.float32))):
            leaf = Tensor(given, requires_grad=True)
            y = layer.train(mode)(leaf)
            layer.zero_grad()
            y.backward(np.linspace(-1, 1, y.size).astype(dtype).reshape(y.shape))
            found.append(
                [y.array, leaf.gradient, *(p.gradient for p in layer.parameters()), *(b.array for b in layer.buffers())]
            )
        for got, want in zip(*found, strict=True):
            assert got.dtype == (dtype if want.dtype == np.float32 else want.dtype)
            got, want = got.astype("d"), want.astype("d")
            np.testing.assert_allclose(got, want, rtol=eps, atol=eps * max(1, np.abs(want).max()))


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "NLLLoss", "MSELoss", "L1Loss", "BCEWithLogitsLoss"])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_loss_equals_pytorchs(name, reduction):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    x, weight = normal(5, 3), rng.random(3) + 0.1
    classes = name in ("CrossEntropyLoss", "NLLLoss")
    target = rng.integers(0, 3, 5) if classes else rng.random((5, 3))
    options = {"weight": weight} if classes or name.startswith("BCE") else {}
    options |= {"label_smoothing": 0.1} if name == "CrossEntropyLoss" else {}
    options |= {"pos_weight": weight * 2} if name.startswith("BCE") else {}
    as_torch = {key: torch.tensor(v) if isinstance(v, np.ndarray) else v for key, v in options.items()}
    theirs = getattr(torch.nn, name)(reduction=reduction, **as_torch)
    ours = getattr(nn, name)(reduction=reduction, **options)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    want = theirs(torch.tensor(x), torch.tensor(target)).numpy()
    np.testing.assert_allclose(ours(x, target), want, rtol=1e-9)
    with pytest.raises(ValueError, match=f"{name}: reduction is 'avg', expected one of 'none', 'mean', 'sum'"):
        getattr(nn, name)(reduction="avg")


def test_pooling_layers_return_indices():
    x = normal(1, 2, 4, 4)
    for layer in (nn.MaxPool2d(2, return_indices=True), nn.AdaptiveMaxPool2d(2, return_indices=True)):
        y, indices = layer(x)
        assert np.array_equal(y, np.take_along_axis(x.reshape(1, 2, 16), indices.reshape(1, 2, 4), 2).reshape(y.shape))


@pytest.mark.parametrize("name", ["AlphaDropout", "FeatureAlphaDropout", "Dropout", "Dropout1d", "Dropout3d"])
def test_dropout_in_place_is_dropout(name):
    layer, plain = getattr(nn, name)(0.5, inplace=True), getattr(nn, name)(0.5)
    values = normal(4, 3, 2, 2, 2)[(slice(None),) * 3 + (0,) * (("1d" in name) * 2 + ("2d" in name))]
    gpunn.manual_seed(1)
    want = plain(values)
    assert not np.array_equal(want, values) and repr(layer) == f"{name}(p 0.5, inplace)"
    for x in (values.copy(), Tensor(values.copy()), Tensor(values.copy(), requires_grad=True) * 1):
        gpunn.manual_seed(1)
        assert layer.train()(x) is x and np.array_equal(x, want)
        assert layer.eval()(x) is x and np.array_equal(x, want)
    with pytest.raises(RuntimeError, match=f"{name}: a leaf that requires a gradient cannot be changed in place"):
        layer.train()(Tensor(values, requires_grad=True))


def test_dropout_layer_follows_the_mode():
    layer, x = nn.Dropout(0.5), np.ones((100, 100), np.float32)
    y = layer(x)
    assert set(np.unique(y)) == {0, 2} and 0.45 < (y == 0).mean() < 0.55
    assert layer.eval()(x) is x


@pytest.mark.parametrize(
    "layer, unit",
    [
        (nn.Dropout2d(0.5), (slice(None), slice(None), 0, 0)),
        (nn.StochasticDepth(0.5, "row"), (slice(None), 0, 0, 0)),
        (nn.StochasticDepth(0.5, "batch"), (0, 0, 0, 0)),
    ],
    ids=lambda v: repr(v) if isinstance(v, nn.Module) else "",
)
def test_layers_that_drop_whole_units_follow_the_mode(layer, unit):
    x = np.ones((30, 20, 3, 2), np.float32)
    drawn = [layer.train()(x) for _ in range(20)]
    for y in drawn:
        kept = y[unit]
        assert (
            set(np.unique(y)) <= {0, 2} and (y == np.reshape(kept, np.shape(kept) + (1,) * (4 - np.ndim(kept)))).all()
        )
    assert {0, 2} == {float(v) for y in drawn for v in np.ravel(y[unit])}
    assert len({y.tobytes() for y in drawn}) > 1
    assert layer.eval()(x) is x


def test_batch_norm_fuses_residual_and_relu():
    layer, x, r = nn.BatchNorm2d(3), normal(4, 3, 2, 2).astype("f"), normal(4, 3, 2, 2).astype("f")
    plain = nn.BatchNorm2d(3)(x)
    np.testing.assert_allclose(layer(x, residual=r).numpy(), plain.numpy() + r, rtol=1e-6)
    np.testing.assert_allclose(
        layer(x, residual=r, relu=True).numpy(), np.maximum(plain.numpy() + r, 0), rtol=1e-5, atol=1e-6
    )


def test_evaluation_is_remembered_as_it_was():
    """A training step between an evaluation's forward and backward must not change its gradient."""
    layer = nn.BatchNorm1d(3)
    x = Tensor(normal(6, 3).astype("f"), requires_grad=True)
    y = layer.eval()(x)
    layer.train()(normal(6, 3).astype("f") * 100)
    ops.sum(y).backward()
    np.testing.assert_allclose(x.gradient, np.full((6, 3), 1 / np.sqrt(1 + 1e-5)), rtol=1e-6)


@pytest.mark.parametrize(
    "make, error, words",
    [
        (lambda: nn.Conv2d(3, 4, 0), ValueError, "Conv2d: kernel_size is 0, expected at least 1"),
        (lambda: nn.Conv2d(3, 4, 3, stride=-1), ValueError, "Conv2d: stride is -1, expected at least 1"),
        (lambda: nn.Conv2d(3, 4, (3, 3, 3)), ValueError, "Conv2d: kernel_size has 3 entries"),
        (lambda: nn.Linear(2, True), TypeError, "Linear: out_features is True, expected an int"),
        (lambda: nn.Conv2d(3, 4, (3, True)), TypeError, "Conv2d: kernel_size is .*True.*, expected an int or 2"),
        (lambda: nn.Conv2d(3, 4, 2.5), TypeError, "Conv2d: kernel_size is 2.5, expected an int or 2 of them"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "Conv2d: in_channels is 3, expected a multiple of groups=2"),
        (lambda: nn.Conv2d(0, 4, 3), ValueError, "Conv2d: in_channels is 0, expected at least 1"),
        (lambda: nn.Conv2d(3, 4, 3, padding="half"), ValueError, "Conv2d: padding is 'half', expected one of 'same'"),
        (lambda: nn.Conv2d(3, 4, 3, 2, "same"), ValueError, 'Conv2d: padding="same" needs stride 1'),
        (lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"), ValueError, "padding_mode is 'mirror', expected one of"),
        (lambda: nn.MaxPool2d(2, padding=2), ValueError, "MaxPool2d: padding is .* at most half of kernel_size"),
        (lambda: nn.Linear(3, -1), ValueError, "Linear: out_features is -1, expected at least 1"),
        (lambda: nn.Dropout(1.5), ValueError, "Dropout: p is 1.5, expected 0 to 1"),
        (lambda: nn.AdaptiveAvgPool2d(0), ValueError, "AdaptiveAvgPool2d: output_size is .*, expected at least 1"),
        (lambda: nn.BatchNorm2d(3)(np.zeros((2, 3), "f")), ValueError, "BatchNorm2d: x has 2 dimensions .* expected 4"),
        (
            lambda: nn.BatchNorm1d(3)(np.zeros((1, 3), "f")),
            ValueError,
            r"batch_norm: x \(1, 3\) has one value per channel.*use a larger batch, or evaluation mode",
        ),
        (
            lambda: nn.Conv2d(4, 16, 3)(np.zeros((8, 3, 32, 32), "f")),
            ValueError,
            r"conv2d: x has 3 channels but w expects 4 \(x \(8, 3, 32, 32\), w \(16, 4, 3, 3\)\); set in_channels=3",
        ),
        (lambda: nn.Dropout2d(-0.1), ValueError, "Dropout2d: p is -0.1, expected 0 to 1: .* a channel is dropped"),
        (lambda: nn.Dropout(None), ValueError, "Dropout: p is None, expected 0 to 1"),  # type: ignore[arg-type]
        (lambda: nn.LayerNorm(()), ValueError, r"LayerNorm: normalized_shape has 0 entries \(\), expected"),
        (lambda: nn.StochasticDepth(0.5, "rows"), ValueError, "StochasticDepth: mode is 'rows', expected one of 'row'"),
        (lambda: nn.GELU("erf"), ValueError, "GELU: approximate is 'erf', expected one of 'none', 'tanh'"),
        (lambda: nn.PReLU(0), ValueError, "PReLU: num_parameters is 0, expected at least 1"),
        (
            lambda: nn.GroupNorm(4, 6),
            ValueError,
            "GroupNorm: num_channels is 6, expected a multiple of num_groups=4",
        ),
        (
            lambda: nn.InstanceNorm2d(3)(np.zeros((2, 4, 5, 5), "f")),
            ValueError,
            r"InstanceNorm2d: x is \(2, 4, 5, 5\), expected \(N, C, H, W\) or \(C, H, W\) with 3 channels; .*num_feat",
        ),
        (lambda: nn.ZeroPad2d((1, 2)), ValueError, "ZeroPad2d: padding has 2 entries .*, expected an int or 4 of them"),
        (
            lambda: nn.ZeroPad2d(1)(np.zeros((2, 3))),
            ValueError,
            r"ZeroPad2d: x has 2 dimensions .* expected \(N, C, H, W",
        ),
        (
            lambda: nn.CircularPad1d(1)(np.zeros((1, 2, 3, 4))),
            ValueError,
            r"CircularPad1d: x has 4 dimensions .* expected \(N, C, L\) or \(C, L\); reshape it",
        ),
        (lambda: nn.ZeroPad1d((1, 2, 3, 4)), ValueError, "ZeroPad1d: padding has 4 entries .*, expected an int or 2"),
        (
            lambda: nn.ReflectionPad2d(4)(np.zeros((2, 3, 4))),
            ValueError,
            "pad: mode 'reflect' cannot pad axis 1 of size 3 by .4, 4.; expected at most 2",
        ),
        (lambda: nn.Upsample(), ValueError, "Upsample: size is None and scale_factor is None, expected one of them"),
        (
            lambda: nn.Upsample(2, mode="cubic"),
            ValueError,
            "Upsample: mode is 'cubic', expected one of 'nearest', 'lin",
        ),
        (lambda: nn.Linear(3, 2)(np.zeros((1, 3))), TypeError, "linear: x is float64 but w is float32; convert one"),
    ],
)
def test_errors(make, error, words):
    with pytest.raises(error, match=words):
        make()
