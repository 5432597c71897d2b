"""gradcheck must pass what is right and fail what is wrong."""

import numpy as np
import pytest

import gpunn
from gpunn.engine.record import record
from gpunn.engine.tensor import data_of


def cube(x, slope=3.0):
    a = data_of(x)
    return record("cube", a**3, (x,), lambda gy, needs: (gy * slope * a * a,))


X = np.linspace(-1.0, 2.0, 12).reshape(3, 4)


def test_a_right_gradient_passes():
    assert gpunn.gradcheck(cube, [X])


@pytest.mark.parametrize("slope", [-3.0, 3.001, 0.0, np.nan])
def test_a_wrong_gradient_fails(slope):
    with pytest.raises(AssertionError, match=r"gradcheck: backward gives a slope of .* differences give .* is wrong"):
        gpunn.gradcheck(lambda x: cube(x, slope), [X])


def test_one_wrong_element_fails():
    def almost(x):
        a = data_of(x)

        def backward(gy, needs):
            g = gy * 3 * a * a
            g[1, 2] += 1e-3
            return (g,)

        return record("almost", a**3, (x,), backward)

    with pytest.raises(AssertionError):
        gpunn.gradcheck(almost, [X])


def test_other_inputs_are_passed_on():
    labels = np.array([0, 2, 1])
    assert gpunn.gradcheck(lambda x, i: x[np.arange(3), i], [X, labels])


def test_float32_is_refused():
    with pytest.raises(TypeError, match="gradcheck: got inputs of dtype float32; expected at least one float64 array"):
        gpunn.gradcheck(cube, [X.astype(np.float32)])


def test_pytorchs_arguments_are_taken():
    x = gpunn.tensor(X, requires_grad=True)
    assert gpunn.autograd.gradcheck(cube, x, eps=1e-6, atol=1e-4)
    assert gpunn.autograd.gradcheck(lambda a: cube(a, 3.001), (x,), atol=1.0)
