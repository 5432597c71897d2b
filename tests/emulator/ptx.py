"""Sources for tests of `kernels/ptx/`: a kernel behind the headers it asks for."""

import re

from gpunn.cuda import source

_NOT_TEXT = re.compile(r"^#(pragma once|include .*)$", re.M)
NEEDS = {"matrix": ("ptx", "ptx/shared"), "wgmma": ("ptx/shared",), "copy": ("ptx/shared",), "barrier": ("ptx/shared",)}


def with_ptx(body: str, *headers: str) -> str:
    """`body` behind `kernels/ptx/HEADER.cuh` of each name and what these include; lines are named as in each file."""
    wanted: list[str] = []
    for header in headers:
        wanted += [name for name in (*NEEDS[header], f"ptx/{header}") if name not in wanted]
    texts = [(source.folder() / f"{name}.cuh").read_text(encoding="utf-8") for name in wanted]
    parts = [f'#line 1 "{n}.cuh"\n{_NOT_TEXT.sub("", t)}\n' for n, t in zip(wanted, texts, strict=True)]
    return f'{"".join(parts)}#line 1 "k.cu"\n{body}'
