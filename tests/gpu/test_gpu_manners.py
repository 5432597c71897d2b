"""What a program on plain CuPy arrays counts on, on CuPy itself: its own graphs, streams and allocator."""

import pytest

from gpunn import backend, ops
from tests.backend.graphs import stream  # noqa: F401  (a fixture of the tests below)
from tests.backend.test_cupy_manners import (  # noqa: F401  (these run here on CuPy itself)
    test_a_programs_own_graph,
    test_an_array_of_numbas_is_read_where_it_lies,
    test_an_optimisers_step_is_refused_in_a_programs_own_graph,
    test_results_come_from_the_current_allocator,
)

pytestmark = pytest.mark.gpu


@pytest.fixture
def xp():
    return backend.require_cupy()


def test_a_subclass_is_an_array(xp):
    class Image(xp.ndarray):
        pass

    x = xp.arange(6, dtype="f").reshape(1, 1, 2, 3)
    y = ops.relu(x.view(Image))
    assert type(y) is xp.ndarray and (y == x).all()
