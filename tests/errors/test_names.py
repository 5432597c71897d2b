"""Wrong names are answered with gpunn's; asking whether there is one stays quick; all there is can be listed."""

import copy
import pickle
import subprocess
import sys
import time
import traceback

import numpy as np
import pytest

import gpunn
from gpunn import nn, ops

LAYER = nn.Linear(2, 3)
X = gpunn.ones(2)
WRONG = [
    (X, "astypes", "Tensor has no attribute 'astypes'; did you mean 'astype'?"),
    (X, "requires_gard", "Tensor has no attribute 'requires_gard'; did you mean 'requires_grad'?"),
    (LAYER.weight, "Sum", "Parameter has no attribute 'Sum'; did you mean 'sum'?"),
    (X, "qqqq", "Tensor has no attribute 'qqqq'"),
    (LAYER, "wieght", "Linear has no attribute 'wieght'; did you mean 'weight'?"),
    (LAYER, "paramters", "Linear has no attribute 'paramters'; did you mean 'parameters'?"),
    (gpunn, "Tensors", "module 'gpunn' has no attribute 'Tensors'; did you mean 'Tensor'?"),
    (ops, "conv_2d", "module 'gpunn.ops' has no attribute 'conv_2d'; did you mean 'conv2d'?"),
    (nn, "conv2D", "module 'gpunn.nn' has no attribute 'conv2D'; did you mean 'Conv2d'?"),
    (nn.functional, "crossentropy",
     "module 'gpunn.nn.functional' has no attribute 'crossentropy'; did you mean 'cross_entropy'?"),
    (gpunn.optim, "Sgd", "module 'gpunn.optim' has no attribute 'Sgd'; did you mean 'SGD'?"),
    (gpunn.optim.lr_scheduler, "StepLr",
     "module 'gpunn.optim.lr_scheduler' has no attribute 'StepLr'; did you mean 'StepLR'?"),
    (gpunn.data, "Dataloader", "module 'gpunn.data' has no attribute 'Dataloader'; did you mean 'DataLoader'?"),
    (gpunn.data.datasets, "Mnist", "module 'gpunn.data.datasets' has no attribute 'Mnist'; did you mean 'MNIST'?"),
    (gpunn.data.transforms, "Normalise",
     "module 'gpunn.data.transforms' has no attribute 'Normalise'; did you mean 'Normalize'?"),
    (gpunn.utils.data, "TensorDataSet",
     "module 'gpunn.utils.data' has no attribute 'TensorDataSet'; did you mean 'TensorDataset'?"),
]  # fmt: skip


@pytest.mark.parametrize(("owner", "name", "words"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_a_wrong_name_is_answered_with_the_nearest(owner, name, words):
    with pytest.raises(AttributeError) as caught:
        getattr(owner, name)
    assert str(caught.value) == words
    assert not hasattr(owner, name) and getattr(owner, name, 7) == 7


def test_python_adds_no_second_suggestion():
    try:
        getattr(X, "astypes")  # noqa: B009
    except AttributeError as error:
        last = traceback.format_exception(error)[-1]
    assert last.count("did you mean") == 1 and "Did you mean" not in last


def test_an_error_can_be_pickled():
    with pytest.raises(AttributeError) as caught:
        LAYER.wieght  # noqa: B018
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_network_of_ones_own_answers_with_its_own_names():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Linear(2, 2)

    with pytest.raises(AttributeError, match="Net has no attribute 'encodr'; did you mean 'encoder'"):
        Net().encodr  # noqa: B018


def test_asking_whether_there_is_a_name_looks_for_no_other():
    """Searching for the nearest takes a millisecond: a hundred probes of a library would take a tenth of a second."""
    start = time.process_time()
    for i in range(2000):
        assert not hasattr(X, f"probe{i}") and not hasattr(LAYER, f"probe{i}") and not hasattr(ops, f"probe{i}")
    assert time.process_time() - start < 1


def test_copies_and_pickles_are_as_before():
    for value in (X, LAYER.weight):
        for again in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
            assert type(again) is type(value) and np.array_equal(again.numpy(), value.numpy())
    again = pickle.loads(pickle.dumps(copy.deepcopy(LAYER)))
    assert np.array_equal(again.weight.numpy(), LAYER.weight.numpy())
    assert not hasattr(X, "_ipython_canary_method_should_not_exist_") and not hasattr(X, "__cuda_array_interface__")


PLACES = """gpunn.optim.SGD gpunn.optim.lr_scheduler.StepLR gpunn.nn.functional.relu gpunn.nn.init.xavier_uniform_
gpunn.nn.utils.clip_grad_norm_ gpunn.nn.utils.rnn.pad_sequence gpunn.utils.data.DataLoader gpunn.data.datasets.MNIST
gpunn.data.transforms.ToTensor
gpunn.autograd.grad gpunn.linalg.norm gpunn.cuda.is_available gpunn.backends.cudnn.benchmark gpunn.models.lenet5
gpunn.train.Trainer gpunn.random.seed gpunn.save gpunn.load gpunn.zeros gpunn.float32 gpunn.cat"""


def test_one_import_reaches_everything():
    code = f"import gpunn; print([eval(place) is None for place in {PLACES.split()!r}].count(False))"
    got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert got.stdout.split() == [str(len(PLACES.split()))], got.stderr


def test_what_there_is_can_be_listed():
    assert {"SGD", "Adam", "lr_scheduler", "swa_utils"} <= set(dir(gpunn.optim))
    assert {"optim", "nn", "zeros", "float32", "cat", "save", "utils"} <= set(dir(gpunn))
    assert {"relu", "cross_entropy"} <= set(dir(nn.functional))
    assert {"view", "add_", "sum", "astype", "grad"} <= set(dir(X)) and {"weight", "parameters"} <= set(dir(LAYER))
    assert not [name for name in dir(gpunn) if not hasattr(gpunn, name)]
    assert not [name for name in dir(nn.functional) if not hasattr(nn.functional, name)]
    square = gpunn.ones(2, 2)
    assert not [name for name in dir(square) if not hasattr(square, name)]
