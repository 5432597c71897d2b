"""What the look-alike of the tests says of CuPy is so on the card; and indices' gradients have the cpu's bits there."""

import pytest

from gpunn import backend
from tests.backend.test_cupy_differences import (  # noqa: F401  (these run here on CuPy itself)
    test_a_0d_array_has_no_axis_to_reduce,
    test_an_empty_shape_is_not_given,
    test_an_index_of_the_host_past_the_end_is_refused,
    test_an_index_past_the_end_wraps_around,
    test_bytes_arrive_in_the_machines_order,
    test_channels_last_memory_passes_through_joins_frames_and_sums,
    test_powers_of_integers_below_0_are_refused,
    test_results_are_row_major_whatever_the_inputs_order,
    test_without_a_change_a_method_gives_the_array_itself,
)
from tests.kernels.test_index_gradients import INDICES, gradient

pytestmark = pytest.mark.gpu


@pytest.fixture
def xp():
    return backend.require_cupy()


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_gradients_of_an_index(index):
    assert gradient("cuda", index).tobytes() == gradient("cpu", index).tobytes()
