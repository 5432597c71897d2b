"""Training and evaluation mode: overridden, frozen and put back, also after an exception; hooks removed twice."""

from __future__ import annotations

import numpy as np
import pytest

from gpunn import Tensor, nn, optim
from gpunn.train import Trainer
from gpunn.train.predict import predict


class Frozen(nn.BatchNorm1d):
    """Batch normalisation that never learns statistics."""

    def train(self, mode: bool = True):
        return super().train(False)


class Broken(nn.Module):
    def forward(self, x):
        raise RuntimeError("broken")


def partly_frozen(*more: nn.Module) -> nn.Sequential:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), *more).train()
    model[1].eval()
    return model


def modes(model: nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


X = np.ones((3, 2), np.float32)


def evaluate(model: nn.Module, x: np.ndarray) -> None:
    trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.1))
    trainer.evaluate([(x, np.zeros(len(x), np.int64))])


def test_a_child_may_override_train():
    model = nn.Sequential(nn.Sequential(Frozen(2)), nn.ReLU()).train()
    assert model.training and model[1].training
    assert not model[0][0].training


@pytest.mark.parametrize("use", [predict, evaluate, lambda model, x: model.summary(x)])
def test_a_frozen_layer_is_still_frozen_after_an_evaluation(use):
    model = partly_frozen()
    use(model, X)
    assert modes(model) == [True, True, False]
    broken = partly_frozen(Broken())
    with pytest.raises(RuntimeError, match="broken"):
        use(broken, X)
    assert modes(broken) == [True, True, False, True]


def test_removing_a_hook_twice_removes_no_other():
    layer, seen = nn.ReLU(), []
    remove = layer.register_forward_hook(lambda *_: None)
    remove()
    layer.register_forward_hook(lambda *_: seen.append(1))
    remove()
    layer(Tensor(X))
    assert seen == [1]


def test_a_deleted_buffer_is_gone_from_the_state():
    layer = nn.BatchNorm1d(2)
    del layer.num_batches_tracked
    assert list(layer.state_dict()) == ["weight", "bias", "running_mean", "running_var"]


def test_batches_that_move_no_statistics_are_not_counted():
    layer = nn.BatchNorm1d(2, momentum=None)
    layer(np.zeros((0, 2), np.float32))
    with pytest.raises(ValueError, match="batch_norm: weight"):
        layer(np.zeros((4, 3), np.float32))
    assert layer.num_batches_tracked == 0
    layer(X + np.arange(3, dtype=np.float32)[:, None])
    assert layer.num_batches_tracked == 1
    assert layer.running_mean.tolist() == [2, 2]
