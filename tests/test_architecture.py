"""The house: one importer of cupy, calls that only go down, no imports in a circle."""

import ast
import functools
from pathlib import Path

import gpunn
from gpunn.reference import naive

PACKAGE = Path(gpunn.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))


@functools.cache
def statements(path):
    """A file's imports, parsed once for all tests."""
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)]


def imports(path):
    """Every (module imported, line), also those inside functions; `from gpunn import x` counts as gpunn.x."""
    for node in statements(path):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            if node.module == "gpunn":
                yield from ((f"gpunn.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield node.module, node.lineno


def test_only_one_module_imports_cupy():
    guilty = [f"{path.relative_to(PACKAGE)}:{line}" for path in SOURCES for name, line in imports(path)
              if name.split(".")[0] in ("cupy", "cupyx") and path.name != "loading.py"]  # fmt: skip
    assert not guilty


def test_nothing_imports_a_package_that_is_not_a_dependency_at_the_top_of_a_module():
    """numpy and tqdm come with gpunn; the extras' packages are imported where they are used."""
    extras = {"matplotlib", "safetensors", "PIL", "torch", "cupy", "ml_dtypes", "pytest", "hypothesis", "mpi4py"}
    guilty = []
    for path in SOURCES:
        for node in statements(path):
            if node.col_offset == 0:
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                guilty += [f"{path.relative_to(PACKAGE)}: {n}" for n in names if n.split(".")[0] in extras]
    assert not guilty


# From the ground up. `backend` finds the twins by name when first asked, so that it imports neither.
LEVELS = [
    {"asked", "bars", "errors", "files", "kinds", "layout", "limits", "machine", "npz", "seals", "terminal", "text"}
    | {"dtypes", "pointwise", "random", "reference", "restored", "scalars", "starting", "stopping", "taps", "window"}
    | {"constants", "grids", "handle", "left_out", "mistaken", "notebook", "unpickling"},
    {"cpu", "emulator"},
    {"backend"},
    {"cuda"},
    {"engine"},
    {"checks"},
    {"ranks"},
    {"memory_format"},
    {"ops"},
    {"creation", "naming", "questions"},
    {"nn", "data", "optim", "autograd", "gradcheck", "verify", "array_api"},
    {"accelerator", "backends", "functions", "linalg", "settings", "pictures", "utils"},
    {"dist"},
    {"models", "train"},
    {"recipes", "serialization"},
    {"report"},
    {"doctor"},
    {"cli"},
    {"__main__", "__init__"},
]
UPWARD = {("engine", "ops"): "an operator is its op: looked up when called, after both are loaded"}


def part_of(path):
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def level_of(part):
    found = [i for i, parts in enumerate(LEVELS) if part in parts]
    assert len(found) == 1, f"give {part} a level, and one alone"
    return found[0]


def test_calls_only_go_down():
    wrong = []
    for path in SOURCES:
        part = part_of(path)
        level = level_of(part)
        for name, line in imports(path):
            pieces = name.split(".")
            if pieces[0] != "gpunn" or len(pieces) == 1:
                continue
            if level_of(pieces[1]) > level and (part, pieces[1]) not in UPWARD:
                wrong.append(f"{path.relative_to(PACKAGE)}:{line} imports {name}")
    assert not wrong


def modules_imported():
    """Each module of the package, and those it imports, functions' imports included; a package is its __init__."""
    names = {".".join(("gpunn", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
             for path in SOURCES}  # fmt: skip
    found = {}
    for name, path in names.items():
        found[name] = set()
        for node in statements(path):
            if isinstance(node, ast.Import):
                found[name] |= {alias.name for alias in node.names} & names.keys()
            elif isinstance(node, ast.ImportFrom) and node.module in names:
                whole = (f"{node.module}.{alias.name}" for alias in node.names)
                found[name] |= {each if each in names else node.module for each in whole}
    return found


def circle(graph):
    """The modules of one circle, in order, the first again at the end; None where there is none."""
    done = set()

    def walk(name, path):
        if name in path:
            return [*path[path.index(name) :], name]
        if name not in done:
            for other in sorted(graph[name]):
                if found := walk(other, [*path, name]):
                    return found
        done.add(name)
        return None

    return next((found for name in sorted(graph) if (found := walk(name, []))), None)


# The only imports on a circle, of gpunn, looked at when a method is called: see UPWARD.
LATE = (
    "conversion_methods", "index_methods", "math_methods", "operators", "place_methods", "protocols",
    "reduction_methods", "shape_methods", "written",
)  # fmt: skip


def test_no_imports_go_in_a_circle():
    graph = modules_imported()
    for late in LATE:
        graph[f"gpunn.engine.{late}"].remove("gpunn")
    assert circle(graph) is None, " -> ".join(circle(graph))


def test_a_circle_is_found_where_there_is_one():
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) is None
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"a"}}) == ["a", "a"]
    assert circle(modules_imported()) is not None  # those above


def test_the_benchmarks_use_the_library_not_its_commands():
    found = [f"{path.name}:{line} imports {name}" for path in (PACKAGE.parent / "bench").rglob("*.py")
             for name, line in imports(path) if name.startswith("gpunn.cli")]  # fmt: skip
    assert not found


def test_the_oracle_shares_no_code_with_what_it_judges():
    own = sorted(Path(naive.__file__).parent.glob("*.py"))
    used = {n for path in own for n, _ in imports(path) if not n.startswith("gpunn.reference.naive.")}
    assert len(own) > 5 and used == {"numpy", "itertools"}
