"""Plants a bug in a copy of the kernels, in a process of its own, and asks `gpunn verify` about what it can reach."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import NamedTuple

from gpunn import emulator, verify
from gpunn.cuda import source
from gpunn.cuda.dtypes import STORAGE
from gpunn.cuda.variants import OPERATIONS
from gpunn.errors import RangeError
from gpunn.verify.beyond import beyond_tasks
from gpunn.verify.run import Row, check_variant
from gpunn.verify.task import Task
from tests.kernels.mutants.conv import CONV
from tests.kernels.mutants.elements import ELEMENTS
from tests.kernels.mutants.filters import FILTERS
from tests.kernels.mutants.gathering import GATHERING
from tests.kernels.mutants.indexing import INDEXING
from tests.kernels.mutants.planes import PLANES
from tests.kernels.mutants.products import PRODUCTS
from tests.kernels.mutants.recurrent import RECURRENT
from tests.kernels.mutants.rows import ROWS
from tests.kernels.mutants.spelling import SPELLING
from tests.kernels.mutants.table import BARRIER, BITS, ROUND, Mutant
from tests.kernels.mutants.tensor import TENSOR
from tests.kernels.mutants.wgmma import WGMMA
from tests.kernels.mutants.windows import WINDOWS

MUTANTS = [*CONV, *PLANES, *ELEMENTS, *FILTERS, *GATHERING, *INDEXING, *PRODUCTS, *RECURRENT, *ROWS, *TENSOR]
MUTANTS += [*SPELLING, *WGMMA, *WINDOWS]
PATIENCE = 300  # seconds for one mutant: one that never ends is not caught, but a slow machine is no endless loop


class Verdict(NamedTuple):
    """What became of a mutant: `by` is the case that caught it, "" where none did."""

    mutant: Mutant
    by: str
    seconds: float


def verdicts(mutants: Sequence[Mutant], processes: int = 2) -> Iterator[Verdict]:
    """One of each mutant, as they come."""
    texts = {name: source.read(name).text for name in source.names()}
    context, waiting = get_context("fork"), list(reversed(mutants))
    running: dict[Connection, tuple] = {}
    while waiting or running:
        while waiting and len(running) < processes:
            mutant, (mine, theirs) = waiting.pop(), context.Pipe(False)
            process = context.Process(target=_judge_apart, args=(mutant, texts, theirs))
            process.start()
            theirs.close()
            running[mine] = mutant, process, time.monotonic()
        ready = wait(list(running), timeout=1)
        for pipe, (mutant, process, started) in list(running.items()):
            spent = time.monotonic() - started
            if pipe not in ready and spent < PATIENCE:
                continue
            by = _answer(pipe) if pipe in ready else ""
            process.kill()
            process.join()
            del running[pipe]
            yield Verdict(mutant, by, spent)


def _answer(pipe: Connection) -> str:
    try:
        found = pipe.recv()
    except EOFError:
        return "its process died"
    if isinstance(found, Exception):
        raise found
    return found


def _judge_apart(mutant: Mutant, texts: dict[str, str], pipe: Connection) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        try:
            folder = Path(shutil.copytree(source.folder(), Path(scratch) / "kernels"))
            mutant.plant(folder)
            source.folder = lambda: folder  # of this process alone
            source.read.cache_clear()
            changed = {name for name in source.names() if source.read(name).text != texts[name]}
            pipe.send(judge(changed, mutant.kind, mutant.only, mutant.variant))
        except Exception as error:
            pipe.send(error)
    os._exit(0)  # nothing of the parent's is this process's to close


def judge(kernels: set[str], kind: str = "", only: str = "", part: str = "") -> str:
    """The first case of `gpunn verify` that one of these kernels gets wrong, "" where they get all right.

    Asked first are the variants that launch one of them, then those of their families that start from their results.
    Whether a barrier is missing is asked in strict launches.
    """
    named = [(name, v) for name, op in OPERATIONS.items() for v in op.variants if part in v.name]
    hit = {(name, v.name) for name, v in named if kernels & set(v.sources)}
    families = {_family(name) for name, _ in hit}
    kin = {(name, v.name) for name, v in named if _family(name) in families}
    return _caught(hit, kind, only) or _caught(kin - hit, kind, only)


def _family(operation: str) -> str:
    return operation.partition(".")[0]


def _caught(asked: set[tuple[str, str]], kind: str, only: str) -> str:
    for task, dtype in _tasks(kind) if asked else ():
        for variant in OPERATIONS[task.operation].variants:
            if only not in task.operation or (task.operation, variant.name) not in asked:
                continue
            if variant.precision == "tf32":  # right for numbers of TF32 alone
                continue
            row = Row(task.operation, variant.name, dtype)
            try:
                with emulator.strict(kind == BARRIER):
                    check_variant(task, variant, row, None)
            except (RuntimeError, RangeError) as error:  # of the emulator, and of a place taken for wrong
                return f"{task.operation} {variant.name}, {dtype}, {task.case}: {error}"
            if row.failures:
                return f"{task.operation} {variant.name}, {dtype}, {task.case}: {row.worst:.3g} times what is allowed"
    return ""


def _tasks(kind: str) -> Iterator[tuple[Task, str]]:
    """All of them, first those that are likeliest to see a bug of this kind."""
    if kind == BITS:
        yield from ((task, "float16") for task in beyond_tasks("emulator"))
    for dtype in reversed(STORAGE) if kind == ROUND else STORAGE:
        yield from ((task, dtype) for task in verify.tasks("emulator", dtype))
    if kind != BITS:
        yield from ((task, "float16") for task in beyond_tasks("emulator"))
