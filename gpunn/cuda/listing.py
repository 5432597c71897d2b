"""The kernels in words: what `gpunn kernels` prints."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator

from gpunn.cuda import source
from gpunn.cuda.plans import Call
from gpunn.cuda.variants import OPERATIONS, Variant
from gpunn.errors import UsageError

COLUMNS = 120
TIED = "\N{NO-BREAK SPACE}"  # a space at which no line is broken
LETTERS = {
    "N": "images",
    "C": "channels",
    **{letter: f"the input's {what}" for letter, what in zip("DHW", ("depth", "height", "width"), strict=True)},
    "K": "filters or columns",
    **{letter: f"the window's {what}" for letter, what in zip("ARS", ("depth", "height", "width"), strict=True)},
    **{letter: f"the output's {what}" for letter, what in zip("OPQ", ("depth", "height", "width"), strict=True)},
    "G": "groups",
    "L": "elements or positions",
    "M": "rows or a pooled window's positions",
    "J": "elements that are joined to one",
    "I": "bytes of a maximum's index",
}


def traced(calls: Iterable[Call]) -> Iterator[str]:
    """Lines on calls: which variant each took and why, after what the letters of their shapes mean."""
    calls = list(calls)
    used = {letter for call in calls for letter in re.findall(r"\b([A-Z])\d", str(call.problem))}
    words = [f"{letter} {meaning}".replace(" ", TIED) for letter, meaning in LETTERS.items() if letter in used]
    yield from _lines(f"letters: {', '.join(words)}", 2, 11)
    for call in calls:
        yield from _lines(f"{call.operation:<26} {call.variant:<14} {call.problem}", 2, 40)
        yield from _lines(f"because    {_grouped(call.why)}", 29, 40)


def _grouped(why: str) -> str:
    """The reasons, with variants that follow each other and decline for the same named together."""
    groups: list[tuple[str, list[str]]] = []
    for reason in why.split("; "):
        name, colon, refusal = reason.partition(": ")
        if not colon:
            return why  # no list of refusals
        if groups and groups[-1][0] == refusal:
            groups[-1][1].append(name)
        else:
            groups.append((refusal, [name]))
    return "; ".join(f"{', '.join(names)}: {refusal}" for refusal, names in groups)


def _lines(text: str, indent: int, hanging: int) -> list[str]:
    """Text in lines of at most COLUMNS, the first indented by `indent`, the others by `hanging`."""
    lead, rest = " " * indent, " " * hanging
    wrapper = textwrap.TextWrapper(COLUMNS, lead, rest, break_long_words=False, break_on_hyphens=False)
    return [line.replace(TIED, " ") for line in wrapper.wrap(text)]


def listing(part: str = "") -> Iterator[str]:
    """Lines on the operations whose name contains ``part``: variants in order of preference, their files and figures.

    UsageError where there is none.
    """
    wanted = [operation for name, operation in OPERATIONS.items() if part in name]
    if not wanted:
        raise UsageError(f"kernels: no operation's name contains {part!r}; they are {', '.join(OPERATIONS)}")
    file = source.folder() / "resources.json"
    resources = json.loads(file.read_text()) if file.is_file() else {}
    for operation in wanted:
        yield operation.name
        shown: set[str] = set()
        for variant in operation.variants:
            yield from _lines(f"{variant.name} ({_needs(variant)}): takes {variant.takes}", 2, 6)
            for name in variant.sources:
                kernel = source.read(name.removesuffix(".cu"))
                if kernel.name in shown:  # another tile of the same file
                    yield f"    kernels/{kernel.file}"
                    continue
                shown.add(kernel.name)
                yield from _lines(f"kernels/{kernel.file}: {kernel.title}", 4, 8)
                yield from _lines(f"flops {kernel.header['flops']}; bytes {kernel.header['bytes']}", 6, 10)
                if kernel.name in resources:
                    yield from _lines(_most(resources[kernel.name]), 6, 10)


def _needs(variant: Variant) -> str:
    """What a variant multiplies, and the architectures that run it: ``tf32, sm_80 and later``."""
    newest = max([source.read(name).architecture for name in variant.sources], key=lambda name: int(name.rstrip("a")))
    precision = variant.precision if variant.precision != "fp32" else "as stored"
    return f"{precision}, sm_{newest}{' alone' if newest.endswith('a') else ' and later'}"


def _most(builds: dict[str, dict[str, list[int]]]) -> str:
    """Registers, and where there is any static shared memory, an architecture: the most of the float32 builds."""
    chosen = [row for label, row in builds.items() if label.startswith("float32")] or list(builds.values())
    figures = []
    for architecture in chosen[0]:
        registers, shared = (max(row[architecture][i] for row in chosen) for i in (0, 1))
        figures.append(f"sm_{architecture} {registers}{f' + {shared} B' if shared else ''}".replace(" ", TIED))
    return f"registers{' + shared memory' if '+' in figures[0] else ''}: {', '.join(figures)}"
