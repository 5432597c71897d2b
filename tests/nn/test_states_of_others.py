"""States that others wrote: without a count of batches, with one name of an array that has two, in 16 bits."""

import numpy as np
import pytest

from gpunn import models, nn, optim, train
from gpunn.errors import CheckpointError
from gpunn.nn.state import copied

EYE = np.eye(4, dtype=np.float32)


def tied():
    net = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    net[1].weight = net[0].weight
    return net


def through_state(net, state, path):
    net.load_state_dict(state)


def through_checkpoint(net, state, path):
    train.save_checkpoint(path, {"model": state})
    train.load_weights(path, net)


def through_safetensors(net, state, path):
    library = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    library.save_file(state, path)
    models.load_safetensors(net, path)


WAYS = (through_state, through_checkpoint, through_safetensors)


@pytest.mark.parametrize("name", ("0.weight", "1.weight"))
@pytest.mark.parametrize("load", WAYS)
def test_one_name_of_two_is_enough(load, name, tmp_path):
    net = tied()
    load(net, {name: EYE}, tmp_path / "a.npz")
    assert net[1].weight is net[0].weight and np.array_equal(net[0].weight.array, EYE)
    load(net, {"0.weight": 2 * EYE, "1.weight": 2 * EYE}, tmp_path / "b.npz")
    assert np.array_equal(net[0].weight.array, 2 * EYE)


@pytest.mark.parametrize("load", WAYS)
def test_two_values_of_one_array_are_refused(load, tmp_path):
    net = tied()
    before = net[0].weight.array.copy()
    with pytest.raises(CheckpointError, match=r"0.weight and 1.weight are one array of the model but have two values"):
        load(net, {"0.weight": EYE, "1.weight": 2 * EYE}, tmp_path / "a.npz")
    assert np.array_equal(net[0].weight.array, before)
    nan = np.full((4, 4), np.nan, np.float32)
    load(net, {"0.weight": nan, "1.weight": nan.copy()}, tmp_path / "b.npz")
    assert np.isnan(net[1].weight.array).all()


@pytest.mark.parametrize("load", WAYS)
def test_an_array_with_no_name_at_all_is_missing(load, tmp_path):
    with pytest.raises(CheckpointError, match=r"missing.*0.weight"):
        load(tied(), {}, tmp_path / "a.npz")


@pytest.mark.parametrize("load", WAYS)
def test_batches_need_not_be_counted(load, tmp_path):
    net = nn.Sequential(nn.BatchNorm2d(3), nn.BatchNorm1d(3))
    net[1].num_batches_tracked[...] = 7
    state = {name: value + 2 for name, value in copied(net).items() if "tracked" not in name}
    load(net, state, tmp_path / "a.npz")
    assert net[0].running_var.tolist() == [3, 3, 3]
    assert (net[0].num_batches_tracked, net[1].num_batches_tracked) == (0, 7)


def test_batches_need_not_be_counted_with_strict_false():
    keys = nn.BatchNorm2d(3).load_state_dict({"weight": np.ones(3)}, strict=False)
    assert keys == (["bias", "running_mean", "running_var"], [])


def a_run(out, **options):
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 4, bias=False), nn.BatchNorm1d(4), nn.Linear(4, 4, bias=False))
    net[3].weight = net[1].weight
    trainer = train.Trainer(net, optim.SGD(net.parameters(), 0.1), ema=train.EMA(0.9), out=out)
    rng = np.random.default_rng(0)
    trainer.fit([(rng.normal(size=(3, 4)).astype(np.float32), np.arange(3))] * 2, epochs=1, **options)
    return trainer


def test_a_run_resumes_from_a_state_of_others(tmp_path):
    straight = a_run(tmp_path / "a")
    path = tmp_path / "a" / "checkpoint.npz"
    state = train.load_checkpoint(path)
    for part in (state["model"], state["ema"]["average"]):
        del part["3.weight"], part["2.num_batches_tracked"]
    train.save_checkpoint(path, state)
    again = a_run(tmp_path / "b", resume=path)
    assert again.steps == straight.steps
    for name, value in straight.ema.average.items():
        want = 0 if "tracked" in name else value  # of a model that has seen no batch
        assert np.array_equal(again.ema.average[name], want), name
