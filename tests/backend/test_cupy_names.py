"""Every op, optimiser and layer on arrays that refuse what CuPy's refuse, with no GPU: tests/cupy_stand_in.py."""

import os

import numpy as np
import pytest

import gpunn
from gpunn import Tensor, backend, data, models, nn, ops, optim, random, train, verify
from gpunn.cuda.variants import OPERATIONS
from tests import counting
from tests.ops import test_devices
from tests.ops.test_devices import (  # noqa: F401  (its tests run here on the stand-in)
    test_a_parameter_updated_in_place_stays_there,
    test_losses_of_labels,
    test_moving_there_and_back_carries_the_gradient,
    test_numbers_of_the_generator_are_equal_on_every_device,
    test_op_of_one_number_or_none,
)
from tests.ops.test_dropout import (  # noqa: F401
    test_a_mask_moves_the_counter_as_far_on_every_device,
    test_every_device_has_the_same_bits,
)
from tests.ops.test_labels import (  # noqa: F401
    test_a_bad_batch_does_not_poison_later_ones,
    test_a_device_says_so_at_the_next_read_and_once,
    test_a_read_looks_at_nothing_where_no_loss_was_launched,
    test_an_ignored_label_may_be_any_number,
    test_many_blocks_name_the_first_row,
    test_scores_and_labels_in_any_memory,
    test_the_first_offence_is_the_one_that_is_named,
    test_the_gradient_of_a_bad_batch_is_nothing,
    test_weights_survive_a_bad_batch_in_a_plain_loop,
)
from tests.thinned import one_in

in_ci = pytest.mark.skipif(not os.environ.get("CI"), reason="every kernel once more, to be compiled: in CI")


@pytest.fixture(autouse=True)
def device(look_alike):
    if not gpunn.is_available("emulator"):
        pytest.skip("the stand-in runs kernels on the emulator, which is not available here (gpunn doctor says why)")
    return "cuda"


@pytest.mark.parametrize("name", one_in(3, sorted(test_devices.CALLS)))
def test_op(name, device):
    test_devices.test_op(name, device)


OPTIMISERS = {
    "SGD": lambda p: optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.1, nesterov=True, l1=0.1),
    "Adam": lambda p: optim.Adam(p, weight_decay=0.1, l1=0.1),
    "AdamW": lambda p: optim.AdamW(p),
    "RMSprop": lambda p: optim.RMSprop(p, centered=True, momentum=0.9),
    "AMSGrad": lambda p: optim.Adam(p, amsgrad=True, maximize=True),
    **{name: getattr(optim, name) for name in ("Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "Rprop", "ASGD")},
}


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("norm", [pytest.param(1.0, marks=in_ci), 2.0, pytest.param(float("inf"), marks=in_ci)])
def test_a_step_with_clipped_gradients(name, norm):
    found = []
    for where in ("cpu", "cuda"):
        gpunn.manual_seed(1)
        layer = nn.Conv2d(2, 3, 3).to(where)
        optimiser = OPTIMISERS[name](layer.parameters())
        x = gpunn.to_device(random.normal((2, 2, 5, 5)), where)
        for _ in range(2):
            optimiser.zero_grad()
            (layer(x) ** 2).sum().backward()
            total = optim.clip_grad_norm_(layer.parameters(), 0.5, norm)
            optim.clip_grad_value_(layer.parameters(), 0.4)
            optimiser.step()
        optimiser.load_state_dict(optimiser.state_dict())
        found.append([float(total), *(gpunn.to_numpy(p.array) for p in layer.parameters())])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "name, where", [("lenet5", "cuda"), pytest.param("resnet20", "cuda", marks=in_ci), ("lenet5", "cuda:1")]
)
def test_training_with_checkpoints_and_prediction(name, where, tmp_path):
    rng, channels = np.random.default_rng(0), 1 if name == "lenet5" else 3
    size = 28 if name == "lenet5" else 8
    x, labels = rng.standard_normal((8, channels, size, size)).astype(np.float32), np.arange(8) % 10
    with gpunn.device(where):
        model = models.create(name).to(where)
        loader = data.DataLoader(data.ArrayDataset(x, labels), 4, device=where)
        sgd = optim.SGD(model.parameters(), 0.01)
        trainer = train.Trainer(model, sgd, device=where, out=tmp_path, grad_clip=1.0)
        history = trainer.fit(loader, loader, 1)
        assert np.isfinite(history[-1]["train_loss"])
        trainer.evaluate(loader)
        assert train.predict(model, x).shape == (8, 10)
        trainer.fit(loader, loader, 2, resume=tmp_path)


def test_shapes_that_only_ops_with_an_index_take():
    x = Tensor(gpunn.to_device(np.arange(12, dtype=np.float32).reshape(3, 4), "cuda"), requires_grad=True)
    for index in ([0, 2, 0], (slice(None), 1), (slice(None), [1, 1]), gpunn.to_device(np.array([1, 0]), "cuda")):
        ops.getitem(x, index).sum().backward()
    for mode in ("constant", "reflect", "replicate", "circular"):
        ops.pad(x, (1, 1), mode).sum().backward()
    ops.one_hot(gpunn.to_device(np.array([1, 0]), "cuda"))
    assert str(backend.device_of(x.gradient)) == "cuda"


@in_ci
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_variant_gets_its_arguments(dtype):
    """Three cases of every operation, from the launchers' arguments to the kernels' results."""
    rows = {name: {} for name in OPERATIONS}
    left = dict.fromkeys(OPERATIONS, 3)
    for task in verify.tasks("cuda", dtype):
        left[task.operation] -= 1
        if left[task.operation] >= 0:
            verify.check(task, OPERATIONS[task.operation], rows[task.operation], dtype)
    for name, group in rows.items():
        numbers_alone = name == "indexing.order" and dtype != "float32"  # integers: in one round of all
        assert (group or numbers_alone) and not [row.failures for row in group.values() if row.failures], name


def test_a_device_is_cupys_current_one_inside_its_block():
    x = gpunn.to_device(np.ones((2, 2), np.float32), "cuda:1")
    with gpunn.device("cuda:1"):
        assert str(backend.device_of(ops.mul(x, 2.0))) == str(backend.device_of(ops.add(x, x))) == "cuda:1"
    assert str(backend.device_of(backend.asarray([1.0], device="cuda"))) == "cuda"
    gpunn.set_default_device("cuda:1")
    assert str(backend.device_of(ops.neg(x))) == "cuda:1"
    gpunn.set_default_device("cuda")
    gpunn.set_default_device("cpu")


SCORES = np.random.default_rng(0).standard_normal((6, 2, 5)).astype(np.float32)
ONE_LAUNCH = {
    "cross_entropy": lambda x, t, w: ops.cross_entropy(x, t, label_smoothing=0.1),
    "cross_entropy, weighted": lambda x, t, w: ops.cross_entropy(x, t, w, 3, "none"),
    "nll_loss": lambda x, t, w: ops.nll_loss(x, t, reduction="sum"),
    "dropout": lambda x, t, w: ops.dropout(x, 0.3),
    "dropout2d": lambda x, t, w: ops.dropout2d(x, 0.3),
    "stochastic_depth": lambda x, t, w: ops.stochastic_depth(x, 0.3, "row"),
}


@pytest.mark.parametrize("order", ["row-major", "channels-last"])
@pytest.mark.parametrize("name", ONE_LAUNCH)
def test_one_launch_forward_and_one_back_without_the_host(name, order):
    memory = gpunn.to_device(SCORES if order == "channels-last" else SCORES.reshape(6, 5, 2), "cuda")
    x = Tensor(memory.transpose((0, 2, 1)) if order == "channels-last" else memory, requires_grad=True)
    rest = gpunn.to_device(np.arange(12).reshape(6, 2) % 5, "cuda"), gpunn.to_device(np.ones(5, np.float32), "cuda")
    ONE_LAUNCH[name](x, *rest)  # plans, and the record of wrong labels, are made once
    with counting.device_work() as forward:
        y = ONE_LAUNCH[name](x, *rest)
    gy = y.array * 2
    with counting.device_work() as backward:
        y._node.backward(gy, (True,))
    for work in (forward, backward):
        assert (work.launches.total(), work.reads.total(), work.copies.total()) == (1, 0, 0), str(work)
