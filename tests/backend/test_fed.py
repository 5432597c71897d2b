"""Steps captured once and replayed: what the host says anew each time is fed, and they are bit for bit eager ones."""

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, nn, ops, optim, random, train
from gpunn.backend import faults, streams
from gpunn.cuda.variants import use_variant
from gpunn.errors import CaptureError
from gpunn.optim.batch import Batch
from tests.backend.replays import captured

pytestmark = pytest.mark.skipif(not gpunn.is_available("emulator"), reason="no compiler (gpunn doctor says more)")
STEPS = 5


def given(shape, seed=0, dtype=np.float32):
    return gpunn.to_device(np.random.default_rng(seed).standard_normal(shape).astype(dtype), "emulator")


def parameters():
    return [Tensor(given(shape, i), requires_grad=True) for i, shape in enumerate(((5, 3), (7,), (0, 2), (9000,)))]


def gradients(params, step):
    """New gradients in the memory that the parameters' gradients have, which launches know."""
    for i, p in enumerate(params):
        g = given(p.shape, 100 * step + i)
        p.gradient = g if p.gradient is None else p.gradient
        p.gradient[...] = g


def numbers(*states):
    return [{k: gpunn.to_numpy(v) if hasattr(v, "shape") else v for k, v in state.items()} for state in states]


def same(a, b):
    return all(x.keys() == y.keys() and all(np.array_equal(x[k], y[k]) for k in x) for x, y in zip(a, b, strict=True))


OPTIMISERS = {
    "SGD": lambda params: optim.SGD(params, 0.1),
    "SGD with momentum": lambda params: optim.SGD(params, 0.1, momentum=0.9, dampening=0.5, weight_decay=0.01),
    "SGD with nesterov": lambda params: optim.SGD(params, 0.1, momentum=0.9, nesterov=True, l1=0.01),
    "Adam": lambda params: optim.Adam(params, 0.1, weight_decay=0.1),
    "AdamW": lambda params: optim.AdamW([{"params": params[:2]}, {"params": params[2:], "lr": 0.02}], 0.1),
    "RMSprop": lambda params: optim.RMSprop(params, 0.1, momentum=0.5, centered=True),
    "AMSGrad": lambda params: optim.Adam(params, 0.1, amsgrad=True, maximize=True),
    "NAdam": lambda params: optim.NAdam(params, 0.1),
    "RAdam": lambda params: optim.RAdam(params, 0.1, betas=(0.9, 0.5)),
    "Adagrad": lambda params: optim.Adagrad(params, 0.1, lr_decay=0.1),
    "Adadelta": lambda params: optim.Adadelta(params),
    "Adamax": lambda params: optim.Adamax(params, 0.1),
    "Rprop": lambda params: optim.Rprop(params, 0.1),
    "ASGD": lambda params: optim.ASGD(params, 0.1, t0=1),
}


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("rows", [None, 2])
def test_an_optimisers_replays_are_its_steps(name, rows, monkeypatch):
    """With a rate that moves each time; also where the rows take several tables."""
    if rows is not None:
        monkeypatch.setattr("gpunn.cuda.multi_tensor.most_rows", lambda *_: rows)

    def run(replayed):
        params, graph = parameters(), None
        one = OPTIMISERS[name](params)
        for step in range(STEPS + 1):
            gradients(params, step)
            for group in one.param_groups:
                group["lr"] = np.float32(group["lr"]) * np.float32(0.9)
            if replayed and step == 1:
                with captured() as graph:
                    one.step()
            if graph is None:
                one.step()
            else:
                assert graph.stands()
                graph.replay()
        if graph is not None:  # an eager step afterwards sees its own gradients and numbers
            for p in params:
                p.gradient = None
        gradients(params, 99)
        one.step()
        return numbers({str(i): p.array for i, p in enumerate(params)}, *one.state.values())

    assert same(run(True), run(False))


def test_what_a_captured_step_took_for_granted():
    params = parameters()
    sgd = optim.SGD(params, 0.1, momentum=0.9)
    gradients(params, 0)
    sgd.step()
    with captured() as graph:
        sgd.step()
    assert graph.stands()
    sgd.param_groups[0].update(lr=0.5, nesterov=True)
    assert graph.stands()
    sgd.param_groups[0]["momentum"] = 0
    assert not graph.stands()
    sgd.param_groups[0]["momentum"] = "a lot"
    with pytest.raises(TypeError, match="SGD: momentum must be"):
        graph.stands()
    sgd.param_groups[0]["momentum"] = 0.9
    assert graph.stands()
    sgd.load_state_dict(sgd.state_dict())
    assert not graph.stands()


def test_what_no_replay_of_an_optimiser_could_do():
    class Plain(optim.Optimizer):
        def update(self, param, grad, state, group):
            param -= group["lr"] * grad

    class Own(optim.SGD):
        def rule(self, batch: Batch):
            batch.rules.sgd(batch.params, [None], batch.grads, [(0.1, 0, 1, 0, 0, 0)], batch.kept)

    p = Tensor(given(3), requires_grad=True)
    p.gradient = given(3, 1)
    before = gpunn.to_numpy(p.array).copy()
    for one, words in (
        (Plain([p], {"lr": 0.1}), r"Plain.update gets the host's numbers.* define rule"),
        (Own([p], 0.1), r"optim.sgd: settings are the numbers of one step.* pass a function"),
        (optim.SGD([p], 0.1, momentum=0.9), r"shape \(3,\) has no momentum_buffer yet.* take a step before"),
    ):
        with captured(), pytest.raises(CaptureError, match=words):
            one.step()
        assert not one.state.get(id(p))
    assert np.array_equal(p.array, before)


@pytest.mark.parametrize("op", ["dropout", "dropout2d", "rows", "batch"])
def test_a_replayed_mask_is_the_next_of_the_stream(op):
    def run(x):
        if op in ("rows", "batch"):
            return ops.stochastic_depth(x, 0.5, op.removesuffix("s"))
        return getattr(ops, op)(x, 0.4)

    def steps(replayed):
        gpunn.manual_seed(3)
        found, x, gy = [], Tensor(given((4, 3, 2, 3)), requires_grad=True), given((4, 3, 2, 3), 1)
        if replayed:
            before = random.get_state()
            with captured() as graph:
                y = run(x)
                y.backward(gy)
            assert random.get_state() == before and len(graph.fed) == 1
        for _ in range(STEPS):
            if replayed:
                graph.replay()
            else:
                x.gradient = None
                y = run(x)
                y.backward(gy)
            found.append((gpunn.to_numpy(y.array).copy(), gpunn.to_numpy(x.gradient).copy()))
        return found, random.get_state()

    (got, at), (want, there) = steps(True), steps(False)
    assert at == there
    assert all(np.array_equal(a, b) for pair in zip(got, want, strict=True) for a, b in zip(*pair, strict=True))


def test_no_mask_is_drawn_on_the_cpu_of_a_captured_step():
    before = random.get_state()
    with captured(), pytest.raises(CaptureError, match=r"dropout: x is on cpu.*same at each replay; move it"):
        ops.dropout(np.ones(3))
    assert random.get_state() == before


@pytest.mark.parametrize("warmup", [False, True])
def test_a_replayed_average_is_the_next(warmup):
    def run(replayed):
        gpunn.manual_seed(1)
        model, graph = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).to("emulator"), None
        ema = train.EMA(0.9, warmup=warmup)
        for step in range(STEPS + 2):
            for i, p in enumerate(model.named_arrays().values()):
                if p.dtype.kind == "f":
                    p[...] = given(p.shape, 10 * step + i)
            if replayed and step == 2:
                with captured() as graph:
                    ema.update(model)
            if graph is None:
                ema.update(model)
            else:
                assert graph.stands()
                graph.replay()
        return [ema.updates], numbers(ema.average), graph, ema, model

    replayed, eager = run(True), run(False)
    assert replayed[0] == eager[0] and same(replayed[1], eager[1])
    graph, ema, model = replayed[2:]
    ema.load_state_dict(ema.state_dict(), model)
    assert not graph.stands()


@pytest.mark.parametrize("variant", ["together", "split", "naive"])
def test_statistics_without_a_momentum_are_averaged_by_the_devices_count(variant):
    """As by the host's numbers 1, 1/2, 1/3, ..., bit for bit; 60 channels are several columns of blocks."""
    x = given((4, 60, 3, 3))
    layer, own = (nn.BatchNorm2d(60, momentum=None).to("emulator") for _ in range(2))
    with use_variant("batch_norm.train_forward", variant), captured() as graph:
        layer(x)
    for step in range(STEPS):
        x[...] = given(x.shape, step)
        with use_variant("batch_norm.train_forward", variant):
            graph.replay()
            ops.batch_norm(x, own.running_mean, own.running_var, training=True, momentum=1 / (step + 1))
    assert layer.num_batches_tracked == STEPS and not streams.tickets(streams.EMULATOR, 1).any()
    assert np.array_equal(layer.running_mean, own.running_mean)
    assert np.array_equal(layer.running_var, own.running_var)


def test_an_average_begins_outside_of_a_capture():
    with captured(), pytest.raises(CaptureError, match="EMA: it has no average yet"):
        train.EMA().update(nn.Linear(2, 2).to("emulator"))


def test_counts_of_batches_are_averaged_in_their_own_memory():
    model, ema = nn.BatchNorm1d(2).to("emulator"), train.EMA()
    ema.update(model)
    count = ema.average["num_batches_tracked"]
    model(given((3, 2)))
    ema.update(model)
    assert ema.average["num_batches_tracked"] is count and count == 1


def test_a_wrong_label_names_the_replay_that_met_it():
    x, labels = Tensor(given((3, 4)), requires_grad=True), gpunn.to_device(np.array([0, 1, 2]), "emulator")
    gpunn.to_numpy(ops.cross_entropy(x, labels).array)
    first = faults.last_serial()
    with captured() as graph:
        loss = ops.cross_entropy(x, labels)
    assert faults.last_serial() == first
    for replay in range(1, 4):
        labels[1] = 7 if replay == 2 else 1
        graph.replay()
        assert faults.last_serial() == first + replay
    with pytest.raises(IndexError, match="label 7") as met:
        gpunn.to_numpy(loss.array)
    assert met.value.call == first + 2
    gpunn.to_numpy(loss.array)


def test_the_record_of_wrong_labels_is_made_outside_of_a_capture(monkeypatch):
    monkeypatch.setattr(faults, "_records", {})
    labels = gpunn.to_device(np.array([0]), "emulator")
    with captured(), pytest.raises(CaptureError, match="cross_entropy: it was never run on this stream"):
        ops.cross_entropy(given((1, 2)), labels)
    assert not faults._records


# ---------------------------------------------------------------- the gradient that a backward pass begins with
def ones_made(backward, monkeypatch):
    made, ones_like = [], np.ones_like
    with monkeypatch.context() as patch:
        patch.setattr(np, "ones_like", lambda *args, **options: made.append(1) or ones_like(*args, **options))
        backward()
    return len(made)


def test_a_loss_begins_with_the_ones_of_its_stream(monkeypatch):
    monkeypatch.setattr(streams, "_ones", {})
    x, labels = Tensor(given((3, 4)), requires_grad=True), gpunn.to_device(np.array([0, 1, 2]), "emulator")
    assert ones_made(lambda: ops.cross_entropy(x, labels).backward(), monkeypatch) == 1
    first, x.gradient = gpunn.to_numpy(x.gradient).copy(), None
    assert ones_made(lambda: ops.cross_entropy(x, labels).backward(), monkeypatch) == 0
    assert np.array_equal(x.gradient, first)
    (ones,) = streams._ones.values()
    assert ones == 1 and not ones.flags.writeable


ENDS = {  # ops whose gradients nobody else holds, down to one element
    "linear": (ops.linear, (3,), (1, 3), (1,)),
    "conv2d": (ops.conv2d, (1, 2, 3, 3), (1, 2, 3, 3), (1,)),
    "conv_transpose2d": (ops.conv_transpose2d, (1, 2, 1, 1), (2, 1, 1, 1), (1,)),
    "max_pool2d": (lambda x: ops.max_pool2d(x, 1), (1, 1, 1, 1)),
    "avg_pool2d": (lambda x: ops.avg_pool2d(x, 1), (1, 1, 1, 1)),
    "leaky_relu": (lambda x: ops.leaky_relu(x, 1.0), (1,)),
    "dropout": (lambda x: ops.dropout(x, 0.5), (1,)),
    "mse_loss": (lambda x, t: ops.mse_loss(x, t, "none"), (1,), (1,)),
    "l1_loss": (ops.l1_loss, (1,), (1,)),
    "binary_cross_entropy": (ops.binary_cross_entropy_with_logits, (1,), (1,)),
    "soft labels": (ops.cross_entropy, (1, 1), (1, 1)),
}


@pytest.mark.parametrize("name", ENDS)
def test_no_gradient_is_made_of_the_ones_that_are_kept(name, monkeypatch):
    monkeypatch.setattr(streams, "_ones", {})
    op, *shapes = ENDS[name]
    leaves = [Tensor(given(shape, i), requires_grad=True) for i, shape in enumerate(shapes)]
    op(*leaves).backward()
    (ones,) = streams._ones.values()
    assert ones == 1 and not any(np.shares_memory(x.gradient, ones) for x in leaves)


def test_ones_that_somebody_could_reach_are_new(monkeypatch):
    monkeypatch.setattr(streams, "_ones", {})
    x, seen = Tensor(given((1,)), requires_grad=True), []
    x.backward()
    loss = (x * 2).sum()
    loss.backward()
    loss = ops.mse_loss(x, given((1,), 1))
    loss.register_hook(seen.append)
    loss.backward()
    assert gpunn.grad(x, x) == 1
    assert not streams._ones and seen[0] == 1


def test_ones_of_a_capture_are_kept_by_nobody(monkeypatch):
    monkeypatch.setattr(streams, "_ones", {})
    with captured():
        assert streams.ones(given(())) == 1
    assert not streams._ones
