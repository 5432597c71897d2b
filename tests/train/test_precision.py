"""Training in a precision: float32 weights and losses, the same bits eagerly and captured, and what a run says."""

import os

import numpy as np
import pytest

import gpunn
from gpunn import nn, ops, optim, train
from tests.train import runs
from tests.train.captured_steps import same, state

in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="seconds of emulated kernels: in CI")


def test_a_run_in_bf16_ends_near_that_of_float32_and_keeps_float32():
    found = {}
    for precision in ("fp32", "bf16", "tf32"):
        trainer = runs.trainer(precision=precision, metrics={})
        seen = []
        trainer.model.register_forward_hook(lambda module, args, y, seen=seen: seen.append(y.dtype.name))
        trainer.fit(*runs.loaders(), epochs=2)
        assert set(seen) == {"bfloat16" if precision == "bf16" else "float32"}
        kinds = {a.dtype.name for a in trainer.model.state_dict().values()}
        assert kinds == {"float32", "int64"} and gpunn.current_precision() == "fp32"
        found[precision] = trainer.history[-1]["train_loss"], trainer.evaluate(runs.loaders()[1])["loss"]
    assert found["bf16"] != found["fp32"] != found["tf32"]
    np.testing.assert_allclose(found["bf16"], found["fp32"], rtol=0.05)
    np.testing.assert_allclose(found["tf32"], found["fp32"], rtol=0.01)


def test_a_trainer_without_a_precision_takes_the_one_that_holds():
    trainer = runs.trainer()
    assert trainer.precision_name() == "fp32"
    with gpunn.precision("tf32"):
        assert trainer.precision_name() == "tf32"
    assert runs.trainer(precision="bf16").precision_name() == "bf16"
    with pytest.raises(ValueError, match=r"precision: got 'bf 16'; expected one of .*; did you mean bf16"):
        runs.trainer(precision="bf 16")


class Small(nn.Module):
    """Products, running statistics, a shortcut, and a mean over planes."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Linear(4, 5)
        self.stem = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        y = self.norm(self.conv(x), residual=self.stem(x), relu=True)
        return self.fc(ops.mean(y, axis=(2, 3)))


def steps_of(precision, capture, steps=5, **options):
    gpunn.manual_seed(0)
    model, rng = Small().to("cuda"), np.random.default_rng(0)
    optimizer = optim.AdamW(model.parameters(), 1e-2)
    step = train.CapturedStep(model, ops.cross_entropy, optimizer, capture=capture, precision=precision, **options)
    losses = []
    for _ in range(steps):
        x, y = rng.standard_normal((4, 3, 5, 5)).astype(np.float32), rng.integers(0, 5, 4)
        losses.append(step(gpunn.to_device(x, "cuda"), gpunn.to_device(y, "cuda")))
    assert step.captured == (capture is None)
    return [float(loss) for loss in losses], state(model, step), step


@pytest.mark.filterwarnings("ignore:precision tf32.*needs sm_80:RuntimeWarning")  # the look-alike is of no architecture
@pytest.mark.parametrize("precision", ["bf16", pytest.param("tf32", marks=in_ci)])
def test_captured_steps_are_eager_steps_bit_for_bit(precision, look_alike):
    eager, captured = steps_of(precision, False), steps_of(precision, None)
    assert eager[0] == captured[0] and same(eager[1], captured[1])
    assert {a.dtype.name for name, a in captured[1].items() if name.startswith("grad")} == {"float32"}
