"""Whole steps on a GPU, as far as there need be none: PyTorch's graph made by hand, ours captured on the look-alike."""

import contextlib
import types

import numpy as np
import pytest

import gpunn
from bench.clocks import WallClock
from bench.measure import Plan, Unsupported
from bench.rows import Row
from bench.training import networks, step
from gpunn import nn

TINY = networks.Network("lenet5", (2, 1, 28, 28))


def record_cuda(torch, log, monkeypatch):
    """What a capture by hand asks of torch.cuda is noted."""

    @contextlib.contextmanager
    def noted(name):
        log.append(name)
        yield
        log.append(f"end of {name}")

    stream = types.SimpleNamespace(wait_stream=lambda other: log.append("waits"))
    graph = types.SimpleNamespace(replay=lambda: log.append("replay"))
    for name, stands_in in {
        "Stream": lambda: stream,
        "current_stream": lambda: stream,
        "stream": lambda one: noted("side"),
        "CUDAGraph": lambda: graph,
        "graph": lambda one: noted("capture"),
    }.items():
        monkeypatch.setattr(torch.cuda, name, stands_in)


@pytest.mark.parametrize("tf32", [False, True])
def test_pytorchs_graph_starts_from_the_given_weights(tf32, monkeypatch):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    log = []
    record_cuda(torch, log, monkeypatch)
    switches = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before_it = [one.allow_tf32 for one in switches]
    model = networks.torch_model(TINY)
    before = [value.clone() for value in model.state_dict().values()]
    optimizer = torch.optim.SGD(model.parameters(), **networks.SGD)

    def step():
        log.append(f"step, TF32 {torch.backends.cudnn.allow_tf32}")
        optimizer.zero_grad()
        loss = model(torch.ones(TINY.batch)).square().sum()
        loss.backward()
        optimizer.step()
        return loss.detach()

    replay = networks._torch_graph(step, model, optimizer, tf32)
    assert float(replay()) == float(replay()) > 0
    taken = f"step, TF32 {tf32}"
    warm = ["waits", "side", taken, taken, taken, "end of side", "waits"]
    assert log == [*warm, "capture", taken, "end of capture", "replay", "replay"]
    assert all(map(torch.equal, model.state_dict().values(), before))
    assert not any(float(state["momentum_buffer"].abs().sum()) for state in optimizer.state.values())
    assert [one.allow_tf32 for one in switches] == before_it


@pytest.mark.parametrize("how", ["graph", "tf32"])
def test_a_graph_of_pytorch_needs_a_gpu(how):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    with pytest.raises(Unsupported, match="a graph needs a GPU, not cpu"):
        networks.torch_step(TINY, networks.torch_model(TINY), 0, how=how)


def test_steps_in_fp16_scale_the_loss_on_both_sides():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    model = networks.our_model(TINY, 0)
    weights = {name: value.copy() for name, value in model.named_arrays().items()}
    ours = networks.losses_of(networks.our_step(TINY, model, 0, precision="fp16"), 2)
    step = networks.torch_step(TINY, networks.torch_model(TINY, weights), 0, precision="fp16")
    assert networks.differ(networks.losses_of(step, 2), ours, 1e-2) == "" and ours[1] < ours[0]
    with pytest.raises(Unsupported, match="its GradScaler asks the host in each step, which a graph cannot"):
        networks.torch_step(TINY, networks.torch_model(TINY), 0, "cuda", how="graph", precision="fp16")


def test_losses_of_tf32_may_differ_by_more():
    assert networks.differ([2.3, 2.31], [2.3, 2.3]) == "loss 1 is 2.31, expected 2.3"
    assert networks.differ([2.3, 2.31], [2.3, 2.3], 1e-2) == ""
    assert networks.differ([2.3, np.nextafter(2.3, 3)], [2.3, 2.3], 0.0)


class Reads(nn.Module):
    """A layer that asks the device for a number."""

    def forward(self, x):
        return x * (1.0 if float(x.sum()) < 1e9 else 0.5)


def small(*layers):
    gpunn.manual_seed(0)
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(784, 10))


def captured_row(monkeypatch, losses, *layers):
    monkeypatch.setattr(step, "our_model", lambda network, seed: small(*layers))
    weights = {name: gpunn.to_numpy(value).copy() for name, value in small(*layers).state_dict().items()}
    plan = Plan(types.SimpleNamespace(seed=0, repeats=1, budget=0, device="cuda"), "cuda", clock=WallClock(2))
    return step._captured(Row("step", "tiny", "step.train", "eager"), TINY, weights, losses, {}, plan)


def test_a_captured_step_is_timed_where_it_gives_the_eager_losses(look_alike, monkeypatch):
    eager = networks.losses_of(networks.our_step(TINY, small().to("cuda"), 0, "cuda"), 5)
    row = captured_row(monkeypatch, eager)
    assert (row.status, row.variant) == ("ok", "captured") and row.seconds.median > 0
    row = captured_row(monkeypatch, [*eager[:4], 3.0])
    assert row.status == "failed" and row.reason.endswith("expected 3")


def test_a_step_that_cannot_be_captured_is_refused_with_its_reason(look_alike, monkeypatch):
    row = captured_row(monkeypatch, [2.3] * 5, Reads())
    assert (row.status, row.seconds) == ("refused", None)
    assert row.reason.startswith("CapturedStep: ") and "eagerly" in row.reason
