"""size_average and reduce, PyTorch's older words for a reduction, in losses as functions and as layers."""

import warnings

import numpy as np
import pytest

from gpunn import nn
from gpunn.nn import functional as F
from tests.parity import torch

LOSSES = (
    "BCELoss BCEWithLogitsLoss CosineEmbeddingLoss CrossEntropyLoss HingeEmbeddingLoss KLDivLoss L1Loss MSELoss "
    "MarginRankingLoss MultiLabelMarginLoss MultiLabelSoftMarginLoss MultiMarginLoss NLLLoss PoissonNLLLoss "
    "SmoothL1Loss SoftMarginLoss TripletMarginLoss"
)
OLDER = [{"size_average": False}, {"size_average": True}, {"reduce": False}, {"size_average": False, "reduce": True}]


@pytest.mark.parametrize("name", LOSSES.split())
def test_the_reduction_is_pytorchs(name):
    for options in OLDER:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = getattr(torch().nn, name)(**options).reduction
        assert getattr(nn, name)(**options).reduction == theirs
    assert getattr(nn, name)(reduction="sum", size_average=None).reduction == "sum"


def test_functions_take_them_by_name_and_by_place():
    x, y = np.array([1.0, 2.0]), np.array([3.0, 2.0])
    assert F.mse_loss(x, y, size_average=False) == 4 and F.mse_loss(x, y, False) == 4
    np.testing.assert_array_equal(F.mse_loss(x, y, reduce=False), [4, 0])
    assert F.mse_loss(x, y, True) == 2 and F.mse_loss(x, y, reduction="sum") == 4


def test_what_is_no_option_is_refused():
    with pytest.raises(TypeError, match="size_average and reduce are bools, got 'sum'; pass reduction="):
        F.mse_loss(np.ones(2), np.ones(2), "sum")
    with pytest.raises(TypeError, match=r"CrossEntropyLoss: got \(x, target\), .* first: CrossEntropyLoss"):
        nn.CrossEntropyLoss(np.ones((2, 3)), np.array([0, 1]))
