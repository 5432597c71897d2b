"""The shapes of one call, in the letters of the kernels' headers: what variants look at, what formulas are of."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache

from gpunn.cuda.dtypes import EPILOGUES, SIZES
from gpunn.window import Window


@cache
def _letters(kind: type) -> tuple[str, ...]:
    """The fields of a problem that are a letter."""
    return tuple([field.name for field in fields(kind) if len(field.name) == 1])


@dataclass(frozen=True)
class Problem:
    """``dtype`` is the storage type's name, ``aligned`` whether every array starts on a multiple of 16 bytes."""

    dtype: str
    aligned: bool

    @property
    def letters(self) -> dict[str, int]:
        """The variables of a header's formulas; e is the bytes an element, V the elements of 16 bytes."""
        found = {name: v for name in _letters(type(self)) if isinstance(v := getattr(self, name), int)}
        return {**found, "e": SIZES[self.dtype], "V": 16 // SIZES[self.dtype]}

    @property
    def struct(self) -> dict[str, int]:
        """What the kernels' geometry structs are filled from, by the names of their fields."""
        return self.letters

    def __str__(self) -> str:
        shape = " ".join(f"{k}{v}" for k, v in self.letters.items() if k not in "eV")
        return f"{shape} {self.dtype}"


def _steps(win: Window) -> dict[str, int]:
    """stride_h, pad_h, dil_h and so on, of each axis of a window."""
    named = (("stride", win.stride), ("pad", win.padding), ("dil", win.dilation))
    return {f"{key}_{axis}": n for key, sizes in named for axis, n in zip("dhw"[-win.rank :], sizes, strict=True)}


@dataclass(frozen=True)
class Conv(Problem):
    """A convolution of any rank; ``x``, ``w`` and ``y`` are shapes (N,C,*), (K,C/groups,*), (N,K,*).

    ``bias``: of the weight's gradient, whether the bias's is wanted too. ``activation``: what forward ends with,
    ``residual``: whether it adds one before that.
    ``precision``: "tf32" where float32 may be multiplied so, else "fp32".
    """

    x: tuple[int, ...]
    w: tuple[int, ...]
    y: tuple[int, ...]
    win: Window
    groups: int
    bias: bool = False
    activation: str | None = None
    precision: str = "fp32"
    residual: bool = False

    @property
    def letters(self) -> dict[str, int]:
        spatial = zip("DHW"[-self.win.rank :], self.x[2:], strict=True)
        window = zip("ARS"[-self.win.rank :], self.win.size, strict=True)
        out = zip("OPQ"[-self.win.rank :], self.y[2:], strict=True)
        named = {"N": self.x[0], "C": self.x[1], "K": self.w[0], "G": self.groups}
        return {**super().letters, **named, **dict(spatial), **dict(window), **dict(out)}

    @property
    def struct(self) -> dict[str, int]:
        ends = {"groups": self.groups, "activation": EPILOGUES[self.activation]}
        return {**self.letters, **_steps(self.win), **ends}

    def __str__(self) -> str:
        precision = self.precision if self.precision != "fp32" else ""
        ends = ["residual" if self.residual else "", self.activation or "", precision]
        return " ".join([super().__str__(), str(self.win), *filter(None, ends)])


@dataclass(frozen=True)
class Columns(Problem):
    """A matrix of M rows and K columns, to be summed over its rows."""

    M: int
    K: int


@dataclass(frozen=True)
class Rows(Problem):
    """M rows of L elements, each of which is normalised; ``affine``: whether the parameters' gradients are wanted."""

    M: int
    L: int
    eps: float
    affine: bool


@dataclass(frozen=True)
class Groups(Problem):
    """N samples of C channels in G groups, each over L positions; ``affine``: whether its gradients are wanted."""

    N: int
    C: int
    L: int
    G: int
    nhwc: bool
    eps: float
    affine: bool


@dataclass(frozen=True)
class Labels(Problem):
    """M rows of C scores each, with a class index a row; a row's scores lie L apart, as in memory (M/L, C, L)."""

    M: int
    C: int
    L: int
    label: str  # the indices' dtype
    ignore_index: int
    reduction: str
    smoothing: float


@dataclass(frozen=True)
class Numbers(Problem):
    """M numbers of K rows of L elements; ``index`` is the numbers' dtype."""

    M: int
    K: int
    L: int
    index: str

    @property
    def letters(self) -> dict[str, int]:
        return {**super().letters, "I": SIZES[self.index]}


_PIXEL = Window.of(1, rank=3)


@dataclass(frozen=True)
class Map(Problem):
    """L results of a function of arrays of M elements in all.

    ``walk``: (size, strides of u, v, w and y) of each axis, innermost first, as in kernels/elementwise/walk.cuh;
    ``wide``: whether 16-byte accesses walk so; ``in_place``: y is u.
    """

    L: int
    M: int
    function: str
    walk: tuple[tuple[int, ...], ...]
    wide: bool
    in_place: bool = False

    def __str__(self) -> str:
        sizes = "x".join(str(axis[0]) for axis in self.walk[::-1])
        return f"{self.function}{' in place' if self.in_place else ''} {sizes} {self.dtype}"


@dataclass(frozen=True)
class Frame(Problem):
    """M elements laid among L; ``walk``: (size, stride, first, step, count) of each axis, innermost first."""

    L: int
    M: int
    walk: tuple[tuple[int, ...], ...]
    wide: bool

    def __str__(self) -> str:
        return f"{'x'.join(str(axis[0]) for axis in self.walk[::-1])} {self.dtype}"


@dataclass(frozen=True)
class Reduction(Problem):
    """L results, each of J of M elements; (size, strides of x and factor) of each axis, innermost first.

    ``columns``: the innermost axis of memory is kept.
    """

    L: int
    M: int
    J: int
    function: str
    kept: tuple[tuple[int, ...], ...]
    reduced: tuple[tuple[int, ...], ...]
    columns: bool
    wide: bool

    def __str__(self) -> str:
        kept, reduced = ("x".join(str(axis[0]) for axis in walk[::-1]) for walk in (self.kept, self.reduced))
        return f"{self.function} of {reduced} for each of {kept}{' columns' if self.columns else ''} {self.dtype}"


@dataclass(frozen=True)
class Pool(Problem):
    """A pooling of one to three dimensions, the first ones of size 1; ``nhwc`` says which memory order x has."""

    N: int
    C: int
    H: int
    W: int
    R: int
    S: int
    P: int
    Q: int
    win: Window
    nhwc: bool
    count_include_pad: bool = True
    activation: str | None = None  # before the pooling
    flat: bool = False  # outputs are row-major, whatever x is
    wanted: bool = True  # whether a maximum's index is kept
    D: int = 1
    A: int = 1
    O: int = 1  # noqa: E741  (the letter of an output's depth)

    @property
    def inputs(self) -> int:
        """Elements of x."""
        return self.N * self.C * self.D * self.H * self.W

    @property
    def outputs(self) -> int:
        """Elements of y."""
        return self.N * self.C * self.O * self.P * self.Q

    @property
    def letters(self) -> dict[str, int]:
        return {**super().letters, "I": (1 if self.win.positions <= 256 else 2) if self.wanted else 0}

    @property
    def struct(self) -> dict[str, int]:
        ends = {"count_include_pad": int(self.count_include_pad), "flat": int(self.flat)}
        steps = {**_steps(_PIXEL), **_steps(self.win)}
        return {**self.letters, **steps, **ends, "activation": EPILOGUES[self.activation]}

    def __str__(self) -> str:
        flat = "eV" if self.win.rank == 3 else "eVDAO"
        return " ".join([*(f"{k}{v}" for k, v in self.letters.items() if k not in flat), self.dtype])


@dataclass(frozen=True)
class Norm(Problem):
    """A batch normalisation over N*L values of each of C channels.

    ``gate``: what tells, after a ReLU, what it let through: "y", its "signs" as bits, or "", x once more.
    """

    N: int
    C: int
    L: int
    nhwc: bool
    eps: float
    relu: int
    training: int
    gate: str = ""


@dataclass(frozen=True)
class Tensors(Problem):
    """Many tensors in one launch: M of them, L elements in all, shared among so many blocks."""

    M: int
    L: int
    blocks: int
