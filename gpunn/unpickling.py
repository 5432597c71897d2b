"""A stack machine that reads pickles without running anything that they say.

A pickle is a program; Python's own reader lets it import and call whatever it names. This machine, over
`pickletools.genops`, knows the opcodes of plain values. Names are never imported: a subclass says what stands for each
name that it knows, and what the few calls that it recognises give; all else is refused.
"""

from __future__ import annotations

import pickletools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Made: TypeAlias = Any  # what a pickle makes: of whatever type until somebody has looked


class Refused(Exception):
    """What the pickle does that its reader does not; the text completes `the pickle ...`."""


class Name:
    """A name that a pickle refers to; it stands for itself and can do nothing."""

    def __init__(self, name: str):
        self.name = name


def called(value: Made) -> str:
    """What to call a value in an error."""
    return getattr(value, "name", f"a {type(value).__name__}")


class Machine:
    """The stack and the memo of one pickle.

    names: what stands for each global that may be named, by "module name".
    most: operations at most.
    wide: whether it knows the opcodes of OF_ALL, too.
    """

    names: Mapping[str, Any] = {}
    most = 1_000_000
    wide = False

    def __init__(self):
        self.stack: list[Any] = []
        self.marks: list[int] = []  # how high the stack was: looking for marks in it takes quadratic time
        self.memo: dict[int, Any] = {}

    def run(self, data: bytes) -> Made:
        """What the pickle makes: Refused for what it must not say, ValueError where it is no sound pickle."""
        with warnings.catch_warnings():  # genops decodes, and warns of, texts before this reader can refuse them
            warnings.simplefilter("ignore", DeprecationWarning)
            for count, (opcode, argument, position) in enumerate(pickletools.genops(data)):
                if count == self.most:
                    raise Refused(f"at byte {position} it has run {self.most:,} operations")
                try:
                    self.step(opcode.name, argument)
                except Refused as error:
                    raise Refused(f"at byte {position} it {error}") from None
                except (IndexError, KeyError, TypeError, AttributeError) as error:
                    words = f"opcode {opcode.name} at byte {position} finds nothing fitting to work on"
                    raise ValueError(words) from error
        return self.stack[-1] if self.stack else None

    def step(self, name: str, argument: Made) -> None:
        """One operation."""
        if name in OF_ALL and not self.wide:
            raise Refused(f"uses opcode {name}")
        if name in CONSTANTS:
            self.stack.append(CONSTANTS[name]())
        elif name in VALUES:
            self.stack.append(argument)
        elif name in ACTIONS:
            ACTIONS[name](self, argument)
        elif name not in ("PROTO", "STOP", "FRAME"):
            raise Refused(f"uses opcode {name}")

    # What a subclass knows

    def call(self, function: Made, arguments: Made) -> Made:
        """What a call gives that the pickle asks for."""
        raise Refused(f"calls {called(function)}")

    def set_state(self, target: Made, state: Made) -> None:
        """A state that the pickle gives to what it has made."""
        raise Refused(f"sets the state of {called(target)}")

    def persistent(self, key: Made) -> Made:
        """What lies outside the pickle under a key."""
        raise Refused("refers to what lies outside")

    def finished(self, value: Made) -> Made:
        """A value that is put into a list or a dict; TypeError for what is none yet."""
        if isinstance(value, Name):
            raise TypeError
        return value

    def check_key(self, key: Made) -> None:
        """Refuses what a dict's keys must not be."""
        if not isinstance(key, (str, bytes)):
            raise Refused("has a key that is no string")

    # The stack

    def mark(self) -> None:
        """Remembers how high the stack is."""
        self.marks.append(len(self.stack))

    def above_mark(self) -> list[Any]:
        """Takes off everything above the last mark, and the mark."""
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def pop(self, n: int) -> list[Any]:
        """Takes off the last n."""
        if len(self.stack) < n + (self.marks[-1] if self.marks else 0):
            raise IndexError
        items = self.stack[-n:]
        del self.stack[-n:]
        return items

    def find_global(self, argument: str) -> None:
        """What stands for a name, "module name"."""
        if argument not in self.names:
            raise Refused(f"names the global {argument.replace(' ', '.')}")
        self.stack.append(self.names[argument])

    def put(self, key: int) -> None:
        """Remembers the last value under a number."""
        self.memo[key] = self.stack[-1]

    def get(self, key: int) -> None:
        """A value that was remembered."""
        self.stack.append(self.memo[key])

    def set_items(self, items: list[Any]) -> None:
        """Keys and values, by turns, into the dict below them."""
        target = self.stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise TypeError
        for key in items[::2]:
            self.check_key(key)
        target.update(zip(items[::2], map(self.finished, items[1::2]), strict=True))

    def extend(self, items: list[Any]) -> None:
        """Values into the list below them."""
        if not isinstance(self.stack[-1], list):
            raise TypeError
        self.stack[-1].extend(map(self.finished, items))

    def reduce(self) -> None:
        """Calls nothing: `call` recognises what it may give."""
        function, arguments = self.pop(2)
        self.stack.append(self.call(function, arguments))

    def build(self) -> None:
        """A state for the value below it."""
        target, state = self.pop(2)
        self.set_state(target, state)
        self.stack.append(target)


# What Python 2's protocol of lists, dicts, whole numbers and words has no need of.
OF_ALL = frozenset(("BINFLOAT", "BINPERSID", "FRAME", "LONG1", "MEMOIZE", "SHORT_BINUNICODE", "STACK_GLOBAL"))
CONSTANTS: dict[str, Callable[[], Any]] = {
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
}
NUMBERS = ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT")
TEXTS = ("SHORT_BINSTRING", "BINSTRING", "BINUNICODE", "SHORT_BINUNICODE", "SHORT_BINBYTES", "BINBYTES")
VALUES = frozenset((*NUMBERS, *TEXTS))
ACTIONS: dict[str, Callable[[Machine, Any], None]] = {
    "MARK": lambda m, _: m.mark(),
    "GLOBAL": lambda m, argument: m.find_global(argument),
    "STACK_GLOBAL": lambda m, _: m.find_global(" ".join(m.pop(2))),
    "BINPUT": lambda m, argument: m.put(argument),
    "LONG_BINPUT": lambda m, argument: m.put(argument),
    "MEMOIZE": lambda m, _: m.put(len(m.memo)),
    "BINGET": lambda m, argument: m.get(argument),
    "LONG_BINGET": lambda m, argument: m.get(argument),
    "TUPLE": lambda m, _: m.stack.append(tuple(m.above_mark())),
    "TUPLE1": lambda m, _: m.stack.append(tuple(m.pop(1))),
    "TUPLE2": lambda m, _: m.stack.append(tuple(m.pop(2))),
    "TUPLE3": lambda m, _: m.stack.append(tuple(m.pop(3))),
    "APPEND": lambda m, _: m.extend(m.pop(1)),
    "APPENDS": lambda m, _: m.extend(m.above_mark()),
    "SETITEM": lambda m, _: m.set_items(m.pop(2)),
    "SETITEMS": lambda m, _: m.set_items(m.above_mark()),
    "REDUCE": lambda m, _: m.reduce(),
    "BUILD": lambda m, _: m.build(),
    "BINPERSID": lambda m, _: m.stack.append(m.persistent(m.pop(1)[0])),
}
