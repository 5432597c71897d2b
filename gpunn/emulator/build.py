"""Runs the host's C++ compiler: which one, with what flags, into what cache."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import shutil
import subprocess
from pathlib import Path

from gpunn.errors import DeviceError
from gpunn.files import cache_folder, put_in_place, scratch_folder
from gpunn.seals import is_sealed, seal

HERE = Path(__file__).parent
SEALED = "sealed"  # part of every key: files of before have no seal
HEADERS = "/gpunn-emulator"  # the folder of our own headers, as line tables name it


def _flags(text: str) -> list[str]:
    return text.split()


# FMA contraction is on because CUDA's compiler contracts by default; -ffast-math is off because CUDA's default is IEEE.
# Integers wrap around: an index of 32 bits that the compiler silently made one of 64 would hide its overflow.
# Aliasing is relaxed because kernels read float arrays as float4.
COMMON = _flags("""
    -std=c++17 -O2 -shared -fPIC -pipe -w -fvisibility=hidden -fno-exceptions -fno-rtti -fno-threadsafe-statics
    -fno-asynchronous-unwind-tables -fno-math-errno -fno-strict-aliasing -fwrapv -ffp-contract=fast
    -fstack-clash-protection
""")
# Every access of memory becomes a call. Line tables (-g1) are nearly free and name the line of a fault; binutils 2.40
# reads those of DWARF 4 without views right, those of DWARF 5 not. The optimisations switched off would merge, split or
# replace accesses in ways that a GPU compiler does not, and the counts would be another kernel's.
INSTRUMENT = _flags("-DGPUNN_CHECKED -g1 -gdwarf-4 -fno-optimize-sibling-calls")
# GCC's calls for the address sanitizer leave out the store of `y[i] += 1`, whose address the load has checked, and
# constant indices of shared memory; those for the thread sanitizer leave out nothing. Clang's are the other way round.
INSTRUMENT_GCC = _flags("""
    -fsanitize=thread --param tsan-instrument-func-entry-exit=0 --param tsan-distinguish-volatile=1
    -gno-variable-location-views -gno-as-locview-support
    -fno-tree-vectorize -fno-tree-loop-distribute-patterns -fno-store-merging -fno-crossjumping
""")
INSTRUMENT_CLANG = _flags("""
    -fsanitize=kernel-address -mllvm -asan-opt-same-temp=0
    -mllvm -asan-instrumentation-with-call-threshold=0 -mllvm -asan-stack=0 -mllvm -asan-globals=0
    -mllvm -asan-opt-globals=0 -fno-vectorize -fno-slp-vectorize -fno-builtin-memset -fno-builtin-memcpy
""")


def require() -> None:
    """Raise DeviceError, with the remedy, where kernels cannot be emulated."""
    compiler()


@functools.cache
def _find(wanted: str | None, path: str | None) -> str | None:
    names = wanted.split()[:1] if wanted else ["g++", "clang++", "c++"]
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def compiler() -> str:
    """The path of the C++ compiler: $CXX, else g++, else clang++. Raises DeviceError where there is none."""
    if os.name != "posix" or platform.system() != "Linux":
        raise DeviceError(f"device 'emulator': it runs on Linux, and this is {platform.system()}; use device 'cpu'")
    wanted = os.environ.get("CXX")
    found = _find(wanted, os.environ.get("PATH"))
    if found is None:
        what = f"CXX names {wanted!r}, which is not there" if wanted else "there is no C++ compiler"
        raise DeviceError(
            f"device 'emulator': {what}; install one (Debian, Ubuntu: `apt install g++`; Fedora: "
            "`dnf install gcc-c++`), or use device 'cpu'"
        )
    return found


@functools.cache
def _identity(path: str) -> tuple[str, bool]:
    """What tells this compiler from another version of it, and whether it is clang."""
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    return version, "clang" in version


@functools.cache
def _machine_flags() -> tuple[str, ...]:
    """Fused multiply-add where this CPU has it: without, fmaf is a slow library call and a * b + c rounds twice."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return ()
    try:
        flags = Path("/proc/cpuinfo").read_text().split("flags", 1)[1].split("\n", 1)[0].split()
    except (OSError, IndexError):
        return ()
    return ("-mfma", "-mavx2") if {"fma", "avx2"} <= set(flags) else ()


@functools.cache
def _headers_digest(of_runtime: bool) -> str:
    """Of all headers, or of those that a kernel includes: of the runtime it sees abi.h alone."""
    digest = hashlib.sha256()
    for path in sorted(HERE.rglob("*.h")) + sorted(HERE.rglob("*.cpp")):
        if of_runtime or path.parent.name != "runtime":
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _key(*parts: str, of_runtime: bool = False) -> str:
    """What tells a file of the cache from those of other sources, compilers and flags."""
    return hashlib.sha256("\0".join([SEALED, _headers_digest(of_runtime), *parts]).encode()).hexdigest()[:24]


def build(text: str, name: str, checked: bool, exported: bool = False) -> Path:
    """Compile C++ ``text`` to a shared object, or find it in the cache. Raises DeviceError with the compiler's log.

    checked: with calls at every memory access. exported: all its symbols can be seen by other libraries.
    """
    path = compiler()
    version, is_clang = _identity(path)
    flags = [*COMMON, *_machine_flags()]
    # A kernel calls the runtime and libm alone; looking through libstdc++ for more is a seventh of its build.
    flags += ["-fvisibility=default"] if exported else ["-nostdlib"]
    libraries = [] if exported else ["-lm", "-lc"]
    if checked:
        flags += INSTRUMENT + (INSTRUMENT_CLANG if is_clang else INSTRUMENT_GCC)
    key = _key(text, version, HEADERS, *flags, of_runtime=exported)
    target = cache_folder() / "emulator" / f"{name}-{key}.so"
    if not is_sealed(target, "it is built anew"):
        # Lines are named without this checkout's path: the cache is shared by all checkouts of the same headers.
        command = [path, *flags, f"-fdebug-prefix-map={HERE}={HEADERS}"]
        includes = [f"-I{HERE}", f"-I{HERE / 'host'}"]
        rest = [*includes, "-x", "c++", "-", *libraries]
        if is_clang or exported:
            _compile([*command, *rest], text, name, target)
            return target
        parsed = _parsed_headers(command, includes, version)
        _compile([*command, f"-I{parsed.parent}", *rest], text, name, target)
    return target


def _parsed_headers(command: list[str], includes: list[str], version: str) -> Path:
    """host_cuda.h as g++ keeps it once parsed, which is half of a kernel's build: 126 to 76 ms.

    g++ finds it in its folder, and takes the header itself where this does not fit.
    """
    key = _key(version, *command)
    target = cache_folder() / "emulator" / f"headers-{key}" / "host_cuda.h.gch"
    if not is_sealed(target, "it is made anew"):
        _compile([*command, *includes, "-x", "c++-header", str(HERE / "host_cuda.h")], "", "host_cuda.h", target)
    return target


def _compile(command: list[str], text: str, name: str, target: Path) -> None:
    """Into a folder of its own first, then put in place: parallel processes never see half a library."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(target.parent) as (folder, lock):
            output = folder / target.name
            # The compiler keeps the lock as well: killed alone, this process leaves it at work for a while.
            done = subprocess.run(
                [*command, "-o", str(output)], input=text, capture_output=True, text=True, cwd="/", pass_fds=(lock,)
            )
            if done.returncode != 0:
                raise DeviceError(f"{name}: the host compiler {command[0]} refuses the source:\n{done.stderr.strip()}")
            with open(output, "r+b") as made:
                made.write(seal(target.name, made.read()))
            put_in_place(output, target)
    except OSError as error:
        raise DeviceError(
            f"device 'emulator': cannot write compiled kernels to {target.parent} ({error.strerror}); "
            "set XDG_CACHE_HOME to a folder that you can write"
        ) from error
