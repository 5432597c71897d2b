"""A capture in miniature, on the emulator: launches are kept with their arguments as they were, and run at a replay."""

from contextlib import contextmanager

import numpy as np

from gpunn.backend import capture
from gpunn.emulator import EmulatedArray, Struct
from gpunn.emulator.function import Function


class Replays:
    """What a step launched inside `captured`; `replay()` feeds and runs it."""

    def __init__(self):
        self.launches, self.fed, self.guards = [], [], []

    def add(self, make, dtype, shape):
        memory = EmulatedArray.of(np.zeros(shape, dtype))
        self.fed.append((make, memory))
        return memory

    def guard(self, holds):
        self.guards.append(holds)

    def stands(self):
        return all([holds() for holds in self.guards])

    def replay(self):
        for make, memory in self.fed:
            memory[...] = make()
        for function, grid, block, args, options in self.launches:
            function(grid, block, args, **options)


def frozen(argument):
    """The argument as it is now; arrays are addresses, and stay what they are."""
    if isinstance(argument, Struct):
        value = np.array(argument.value).copy()[()]
        return Struct(value, {name: list(column) for name, column in argument.arrays.items()}, argument.constant)
    return argument


@contextmanager
def captured():
    """Inside, nothing is run: kernels are kept for the Replays that this gives."""
    made, call = Replays(), Function.__call__
    token = capture.now.set(made)

    def keep(function, grid, block, args, **options):
        made.launches.append((function, grid, block, [frozen(argument) for argument in args], options))

    Function.__call__ = keep
    try:
        yield made
    finally:
        Function.__call__ = call
        capture.now.reset(token)
