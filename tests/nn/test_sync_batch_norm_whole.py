"""SyncBatchNorm over ranks beside BatchNorm on the ranks' batches, one behind the other, in one process."""

import copy

import numpy as np
import pytest

import gpunn
from gpunn import dist, nn, ops
from tests.dist.together import together

LAYERS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
SHAPES = {"N C": ((), 1), "N C L": ((5,), 1), "N C H W": ((3, 4), 2), "N C D H W": ((2, 3, 2), 3)}
OPTIONS = {
    "plain": {},
    "affine=False": {"affine": False},
    "bias=False": {"bias": False},
    "track_running_stats=False": {"track_running_stats": False},
    "momentum=None": {"momentum": None},
    "momentum=0.7, eps=0.1": {"momentum": 0.7, "eps": 0.1},
    "affine=False, track_running_stats=False": {"affine": False, "track_running_stats": False},
}
LENGTHS = {"equal": (3, 3), "unequal": (1, 5, 0, 2)}


def cut(lengths, a):
    return np.split(a, np.cumsum(lengths)[:-1])


def draw(lengths, rest, steps=2, c=4):
    """Inputs and gradients of outputs of all ranks, for some steps; and parameters to start from."""
    rng = np.random.default_rng(2)
    shape = (sum(lengths), c, *rest)
    scale = np.arange(1, c + 1).reshape(c, *(1,) * len(rest))
    return [(rng.normal(2, 1, shape) * scale, rng.normal(size=shape)) for _ in range(steps)]


def started(layer):
    """With parameters other than 1 and 0."""
    rng = np.random.default_rng(4)
    layer = layer.to(dtype=np.float64)
    for p in layer.parameters():
        p.array[...] = rng.normal(1, 0.5, p.shape)
    return layer


def run(layer, batches, **options):
    """What the steps gave: outputs, gradients of x, the sums of parameters' gradients, and the state."""
    ys, gxs = [], []
    for x, gy in batches:
        x = gpunn.tensor(x, requires_grad=True)
        y = layer(x, **options)
        (y * gy).sum().backward()
        ys.append(y.array.copy())
        gxs.append(x.grad.array.copy())
    gradients = {name: p.grad.array.copy() for name, p in layer.named_parameters()}
    return ys, gxs, gradients, {name: np.array(a.array) for name, a in layer.named_buffers()}


def agree(found, want, atol=1e-11):
    """Outputs and gradients of x one behind the other; parameters' gradients are sums; buffers are alike on all."""
    for which in (0, 1):
        for step, whole in enumerate(want[which]):
            mine = np.concatenate([one[which][step] for one in found])
            np.testing.assert_allclose(mine, whole, rtol=0, atol=atol)
    for name, g in want[2].items():
        np.testing.assert_allclose(sum(one[2][name] for one in found), g, rtol=0, atol=10 * atol, err_msg=name)
    for one in found:
        assert list(one[2]) == list(want[2]) and list(one[3]) == list(want[3])
        for name, a in want[3].items():
            np.testing.assert_allclose(one[3][name], a, rtol=0, atol=atol, err_msg=name)
            assert one[3][name].tobytes() == found[0][3][name].tobytes(), f"{name}: ranks differ"


def compared(lengths, rest, dims, options, **call):
    base = started(LAYERS[dims](4, **options))
    synced = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(base))
    batches = draw(lengths, rest)
    parts = [[tuple(cut(lengths, a)[rank] for a in pair) for pair in batches] for rank in range(len(lengths))]
    found = together(len(lengths), lambda group: run(copy.deepcopy(synced), parts[group.rank], **call))
    agree(found, run(base, batches, **call))


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_options(options, lengths):
    compared(lengths, (3, 4), 2, options)


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize(("rest", "dims"), SHAPES.values(), ids=SHAPES)
def test_shapes(rest, dims, lengths):
    compared(lengths, rest, dims, {})


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_relu_behind_it(lengths):
    compared(lengths, (3, 4), 2, {}, relu=True)


def test_made_by_name_it_is_the_converted_one():
    made, changed = nn.SyncBatchNorm(4, eps=0.1, momentum=None), nn.BatchNorm2d(4, eps=0.1, momentum=None)
    changed = nn.SyncBatchNorm.convert_sync_batchnorm(changed)
    assert type(changed) is nn.SyncBatchNorm and isinstance(changed, nn.Module)
    assert list(made.state_dict()) == list(changed.state_dict()) == list(nn.BatchNorm2d(4).state_dict())
    assert repr(made) == repr(changed)


def test_pytorchs_layer_has_these_names_and_defaults():
    torch = pytest.importorskip("torch", reason="PyTorch is the standard here")
    theirs, ours = torch.nn.SyncBatchNorm(3), nn.SyncBatchNorm(3)
    assert list(theirs.state_dict()) == list(ours.state_dict())
    for name in ("num_features", "eps", "momentum", "affine", "track_running_stats"):
        assert getattr(theirs, name) == getattr(ours, name), name


@pytest.mark.parametrize("options", [{}, {"track_running_stats": False}], ids=str)
def test_evaluating_it_is_batch_norm_and_asks_nobody(options):
    base = started(nn.BatchNorm2d(4, **options)).eval()
    synced = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(base))
    ((x, gy),) = draw((6,), (3, 4), 1)

    def alone(group):
        found = run(copy.deepcopy(synced), [(x, gy)]) if group.rank else None
        assert not group.log
        return found

    found, want = together(2, alone)[1], run(base, [(x, gy)])
    assert all(np.array_equal(a, b) for which in (0, 1) for a, b in zip(found[which], want[which], strict=True))
    assert all(np.array_equal(found[3][name], a) for name, a in want[3].items())


def test_on_one_rank_it_has_the_bits_of_batch_norm():
    base = started(nn.BatchNorm2d(4))
    synced = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(base))
    batches = draw((6,), (3, 4))
    for found in (together(1, lambda group: run(copy.deepcopy(synced), batches))[0], run(synced, batches)):
        want = run(copy.deepcopy(base), batches)
        assert all(np.array_equal(a, b) for which in (0, 1) for a, b in zip(found[which], want[which], strict=True))
        assert all(np.array_equal(found[3][name], a) for name, a in want[3].items())


@pytest.mark.parametrize("frozen", ["weight", "bias", "both", "x"])
def test_only_the_gradients_that_are_asked_for(frozen):
    """No rank waits for a sum that the others do not take."""
    base = started(nn.SyncBatchNorm(4))
    for name, p in base.named_parameters():
        p.requires_grad_(name != frozen and frozen != "both")
    ((x, gy),) = draw((2, 3), (3, 4), 1)

    def step(group):
        layer = copy.deepcopy(base)
        mine = gpunn.tensor(cut((2, 3), x)[group.rank], requires_grad=frozen != "x")
        (layer(mine) * cut((2, 3), gy)[group.rank]).sum().backward()
        return [None if a.grad is None else a.grad.array for a in (mine, layer.weight, layer.bias)]

    found = together(2, step)
    want = started(nn.BatchNorm2d(4))
    whole = gpunn.tensor(x, requires_grad=True)
    (want(whole) * gy).sum().backward()
    missing = {"weight": [1], "bias": [2], "both": [1, 2], "x": [0]}[frozen]
    assert all((g is None) == (i in missing) for one in found for i, g in enumerate(one))
    if frozen != "x":
        np.testing.assert_allclose(np.concatenate([one[0] for one in found]), whole.grad.array, rtol=0, atol=1e-11)


def test_means_far_from_zero_keep_their_variance():
    """float32 at a mean of 10,000 and a deviation of 1: sums of squares would lose it."""
    rng = np.random.default_rng(0)
    x = (10_000 + rng.normal(size=(40, 3, 5, 5))).astype(np.float32)
    parts = cut((7, 33), x)
    base = nn.SyncBatchNorm(3)

    def step(group):
        layer = copy.deepcopy(base)
        return layer(parts[group.rank]).array, layer.running_var.array

    found = together(2, step)
    exact = x.astype(np.float64)
    axes = (0, 2, 3)
    want = (exact - exact.mean(axes, keepdims=True)) / np.sqrt(exact.var(axes, keepdims=True) + 1e-5)
    np.testing.assert_allclose(np.concatenate([y for y, _ in found]), want, rtol=0, atol=2e-3)
    np.testing.assert_allclose(found[0][1], 0.9 + 0.1 * exact.var(axes, ddof=1), rtol=1e-4)


def test_one_value_a_channel_on_all_ranks_is_refused_as_by_batch_norm():
    """One on each of two ranks is a batch of two."""
    x = np.arange(6.0, dtype=np.float32).reshape(2, 3)

    def step(group):
        return nn.SyncBatchNorm(3)(x[group.rank :][:1]).array

    np.testing.assert_allclose(np.concatenate(together(2, step)), nn.BatchNorm1d(3)(x).array, rtol=0, atol=1e-6)

    def single(group):
        with pytest.raises(ValueError) as error:
            nn.SyncBatchNorm(3)(x[: 1 - group.rank])
        return str(error.value)

    for rank, words in enumerate(together(2, single)):
        assert f"2 ranks has one value per channel (x ({1 - rank}, 3) on this one)" in words


class Block(nn.Module):
    """As in a residual network: norms in lists, dictionaries and attributes, one of them twice."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4, momentum=None)
        self.more = nn.ModuleList([nn.Sequential(nn.BatchNorm2d(4, affine=False), nn.ReLU()), nn.GroupNorm(2, 4)])
        self.named = nn.ModuleDict({"norm": nn.BatchNorm1d(4, track_running_stats=False), "again": self.norm})
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = self.norm(self.conv(x))
        for layer in self.more:
            x = layer(x)
        x = self.named["again"](x)
        return self.head(self.named["norm"](ops.mean(x, (2, 3))))


def test_conversion_keeps_what_the_network_has():
    gpunn.manual_seed(0)
    model = Block().eval()
    before, state = dict(model.named_parameters()), {k: np.array(a.array) for k, a in model.state_dict().items()}
    changed = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    assert dict(changed.named_parameters()).keys() == before.keys()
    assert all(p is before[name] for name, p in changed.named_parameters())
    assert list(changed.state_dict()) == list(state)
    assert [type(m) for m in changed.modules()].count(nn.SyncBatchNorm) == 3
    assert changed.norm is changed.named["again"] and changed.norm.momentum is None
    assert not changed.more[0][0].affine and not changed.named["norm"].track_running_stats
    assert not any(m.training for m in changed.modules()) and type(changed.more[1]) is nn.GroupNorm


@pytest.mark.parametrize("lengths", [(4, 4), (3, 0, 5), (2, 2, 3, 1)], ids=str)
def test_a_network_of_them_in_data_parallel_learns_as_one_with_the_whole_batch(lengths):
    """Three steps of SGD on means of unequal numbers of samples."""
    gpunn.manual_seed(0)
    base = Block().to(dtype=np.float64)
    rng = np.random.default_rng(3)
    n = sum(lengths)
    steps = [(rng.normal(size=(n, 3, 5, 5)), rng.integers(0, 3, n)) for _ in range(3)]

    def learn(model, batches):
        optimizer = gpunn.optim.SGD(model.parameters(), 0.05, momentum=0.9)
        for x, y in batches:
            optimizer.zero_grad()
            scores = model(x)
            (ops.cross_entropy(scores, y) if len(y) else scores.sum()).backward()
            optimizer.step()

    def rank(group):
        net = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(base))
        learn(dist.DataParallel(net), [tuple(cut(lengths, a)[group.rank] for a in pair) for pair in steps])
        return {name: np.array(a.array) for name, a in net.state_dict().items()}

    found = together(len(lengths), rank)
    learn(base, steps)
    for one in found:
        for name, a in base.state_dict().items():
            np.testing.assert_allclose(one[name], a.array, rtol=0, atol=1e-10, err_msg=name)
