"""Long lists of parameters, all in CI, a part by default: `pytest` takes minutes, not an hour."""

import os


def one_in(every, parameters):
    """Every so manieth of them, the first among them; where CI is set all."""
    return list(parameters)[:: 1 if os.environ.get("CI") else every]
