"""Long lists of parameters, all in CI, a part by default: `pytest` takes minutes, not an hour."""

import os
import random

MOST = 10  # cases of a test function, where the whole suite runs


def one_in(every, parameters):
    """Every so manieth of them, the first among them; where CI is set all."""
    return list(parameters)[:: 1 if os.environ.get("CI") else every]


def few_of_each(items):
    """(kept, left out) of pytest's items: of each function MOST cases, always the same, but where all are asked for."""
    functions = {}
    for item in items:
        if item.get_closest_marker("every_case") is None:
            functions.setdefault(item.nodeid.split("[")[0], []).append(item)
    left_out = []
    for name, cases in functions.items():
        left_out += random.Random(name).sample(cases, max(0, len(cases) - MOST))
    gone = set(left_out)
    return [item for item in items if item not in gone], left_out
