"""What a step may cost: launches and host reads on the look-alike of CuPy, Python calls of one convolution.

Counts do not depend on the batch, so small ones do. A limit is what the code needs today: lower it with the code.
"""

import os

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, data, models, nn, no_grad, ops, optim, train
from gpunn.cuda import cubins, kernel, source, variants
from gpunn.cuda.problem import Norm
from gpunn.cuda.variants import tracing
from tests import counting, cupy_capture
from tests.thinned import one_in

LAUNCHES = {  # a step: forward, cross-entropy, backward, SGD with momentum
    "lenet5": ((2, 1, 28, 28), 16),
    "resnet20": ((2, 3, 32, 32), 115),
    "resnet50": ((2, 3, 32, 32), 290),
}
in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="seconds of plans of many layers: in CI")
NETWORKS = ["lenet5", "resnet20", pytest.param("resnet50", marks=in_ci)]
NODES = {"lenet5": 20, "lenet_20_50_500": 18, "alexnet_lite": 40, "resnet20": 118}  # of a Trainer's captured step
FUSED = {  # shape, norms (all are folded), what they read and wrote, without residuals, in images of the first block
    "resnet20": ((2, 3, 32, 32), 19, (2, 16, 32, 32), 2 * (7 + 6 / 2 + 6 / 4)),
    "resnet18": ((2, 3, 64, 64), 20, (2, 64, 16, 16), 2 * (4 + 4 + 5 * 7 / 8)),
}
CUPYS_OWN = {  # launches of CuPy's own kernels in a step, by name, each with the reason
    "lenet5": {},
    "alexnet_lite": {},
    "resnet20": {},
    "resnet18": {},
    "resnet50": {},
}
# With nn.fuse, by precision: convolutions but the first, of three channels, give batch norm its statistics, and the
# second of each block the first one's norm the sums of its backward pass.
LAUNCHES_OF_A_FUSED_STEP = {"fp32": 138, "bf16": 160}
LAUNCHES_OF_EVALUATION = {"lenet5": 5, "resnet20": 45}
ROWS = {  # what normalises each sample by itself: launches forward, backward with its parameters' gradients
    "layer_norm": (lambda x, w, b: ops.layer_norm(x, 8, w, b), 1, 2),
    "rms_norm": (lambda x, w, b: ops.rms_norm(x, 8, w), 1, 2),
    "group_norm": (lambda x, w, b: ops.group_norm(x, 2, w, b), 1, 2),
    "local_response_norm": (lambda x, w, b: ops.local_response_norm(x, 5), 1, 1),
    "softmax": (lambda x, w, b: ops.softmax(x, 3), 1, 1),
    "log_softmax": (lambda x, w, b: ops.log_softmax(x, 1), 1, 1),
}
SHAPES = {  # what changes images' sizes, and reads rows of tables: launches forward, and back
    "nearest": (lambda x, w, i: ops.interpolate(x, scale_factor=2), 1, 1),
    "bilinear": (lambda x, w, i: ops.interpolate(x, (9, 5), mode="bilinear"), 1, 1),
    "bicubic": (lambda x, w, i: ops.interpolate(x, (3, 9), mode="bicubic", antialias=True), 1, 1),
    "grid_sample": (lambda x, w, i: ops.grid_sample(x, ops.reshape(x, (2, 16, 12, 2))), 1, 3),  # and their sum
    "affine_grid": (lambda x, w, i: ops.affine_grid(x[:, 0, :2, :3], (2, 1, 4, 5)), 2, 2),
    "embedding": (lambda x, w, i: ops.embedding(i, w), 1, 2),
    "rows of an array": (lambda x, w, i: ops.getitem(w, i), 1, 2),
}
ATTENTIONS = {"plain": {}, "causal": {"is_causal": True}, "bool": {"attn_mask": np.tri(5, dtype=bool)},
              "added": {"attn_mask": np.zeros((2, 1, 5, 5), np.float32)},
              "dropped": {"attn_mask": np.tri(5, dtype=bool), "dropout_p": 0.1}}  # fmt: skip
LOSSES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy_with_logits")
READS_OF_A_TRAINING_STEP = 0
PYTHON_CALLS_OF_CONV2D = {"cuda": 41, "emulator": 41}  # of row-major arrays, which two launches first bring in order
PYTHON_CALLS = {  # forward with recording, plan known, on cuda arrays
    "batch_norm": 47,  # three of them for its numbers
    "tanh": 18,
    "linear": 23,
    "max_pool2d": 22,  # three of them for what is alike in all ranks
    "cross_entropy": 33,
    "add": 36,
    "a step of LeNet-5": 449,  # one of them numbers the backward pass
}


def batch(shape, device):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    return gpunn.to_device(x, device), gpunn.to_device(np.arange(len(x)) % 10, device)


@pytest.mark.parametrize("name", NETWORKS)
def test_launches_of_a_step(name, look_alike):
    shape, limit = LAUNCHES[name]
    x, labels = batch(shape, "cuda")
    with counting.dry():
        model = models.create(name).to("cuda")
        sgd = optim.SGD(model.parameters(), 0.01, momentum=0.9)
        for _ in range(2):  # the first makes plans and the optimiser's state
            with counting.device_work() as work:
                sgd.zero_grad()
                ops.cross_entropy(model(x), labels).backward()
                sgd.step()
    assert work.launches.total() <= limit, str(work)
    assert not work.copies.total(), str(work)


@pytest.mark.parametrize("name", [*NETWORKS, "alexnet_lite", "resnet18"])
def test_launches_of_a_step_that_are_cupys_own(name, look_alike):
    """Elementwise kernels, copies and fills: none, since sums of gradients, frames and copies have kernels of ours."""
    ours = {source.read(kernel).entry for kernel in source.names()}
    x, labels = batch(LAUNCHES.get(name, ((2, 3, 32, 32), 0))[0], "cuda")
    with counting.dry():
        model = models.create(name).to("cuda")
        sgd = optim.SGD(model.parameters(), 0.01, momentum=0.9)
        for _ in range(2):
            with counting.device_work() as work:
                sgd.zero_grad()
                ops.cross_entropy(model(x), labels).backward()
                sgd.step()
    assert {name: count for name, count in work.launches.items() if name not in ours} == CUPYS_OWN[name], str(work)


@pytest.fixture
def hopper(look_alike, monkeypatch):
    """The look-alike with a Hopper's kernels, which are counted and not run."""
    monkeypatch.setattr(variants, "capability", lambda device: 90)
    monkeypatch.setattr("gpunn.cuda.device._attribute", lambda device, name: 227 * 1024)
    monkeypatch.setattr(kernel.Kernel, "_allow_shared", lambda *args: None)
    monkeypatch.setattr(cubins, "find", lambda build: None)  # it runs no machine code that happens to lie in the cache
    variants._lacking.cache_clear()
    yield
    variants._lacking.cache_clear()


@pytest.mark.skipif(not os.environ.get("CI"), reason="plans of a network for another device: in CI")
@pytest.mark.parametrize("precision", LAUNCHES_OF_A_FUSED_STEP)
def test_launches_of_a_fused_step(precision, hopper):
    """As many, of which fewer read what a convolution has just written: 18 forwards, 9 backwards."""
    x, labels = batch((128, 3, 32, 32), "cuda")  # of two images Hopper would split the tiles of the last layers
    totals = []
    with counting.dry(), gpunn.precision(precision):
        for change in (nn.unfuse, nn.fuse):
            model = change(models.create("resnet20").to("cuda"))
            sgd = optim.SGD(model.parameters(), 0.01, momentum=0.9)
            for _ in range(2):
                with counting.device_work() as work:
                    sgd.zero_grad()
                    ops.cross_entropy(model(x), labels).backward()
                    sgd.step()
            totals.append(work.launches.total())
            left = (1, 10) if change is nn.fuse else (19, 19)
            assert (work.launches["batch_norm_forward"], work.launches["batch_norm_backward"]) == left
    assert totals[0] == totals[1] <= LAUNCHES_OF_A_FUSED_STEP[precision], str(work)


@pytest.mark.parametrize("name", NODES)
def test_nodes_of_a_captured_step(name, look_alike, monkeypatch):
    """All of it: numbers fed, the batch gathered, forward, loss, accuracy, backward, SGD, what the host will read."""
    graphs = []
    monkeypatch.setattr(cupy_capture.Graph, "launch", lambda graph, stream=None: graphs.append(graph))
    images = np.zeros((6, *models.input_shape(name)), np.uint8)
    with counting.dry():
        model = models.create(name).to("cuda")
        trainer = train.Trainer(model, optim.SGD(model.parameters(), 0.01, momentum=0.9), device="cuda")
        digits = data.Resident(data.ArrayDataset(images, np.arange(6)), "cuda")
        for made in data.DataLoader(digits, 2, transform=data.Normalise(0.5, 0.5)):
            trainer._step(made, False, made.given)
    nodes = counting.graph_nodes(graphs[0])
    assert "gather" in nodes and nodes[0] == "step_begin" and nodes[-1] == "step_end", nodes
    assert len(nodes) <= NODES[name], nodes


@pytest.mark.parametrize("name", LAUNCHES_OF_EVALUATION)
def test_launches_of_evaluation(name, look_alike):
    x, _ = batch(LAUNCHES[name][0], "cuda")
    with counting.dry(), no_grad():
        model = models.create(name).to("cuda").eval()
        for _ in range(2):
            with counting.device_work() as work:
                model(x)
    assert work.launches.total() <= LAUNCHES_OF_EVALUATION[name], str(work)


@pytest.mark.parametrize("name", ROWS)
def test_launches_of_what_normalises_a_sample(name, look_alike):
    function, forward, backward = ROWS[name]
    x, w, b = (Tensor(batch(shape, "cuda")[0], requires_grad=True) for shape in ((2, 8, 6, 8), (8,), (8,)))
    gy = batch((2, 8, 6, 8), "cuda")[0]
    with counting.dry():
        for _ in range(2):
            with counting.device_work() as work:
                y = function(x, w, b)
            with counting.device_work() as back:
                y.backward(gy)
            x.gradient = w.gradient = b.gradient = None
    assert work.launches.total() <= forward and back.launches.total() <= backward, f"{work}, {back}"
    assert not work.copies.total() + back.copies.total(), f"{work}, {back}"


@pytest.mark.parametrize("name", SHAPES)
def test_launches_of_what_gathers(name, look_alike):
    """And no array of the host's, once a shape is known."""
    function, forward, backward = SHAPES[name]
    x, w = (Tensor(batch(shape, "cuda")[0], requires_grad=True) for shape in ((2, 8, 6, 8), (9, 8)))
    index = gpunn.to_device(np.array([[8, 1], [1, 0]]), "cuda")
    with counting.dry():
        for _ in range(2):
            with counting.device_work() as work:
                y = function(x, w, index)
            gy = batch(y.shape, "cuda")[0]
            with counting.device_work() as back:
                y.backward(gy)
            x.gradient = w.gradient = None
    assert (work.launches.total(), back.launches.total()) == (forward, backward), f"{work}, {back}"
    assert not work.copies.total() + back.copies.total(), f"{work}, {back}"


@pytest.mark.parametrize("name", ATTENTIONS)
def test_launches_of_attention(name, look_alike):
    """Two products and softmax between them, however it is masked; back four, softmax, and gy or slopes scaled."""
    q, k, v = (Tensor(batch((2, 3, 5, 8), "cuda")[0], requires_grad=True) for _ in range(3))
    options = dict(ATTENTIONS[name])
    if "attn_mask" in options:
        options["attn_mask"] = gpunn.to_device(options["attn_mask"], "cuda")
    gy = batch((2, 3, 5, 8), "cuda")[0]
    with counting.dry():
        for _ in range(2):
            with counting.device_work() as work:
                y = ops.scaled_dot_product_attention(q, k, v, **options)
            with counting.device_work() as back:
                y.backward(gy)
            q.gradient = k.gradient = v.gradient = None
    expected = (4, 10) if name == "dropped" else (3, 6)  # dropout, forward and back, and each gradient copied
    assert (work.launches.total(), back.launches.total()) == expected, f"{work}, {back}"
    assert not work.copies.total() + back.copies.total(), f"{work}, {back}"


@pytest.mark.parametrize("name", LOSSES)
def test_launches_of_a_loss(name, look_alike):
    """Its values and their mean; the gradient's share of each, and the slopes."""
    x, t = Tensor(batch((2, 8, 6, 8), "cuda")[0], requires_grad=True), batch((2, 8, 6, 8), "cuda")[0]
    with counting.dry():
        for _ in range(2):
            with counting.device_work() as work:
                y = getattr(ops, name)(x, t)
            with counting.device_work() as back:
                y.backward()
            x.gradient = None
    assert (work.launches.total(), back.launches.total()) == (2, 2), f"{work}, {back}"


def test_launches_of_ctc(look_alike):
    """Its loss, with lengths that stay on the device; the ways at each position, and the slopes."""
    x = Tensor(batch((5, 3, 6), "cuda")[0], requires_grad=True)
    given = [gpunn.to_device(np.array(a), "cuda") for a in ([[1, 2], [3, 3], [4, 0]], [5, 4, 5], [2, 2, 1])]
    with counting.dry():
        for _ in range(2):
            with counting.device_work() as work:
                y = ops.ctc_loss(x, *given)
            with counting.device_work() as back:
                y.backward(y.array)
            x.gradient = None
    assert (work.launches.total(), back.launches.total()) == (1, 2), f"{work}, {back}"
    assert not work.copies.total() + back.copies.total(), f"{work}, {back}"


@pytest.mark.parametrize("name", FUSED)
def test_evaluation_of_a_fused_network(name, look_alike):
    """Normalisations read and write images no more, each for a launch of the size of its convolution's weights."""
    shape, norms, image, images = FUSED[name]
    x, _ = batch(shape, "cuda")
    with counting.dry(), no_grad():
        model, moved, totals = models.create(name).to("cuda").eval(), [], []
        for change in (nn.unfuse, nn.fuse):
            change(model)(x)
            with counting.device_work() as work, tracing() as calls:
                model(x)
            applied = [call.problem for call in calls if isinstance(call.problem, Norm) and call.variant == "apply"]
            moved.append(sum([2 * job.N * job.C * job.L for job in applied]) / np.prod(image))
            totals.append(work.launches.total())
            folds = norms if change is nn.fuse else 0
            assert work.launches["batch_norm_fold"] == folds and work.launches["batch_norm_apply"] == norms - folds
    assert totals[0] == totals[1]
    assert moved == [images, 0]


def test_host_reads_of_a_training_step(look_alike):
    x, labels = batch((2, 1, 28, 28), "cuda")
    with counting.dry():
        model = models.create("lenet5").to("cuda")
        trainer = train.Trainer(model, optim.SGD(model.parameters(), 0.01), device="cuda", capture=False)
        for _ in range(2):
            with counting.device_work() as work:
                trainer.step(x, labels)
    assert work.reads.total() <= READS_OF_A_TRAINING_STEP, str(work)


def test_host_reads_of_an_epoch(look_alike):
    """Loss, accuracy and the gradients' norm of ten steps: one read for each dtype, every five steps."""
    x, labels = np.zeros((20, 1, 28, 28), np.float32), np.arange(20) % 10
    loader = data.DataLoader(data.ArrayDataset(x, labels), 2, device="cuda")
    with counting.dry():
        model = models.create("lenet5").to("cuda")
        sgd = optim.SGD(model.parameters(), 0.01)
        for grad_clip in (None, 1.0):
            trainer = train.Trainer(model, sgd, device="cuda", read_every=5, grad_clip=grad_clip, capture=False)
            with counting.device_work() as work:
                trainer.fit(loader, epochs=trainer.epoch + 1)
            # Losses and norms are float32, accuracies float64; a first read looks whether a label was wrong; the
            # weights are looked at once at the end.
            assert work.reads.total() <= 2 * 3 + 1, str(work)


@pytest.mark.parametrize("device", one_in(2, PYTHON_CALLS_OF_CONV2D))
def test_python_calls_of_a_convolution(device, look_alike):
    if device == "emulator" and not gpunn.is_available(device):
        pytest.skip("the emulator is not available here (gpunn doctor says why)")
    rng = np.random.default_rng(0)
    x, w, b = (
        Tensor(gpunn.to_device(rng.standard_normal(shape).astype(np.float32), device), requires_grad=True)
        for shape in ((2, 8, 6, 6), (8, 8, 3, 3), (8,))
    )

    def forward():
        ops.conv2d(x, w, b, padding=1)

    with counting.dry():
        forward()
        calls = counting.python_calls(forward)
    assert calls.total <= PYTHON_CALLS_OF_CONV2D[device], str(calls)


@pytest.mark.parametrize("name", PYTHON_CALLS)
def test_python_calls_of_what_a_step_is_made_of(name, look_alike):
    def given(*shape):
        return Tensor(batch(shape, "cuda")[0], requires_grad=True)

    x, rows, w, b = given(2, 8, 6, 6), given(4, 8), given(5, 8), given(5)
    norm, model, labels = nn.BatchNorm2d(8).to("cuda"), models.create("lenet5").to("cuda"), batch((4,), "cuda")[1]
    images, sgd = batch((4, 1, 28, 28), "cuda")[0], optim.SGD(model.parameters(), 0.01, momentum=0.9)

    def step():
        sgd.zero_grad()
        ops.cross_entropy(model(images), labels).backward()
        sgd.step()

    calls_of = {
        "batch_norm": lambda: norm(x, relu=True),
        "tanh": lambda: ops.tanh(x),
        "linear": lambda: ops.linear(rows, w, b),
        "max_pool2d": lambda: ops.max_pool2d(x, 2),
        "cross_entropy": lambda: ops.cross_entropy(rows, labels),
        "add": lambda: ops.add(x, x),
        "a step of LeNet-5": step,
    }
    with counting.dry():
        for _ in range(2):
            calls_of[name]()
        calls = counting.python_calls(calls_of[name])
    assert calls.total <= PYTHON_CALLS[name], str(calls)
