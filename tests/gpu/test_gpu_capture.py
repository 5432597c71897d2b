"""Steps as CUDA graphs on a real device: replays are eager steps to the last bit, and what goes wrong is said."""

import ctypes
import warnings

import numpy as np
import pytest

import gpunn
from gpunn import data, models, nn, ops, optim, train
from gpunn.backend import require_cupy, to_device, to_numpy
from gpunn.errors import TrainingError

pytestmark = pytest.mark.gpu
NODES = {"lenet5": 20, "lenet_20_50_500": 20, "alexnet_lite": 45, "resnet20": 190}


def small_resnet():
    """Batch norm, a residual block and dropout."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), models.BasicBlock(16, 16),
        nn.Dropout(0.3), nn.Flatten(), nn.Linear(16 * 12 * 12, 10),
    )  # fmt: skip


NETWORKS = {
    "lenet5": (lambda: models.create("lenet5"), (16, 1, 28, 28)),
    "lenet_20_50_500": (lambda: models.create("lenet_20_50_500"), (16, 1, 28, 28)),
    "alexnet_lite": (lambda: models.create("alexnet_lite"), (16, 3, 32, 32)),
    "resnet20": (lambda: models.create("resnet20"), (8, 3, 32, 32)),
    "alexnet": (lambda: models.create("alexnet", num_classes=10), (16, 3, 224, 224)),
    "a small resnet with dropout": (small_resnet, (8, 3, 12, 12)),
}


def batches(shape, count):
    rng = np.random.default_rng(0)
    for _ in range(count):
        x, y = rng.standard_normal(shape).astype(np.float32), rng.integers(0, 10, shape[0])
        yield to_device(x, "cuda"), to_device(y, "cuda")


def taught(name, capture, count=50):
    """The losses of so many steps, the weights after them, and the step."""
    make, shape = NETWORKS[name]
    gpunn.manual_seed(1)
    model = make().to("cuda").train()
    sgd = optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=1e-4)
    step = train.CapturedStep(model, ops.cross_entropy, sgd, capture=capture)
    losses = [step(x, y) for x, y in batches(shape, count)]
    return list(map(float, losses)), {k: to_numpy(v).tobytes() for k, v in model.state_dict().items()}, step


@pytest.mark.parametrize("name", NETWORKS)
def test_50_steps_replayed_are_50_eager_ones(name):
    eager, weights, plain = taught(name, False)
    replayed, found, step = taught(name, True)
    assert step.captured and not plain.captured
    assert replayed == eager
    assert {key for key in weights if weights[key] != found[key]} == set()


@pytest.mark.parametrize("name", NODES)
def test_nodes_of_a_step(name):
    """As the look-alike counts them; a Trainer's step has those of its accuracy and its batch besides."""
    _, _, step = taught(name, True, 3)
    (kind,) = step._graphs._kinds.values()
    graph, count = kind.graph._graph, ctypes.c_size_t()
    driver = ctypes.CDLL("libcuda.so.1")
    assert driver.cuGraphGetNodes(ctypes.c_void_p(graph.graph), None, ctypes.byref(count)) == 0
    assert 5 < count.value <= NODES[name]


def linear_step(loss=ops.cross_entropy, **options):
    gpunn.manual_seed(0)
    model = nn.Linear(8, 10).to("cuda")
    return model, train.CapturedStep(model, loss, optim.SGD(model.parameters(), 0.1), **options)


def test_an_op_that_reads_on_the_host_is_named_once_and_steps_go_on():
    def loss(output, y):
        found = ops.cross_entropy(output, y)
        return found * (1.0 if float(found) < 1e9 else 0.5)

    _, step = linear_step(loss)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        losses = [float(step(x, y)) for x, y in batches((4, 8), 10)]
    assert len([one for one in said if one.category is RuntimeWarning]) == 1 and not step.captured
    _, plain = linear_step()
    assert losses == [float(plain(x, y)) for x, y in batches((4, 8), 10)]


def test_a_loss_that_is_not_finite_is_reported_with_its_step():
    _, step = linear_step()
    given = list(batches((4, 8), 12))
    given[7][0][0, 0] = float("nan")
    taken = [step(x, y) for x, y in given]
    assert step.captured
    with pytest.raises(TrainingError, match=r"loss .*step 8|step 8.* loss"):
        float(taken[-1])


def test_losses_are_read_long_after_their_steps():
    """More steps than the ring has slots: what nobody has read is taken out before its slot goes again."""
    _, step = linear_step()
    late = [step(x, y) for x, y in batches((4, 8), 300)]
    _, plain = linear_step(capture=False)
    assert list(map(float, late)) == [float(plain(x, y)) for x, y in batches((4, 8), 300)]


def test_replays_beside_other_work_keep_their_memory():
    """What the default pool hands out between replays is none of a graph's."""
    cupy = require_cupy()
    found = []
    for crowd in (False, True):
        model, step = linear_step()
        for x, y in batches((64, 8), 30):
            step(x, y)
            if crowd:
                held = [cupy.full(1 << n, cupy.nan, "float32") for n in range(4, 22)]
                del held
        found.append(to_numpy(model.weight.array).tobytes())
    assert found[0] == found[1]


def test_a_shape_that_changes_is_captured_anew_and_an_earlier_one_replayed():
    def run(capture):
        model, step = linear_step(capture=capture)
        losses = []
        for count in (4, 4, 4, 4, 2, 2, 2, 2, 4, 2):
            losses += [step(x, y) for x, y in batches((count, 8), 1)]
        return list(map(float, losses)), to_numpy(model.weight.array).tobytes()

    assert run(True) == run(False)


@pytest.mark.parametrize("name", ["lenet5", "a small resnet with dropout"])
def test_a_trainer_learns_the_same_with_and_without_capture(name, monkeypatch):
    """Two epochs, a last batch of its own size, an evaluation each, the rate another at each step."""
    make, (_, *image) = NETWORKS[name]
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((70, *image)).astype(np.float32), rng.integers(0, 10, 70)
    found = []
    for capture in ("0", "1"):
        monkeypatch.setenv("GPUNN_CAPTURE", capture)
        gpunn.manual_seed(2)
        model = make().to("cuda")
        sgd = optim.SGD(model.parameters(), 0.05, momentum=0.9)
        trainer = train.Trainer(model, sgd, schedule=optim.OneCycleLR(sgd, 0.05, total_steps=10), device="cuda")
        loader = data.DataLoader(data.ArrayDataset(x, y), 16, shuffle=True, device="cuda")
        trainer.fit(loader, loader, epochs=2)
        lines = [{k: v for k, v in line.items() if "second" not in k} for line in trainer.history]
        found.append((lines, {k: to_numpy(v).tobytes() for k, v in model.state_dict().items()}))
    assert found[0] == found[1]
