"""The `.cu` files: where they are, what their headers say, and their text with local includes put in place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from gpunn.errors import DeviceError

KEYS = ("math", "layout", "threads", "shared", "flops", "bytes", "requires", "numerics")
FORMULAS = ("shared", "flops", "bytes")
OLDEST = "75"  # the architecture that all kernels run on whose header names none
_INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
_ENTRY = re.compile(r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)\s*\(([^)]*)\)')
_PARAMETER = re.compile(
    r"\s*(const\s+)?(?:__grid_constant__\s+)?(\w+)\s*(\*?)\s*(?:__restrict__\s+)?(\w+)\s*"
)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
_NUMBERED = re.compile(r"^#line .*$", re.M)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kernel: ``type`` is T, ACC, INDEX, int, i64, ...; ``pointer`` and ``optional`` are flags.

    ``fields`` names the ints of a struct that is passed by value, in order; it is empty for everything else.
    """

    name: str
    type: str
    pointer: bool
    const: bool
    optional: bool
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """One kernel: its file's name under ``kernels/``, header, entry point, parameters and complete text."""

    name: str
    title: str
    header: Mapping[str, str] = field(hash=False)
    entry: str
    parameters: tuple[Parameter, ...]
    text: str

    @property
    def architecture(self) -> str:
        """The oldest architecture that it runs on, "80"; with an "a", "90a", the only one."""
        return self.header.get("arch", OLDEST)

    @property
    def file(self) -> str:
        return f"{self.name}.cu"

    @property
    def code(self) -> str:
        """The text without comments, blank lines and lines' numbers: what a compiler makes something of."""
        bare = _COMMENT.sub(" ", _NUMBERED.sub("", self.text))
        return "\n".join(line.rstrip() for line in bare.splitlines() if line.strip())

    def specialised(self, macros: Mapping[str, object]) -> str:
        """The text with its macros in front. Not -D options: NVRTC's own headers have a template parameter T."""
        return "".join(f"#define {key} {value}\n" for key, value in sorted(macros.items())) + self.text

    def formula(self, key: str, letters: Mapping[str, object]) -> int:
        """The header's ``flops``, ``bytes`` or ``shared`` for these shape letters (e: bytes an element)."""
        return int(eval(self.header[key], {"__builtins__": {"max": max}}, dict(letters)))


def runs_on(architecture: str, capability: int) -> bool:
    """Whether a device of this compute capability (90 is 9.0) runs kernels of an architecture ("80", "90a")."""
    if architecture.endswith("a"):
        return capability == int(architecture[:-1])
    return architecture == OLDEST or capability >= int(architecture)


def compiled_for(architecture: str, capability: int) -> str:
    """What the compiler is asked for on a device of this capability: its own architecture, "90", or "90a"."""
    return architecture if architecture.endswith("a") else str(capability)


@cache
def folder() -> Path:
    """The folder ``kernels``: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for found in (package / "kernels", package.parent / "kernels"):
        if (found / "common.cuh").is_file():
            return found
    raise DeviceError(f"kernels: no folder with common.cuh in {package} or beside it; install gpunn again")


@cache
def names() -> tuple[str, ...]:
    """Every kernel as ``family/variant``."""
    return tuple(sorted(str(path.relative_to(folder()).with_suffix("")) for path in folder().glob("*/*.cu")))


@cache
def read(name: str) -> Source:
    """The kernel ``family/variant``. ValueError where its header or entry point does not follow the grammar."""
    path = folder() / f"{name}.cu"
    raw = path.read_text(encoding="utf-8")
    title, header = parse_header(raw, f"{name}.cu")
    found = _ENTRY.findall(_COMMENT.sub(" ", raw))
    if len(found) != 1:
        raise ValueError(f'{name}.cu: {len(found)} entry points `extern "C" __global__ void`, expected one a file')
    entry, declared = found[0]
    optional = header.get("optional", "").split()
    text = _inline(path, set())
    parameters = tuple(_parameter(one, optional, name, text) for one in declared.split(","))
    unknown = set(optional) - {p.name for p in parameters if p.pointer}
    if unknown:
        raise ValueError(f"{name}.cu: optional: names {', '.join(sorted(unknown))}, no pointer of {entry}")
    return Source(name, title, header, entry, parameters, text)


def parse_header(text: str, file: str) -> tuple[str, dict[str, str]]:
    """(title, {key: value}) of the comment that starts a kernel file. kernels/README.md has the grammar."""
    match = re.match(r"/\*\n(.*?)\n\*/\n", text, re.S)
    if not match:
        raise ValueError(f"{file}: it does not start with a header comment; kernels/README.md shows one")
    title, _, rest = match[1].partition("\n\n")
    header: dict[str, str] = {}
    key = ""
    for line in rest.splitlines():
        start = re.match(r"(\w+):\s+(.*)", line)
        if start:
            key = start[1]
            if key in header or key not in (*KEYS, "optional", "arch"):
                raise ValueError(f"{file}: header key {key!r} is unknown or there twice; expected {', '.join(KEYS)}")
            header[key] = start[2].strip()
        elif key:
            header[key] += " " + line.strip()
    missing = [k for k in KEYS if k not in header]
    if missing:
        raise ValueError(f"{file}: its header lacks {', '.join(missing)}; kernels/README.md says what they mean")
    for k in FORMULAS:
        try:
            compile(header[k], file, "eval")
        except SyntaxError as error:
            raise ValueError(f"{file}: {k}: {header[k]!r} is no Python expression ({error.msg})") from error
    return " ".join(title.split()), header


def _parameter(declared: str, optional: list[str], name: str, text: str) -> Parameter:
    match = _PARAMETER.fullmatch(declared)
    if not match:
        raise ValueError(f"{name}.cu: cannot read the parameter {declared.strip()!r}; expected like `const T* x`")
    fields = () if match[3] else _fields(match[2], text)
    return Parameter(match[4], match[2], bool(match[3]), bool(match[1]), match[4] in optional, fields)


def _fields(struct: str, text: str) -> tuple[str, ...]:
    """The members of a struct that the text declares, in order; none where it is no struct, or not of ints alone."""
    match = re.search(rf"\bstruct\s+{struct}\s*\{{(.*?)\n\}};", _COMMENT.sub(" ", text), re.S)
    if not match:
        return ()
    inside, nested = match[1], 1
    while nested:  # the bodies of its functions, innermost first
        inside, nested = re.subn(r"\{[^{}]*\}", ";", inside)
    found: list[str] = []
    for member in filter(str.strip, inside.split(";")):
        if "(" in member:
            continue
        ints = re.fullmatch(r"\s*int\s+([\w\s,]+)", member)
        if not ints:
            return ()
        found += ints[1].replace(",", " ").split()
    return tuple(found)


def _inline(path: Path, seen: set[Path]) -> str:
    """The file's text; local includes replaced by their text once each, #line keeping every file's own numbers.

    CuPy's cache of compiled kernels looks at the source's text only, so an edited include must be part of it.
    """
    seen.add(path)
    shown = path.relative_to(folder()).as_posix()
    lines = [f'#line 1 "{shown}"']
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        include = _INCLUDE.match(line)
        if include:
            target = (path.parent / include[1]).resolve()
            if target not in seen:
                lines += [_inline(target, seen), f'#line {number + 1} "{shown}"']
            else:
                lines.append("")
        else:
            lines.append("" if line.strip() == "#pragma once" else line)
    return "\n".join(lines) + "\n"
