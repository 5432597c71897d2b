"""`python -m bench memory`: kept bytes beside PyTorch's saved tensors, on cpu and with the kernels of cuda."""

import json
import os

import pytest

import gpunn
from bench import __main__ as suites
from bench.output import compare, report, results, schema
from bench.training.memory import by_layer, peak, saved_by_torch
from bench.training.networks import Network, our_model
from gpunn import models, ops
from gpunn.nn.kept import Kept, kept_by_layer
from tests import counting

# Bytes over PyTorch's that a cuda step keeps: cross_entropy's kernels keep the logits as they are, beside two numbers
# a row (8 bytes where PyTorch has none), and three of the loss.
OF_THE_LOSS = 8 * 64 + 8
NETWORKS = {"lenet5": 64, "lenet_20_50_500": 16, "alexnet_lite": 16, "resnet20": 8, "resnet18": 2, "resnet50": 2}
LARGE = pytest.mark.skipif(not os.environ.get("CI"), reason="networks at 224 pixels: in CI")
each = pytest.mark.parametrize("name", [pytest.param(n, marks=[LARGE] * (n[6:] in ("18", "50"))) for n in NETWORKS])


def counted(name, device):
    """(ours, PyTorch's) kept bytes."""
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch", exc_type=ImportError)
    network = Network(name, (NETWORKS[name], *models.input_shape(name)))
    model = our_model(network, 0)
    weights = {key: gpunn.to_numpy(value).copy() for key, value in model.state_dict().items()}
    x, labels = (gpunn.to_device(array, device) for array in network.data(0))
    ours = kept_by_layer(model.to(device), gpunn.Tensor(x), lambda y: ops.cross_entropy(y, labels))
    return ours.total, saved_by_torch(network, weights, 0)


@each
def test_cpu_keeps_no_more_than_pytorch(name):
    ours, theirs = counted(name, "cpu")
    assert ours <= theirs


@each
def test_cuda_keeps_no_more_than_pytorch(name, look_alike):
    with counting.dry():
        ours, theirs = counted(name, "cuda")
    assert ours <= theirs + OF_THE_LOSS


def test_one_run_prints_and_writes_its_figures(tmp_path, capsys):
    file = tmp_path / "memory.json"
    arguments = ["memory", "lenet5", "--batch", "4", "--no-peak", "--layers", "--threads", "1", "--json", str(file)]
    assert suites.main([*arguments, "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "    conv1 " in out and "    loss " in out and "keep nothing besides" in out
    document = json.loads(file.read_text())
    assert schema.complaints(document) == []
    (row,) = results.load(file)["rows"]
    assert row.kept_bytes == 4 * (4 * (28 * 28 * 7 + 14 * 14 * 6 + 16 * 100 + 400 + 120 + 84 + 10) + 8) + 4
    run = results.load(file)
    assert "| lenet5 | 4x1x28x28 | 0.14 |" in report.markdown(run)
    assert "lenet5" in report.html({"memory": run})
    assert [(move.what, move.beyond) for move in compare.moves(run, run)] == [("kept", False)]


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="no high-water mark of memory here")
def test_the_peak_of_a_step():
    grown = peak(Network("lenet5", (16, 1, 28, 28)), "ours", 1, 0)
    assert grown is None or 16 * 6 * 28 * 28 * 4 < grown < 200e6


def test_the_layers_that_keep_something_have_a_line():
    lines = by_layer(Kept([("a", 2_000_000), ("b", 0), ("", 1000), ("c", 0)], 5))
    assert [line.split() for line in lines] == [
        ["a", "2.000", "MB"], ["the", "network", "itself", "0.001", "MB"], ["2", "calls", "keep", "nothing", "besides"],
    ]  # fmt: skip


def test_what_is_no_network_is_named(capsys):
    assert suites.main(["memory", "lenet6"]) == 2
    assert "unknown network of memory 'lenet6'; did you mean 'lenet5'" in capsys.readouterr().err
