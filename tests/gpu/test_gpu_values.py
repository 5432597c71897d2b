"""Every op on the card against the values that PyTorch computed once in float64."""

import pytest

from tests.values.test_ops import ROWS, check, title

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_ops(dtype):
    wrong = []
    for row in ROWS:
        try:
            check(row, dtype, "cuda")
        except Exception as error:
            wrong.append(f"{title(row)}: {error!r:.200}")
    assert not wrong, "\n".join(wrong)
