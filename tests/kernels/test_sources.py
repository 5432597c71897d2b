"""Every `.cu` file: its header, its formulas, its includes, its place in the table of variants."""

import inspect
import re

import pytest

import gpunn.cpu
import gpunn.cuda
from gpunn.cuda import source
from gpunn.cuda.dtypes import STORAGE
from gpunn.cuda.variants import OPERATIONS
from gpunn.verify import launches
from gpunn.verify.problems import problems

NAMES = source.names()
# What a header's formulas may use: sizes, groups, bytes an element and an index, elements of 16 bytes, parts, macros.
LETTERS = dict.fromkeys("NCHWKRSPQDAOGLM", 6) | {"e": 4, "I": 1, "V": 4, "J": 2}
LETTERS |= {"BM": 64, "BN": 64, "BK": 16, "LAYOUT": -1, "VEC": 4, "NHWC": 1, "ACROSS": 0, "LONG": 0, "LANES": 32}
LETTERS |= {"TAPS_H": 3, "TAPS_W": 5, "SAMPLES": 16, "TAPS": 4, "RANK": 2}
HEADER = "/*\nTitle.\n\n{}\n*/\n"
COMPLETE = {k: "0" for k in source.KEYS}


def header(**changes):
    lines = {**COMPLETE, **changes}
    return HEADER.format("\n".join(f"{k}: {v}" for k, v in lines.items() if v is not None))


@pytest.mark.parametrize("name", NAMES)
def test_header_follows_the_grammar(name):
    found = source.read(name)
    assert found.title and found.parameters
    for key in source.FORMULAS:
        assert found.formula(key, LETTERS) >= 0, key
    assert found.formula("flops", LETTERS) > 0
    assert found.formula("bytes", LETTERS) > 0


@pytest.mark.parametrize("name", NAMES)
def test_file_is_short_and_its_entry_is_named_after_it(name):
    text = (source.folder() / f"{name}.cu").read_text()
    assert text.count("\n") <= 200
    assert max(map(len, text.splitlines())) <= 128
    words = set(re.split(r"[/_]", name))
    assert words & set(source.read(name).entry.split("_")), source.read(name).entry


def test_every_kernel_belongs_to_a_variant_and_every_variant_to_kernels():
    used = {file for operation in OPERATIONS.values() for variant in operation.variants for file in variant.sources}
    # Sums of parts belong to every launcher that splits a sum.
    assert used | {"reduce/sum_parts"} == set(NAMES)


def test_inline_assembly_is_in_ptx_beside_host_versions():
    for path in source.folder().rglob("*.cu*"):
        text = path.read_text()
        if path.name == "ptx.cuh" or path.parent.name == "ptx":
            text = re.sub(r"#if[^\n]*\bGPUNN_HOST\b[^\n]*\n.*?#else\n.*?#endif\n", "", text, flags=re.S)
        assert "asm" not in re.findall(r"\w+", text), path


@pytest.mark.parametrize("name", NAMES)
def test_includes_are_in_place_once_and_lines_keep_their_numbers(name):
    text = source.read(name).text
    assert '#include "' not in text and "#pragma once" not in text
    assert text.count("typedef long long i64;") == 1
    file, number = f"{name}.cu", 0
    original = (source.folder() / file).read_text().splitlines()
    at = None
    for line in text.splitlines():
        marker = re.fullmatch(r'#line (\d+) "(.*)"', line)
        if marker:
            number, at = int(marker[1]), marker[2]
            continue
        if at == file:
            assert line == original[number - 1] or original[number - 1].startswith("#")
        number += 1


def test_the_shape_table_makes_every_variant_plan_and_every_kernel_be_built():
    found = list(launches.builds())
    assert {name for name, _, _ in found} == set(NAMES)
    assert all({"T", "ACC"} <= set(macros) for _, _, macros in found)
    for operation in OPERATIONS.values():
        asked = [problem for dtype in STORAGE for problem in problems(operation, dtype)]
        for variant in operation.variants:
            assert any(variant.accepts(problem) for problem in asked), f"{operation.name} {variant.name}"


@pytest.mark.parametrize(
    "text, words",
    [
        ("int main() {}", "does not start with a header comment"),
        (header(flops=None), "lacks flops"),
        (header(flops="2*"), "is no Python expression"),
        (header(speed="9"), "unknown or there twice"),
    ],
)
def test_a_wrong_header_says_what_is_wrong(text, words):
    with pytest.raises(ValueError, match=words) as caught:
        source.parse_header(text, "family/thing.cu")
    assert "family/thing.cu" in str(caught.value)


def test_the_fields_of_a_struct_are_its_ints_and_nothing_else():
    members = ("int N, C;  // N: samples", "int sum() const { int i = N; { i += C; } return i; }", "int L;")
    text = "struct Size {\n    " + "\n    ".join(members) + "\n};\n"
    assert source._fields("Size", text) == ("N", "C", "L")
    assert source._fields("int", text) == source._fields("Size", text.replace("int L", "float* L")) == ()


def test_cpu_and_cuda_export_the_same_functions_with_the_same_signatures():
    for name in ("conv", "pool", "batch_norm"):
        cpu, cuda = getattr(gpunn.cpu, name), getattr(gpunn.cuda, name)
        functions = [
            key
            for key, value in vars(cuda).items()
            if inspect.isfunction(value) and value.__module__ == cuda.__name__ and not key.startswith("_")
        ]
        assert len(functions) >= 4
        for key in functions:
            ours, theirs = (list(inspect.signature(getattr(module, key)).parameters) for module in (cuda, cpu))
            assert ours == theirs, f"{name}.{key}"
