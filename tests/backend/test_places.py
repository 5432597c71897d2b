"""What tests/gpu/test_gpu_places.py asks of a card, as far as the look-alike of CuPy can answer it."""

import pytest

import tests.gpu.test_gpu_places as places
from tests.thinned import one_in

pytestmark = pytest.mark.usefixtures("look_alike")


def test_threads():
    places.test_threads_give_the_bits_of_one()


@pytest.mark.parametrize("elements", [1, 2])
def test_slices_off_16_bytes(elements):
    places.test_slices_off_16_bytes_fall_to_kernels_that_take_them(elements)


def test_a_second_device():
    places.test_arrays_of_a_second_device_are_computed_there()


@pytest.mark.parametrize("name", one_in(2, ["lenet5", "resnet20"]))
def test_a_step(name):
    places.test_a_step_of_every_model_is_the_cpus(name)
