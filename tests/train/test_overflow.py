"""A forward pass that overflows in fp16 is named by its layer, once it went wrong; good steps wait for nothing."""

import numpy as np
import pytest

import gpunn
from gpunn import nn, ops, optim, random, train
from gpunn.errors import TrainingError
from gpunn.nn.state import copied
from gpunn.train.overflow import overflow
from tests import counting
from tests.train.captured_steps import same

X, Y = np.random.default_rng(0).uniform(1, 2, (4, 5)).astype(np.float32), np.array([0, 1, 2, 1])


class Branches(nn.Module):
    """A layer, dropout, and a product of functions that goes into a layer."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.first, self.drop, self.last, self.factor = nn.Linear(5, 8), nn.Dropout(0.5), nn.Linear(8, 3), factor

    def forward(self, x):
        y = self.drop(self.first(x))
        return self.last(y * self.factor * self.factor)


def a_model(large=""):
    gpunn.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Sequential(nn.Linear(8, 8), nn.ReLU()), nn.Linear(8, 3))
    for name, p in model.named_parameters():
        if name == large:
            p.array[...] = 6e4
    return model


def a_step(model, **options):
    return train.CapturedStep(model, ops.cross_entropy, optim.SGD(model.parameters(), 0.1), precision="fp16", **options)


def test_a_captured_step_names_the_layer():
    step = a_step(a_model("2.0.weight"))
    before = copied(step.model)
    words = (
        r"^CapturedStep: the loss is nan in step 1, learning rate 0\.1; the output of 2\.0 \(Linear\(8->8\)\) is "
        r'the first beyond fp16, whose largest number is 65504: train in bf16 \(precision="bf16"\); go back to weights'
    )
    with pytest.raises(TrainingError, match=words), np.errstate(all="ignore"):
        float(step(X, Y))
    assert same(before, copied(step.model))


def test_a_trainer_names_the_layer_beside_its_own_advice():
    model = a_model("0.weight")
    trainer = train.Trainer(model, optim.SGD(model.parameters(), 0.1), metrics={}, precision="fp16")
    words = r"Trainer\.fit: the loss is .* step 1 .*; the output of 0 \(Linear\(5->8\)\) is the first .*; no checkpoint"
    with pytest.raises(TrainingError, match=words), np.errstate(all="ignore"):
        trainer.fit([(X, Y)], epochs=1)


def test_a_scale_that_falls_to_its_end_names_the_layer():
    step = a_step(a_model("2.0.weight"))
    step.loss_scale.load_state_dict({"scale": 1.0, "good_steps": 0, "skipped": 0})
    with np.errstate(all="ignore"):
        step(X, Y)
    with pytest.raises(TrainingError, match=r"scale has fallen to 0\.5 .*; the output of 2\.0 \(Linear") as caught:
        step.read()
    assert "train in bf16" in str(caught.value)


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_what_is_computed_between_layers_and_the_weights_themselves(precision):
    model, usual = Branches(300.0), Branches()
    state = random.get_state()
    with gpunn.precision(precision):
        said = [overflow(model, X)]
        model.first.weight.array[2, 3] = np.nan
        said += [overflow(model, X), overflow(model, X * np.inf), overflow(usual, X), overflow(model, None)]
    assert random.get_state() == state
    if precision == "fp32":
        assert said == [""] * 5
        return
    assert said[0].startswith("; what the model computes between layers and gives to last (Linear(8->3)) is the first")
    assert said[1] == "; weight of first (Linear(5->8)) is not finite"
    assert said[2:] == ["; the input itself is not finite", "", ""]


def test_a_model_that_cannot_be_copied_hides_no_error():
    model = a_model("0.weight")
    model.lock = (i for i in range(3))  # which deepcopy refuses
    with gpunn.precision("fp16"):
        assert overflow(model, X) == ""


def test_steps_in_fp16_ask_the_device_for_nothing(look_alike):
    with counting.dry():
        step = a_step(a_model().to("cuda"))
        x, y = gpunn.to_device(X, "cuda"), gpunn.to_device(Y, "cuda")
        for _ in range(4):
            with counting.device_work() as work:
                step(x, y)
            assert not work.reads.total(), str(work)


def test_a_replayed_step_names_the_layer(look_alike):
    step = a_step(a_model().to("cuda"))
    x, y = gpunn.to_device(X, "cuda"), gpunn.to_device(Y, "cuda")
    for _ in range(3):
        step(x, y)
    step.read()
    assert step.captured
    step.model[2][0].weight.array[...] = 6e4
    words = r"the loss is nan in step 4.*; the output of 2\.0 \(Linear\(8->8\)\) is the first"
    with pytest.raises(TrainingError, match=words):
        float(step(x, y))
