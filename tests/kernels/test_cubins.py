"""The cache of compiled kernels: read when all is as it was, compiled anew when anything differs or is damaged."""

import pytest

from gpunn import seals
from gpunn.cuda import cubins

CUBIN = (b"\x7fELF" + bytes(range(256)), "ptxas info : Used 40 registers, große Datei")


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    seals.say.cache_clear()
    return tmp_path / "gpunn" / "cubins"


@pytest.fixture
def build():
    """A compiler that counts its calls."""

    def compiled():
        compiled.calls += 1
        return CUBIN

    compiled.calls = 0
    return compiled


KEY = cubins.Build("family/kernel.cu", "source", 80, (12, 9))


def test_a_kernel_is_compiled_once(cache, build):
    assert [cubins.cached(KEY, build) for _ in range(3)] == [CUBIN] * 3
    assert build.calls == 1
    (file,) = cache.glob("*.cubin")
    assert file == cubins.find(KEY) and file.read_bytes() == CUBIN[0]
    assert file.name.startswith("family-kernel-sm_80-") and file.name.endswith("-nvrtc12.9.cubin")


@pytest.mark.parametrize("other", [{"compiler": (13, 0)}, {"architecture": 90}, {"text": ""}], ids=str)
def test_whatever_differs_is_compiled(cache, build, other):
    cubins.cached(KEY, build)
    cubins.cached(KEY._replace(**other), build)
    assert build.calls == 2 and len(list(cache.glob("*.cubin"))) == 2


@pytest.mark.parametrize(
    "harm",
    [lambda data: b"", lambda data: data[:-1], lambda data: data[:-1] + bytes([data[-1] ^ 1])],
    ids=["empty", "cut short", "a bit flipped"],
)
@pytest.mark.parametrize("suffix", [".cubin", ".json"])
def test_a_damaged_entry_is_compiled_anew_and_a_line_says_so(cache, build, capsys, harm, suffix):
    cubins.cached(KEY, build)
    (file,) = cache.glob("*.cubin")
    harmed = file.with_suffix(suffix)
    harmed.write_bytes(harm(harmed.read_bytes()))
    assert cubins.cached(KEY, build) == CUBIN
    assert build.calls == 2
    assert capsys.readouterr().err == f"gpunn: {file} is damaged; the kernel is compiled anew\n"
    assert cubins.cached(KEY, build) == CUBIN
    assert build.calls == 2 and capsys.readouterr().err == ""


def test_a_cache_that_cannot_be_written_is_named_once(cache, build, capsys):
    cache.parent.parent.joinpath("gpunn").write_text("a file where a folder should be")
    assert [cubins.cached(KEY, build) for _ in range(2)] == [CUBIN] * 2
    assert build.calls == 2
    assert capsys.readouterr().err == (
        f"gpunn: compiled kernels cannot be kept in {cache} (Not a directory); "
        "set XDG_CACHE_HOME to a folder that you can write\n"
    )


def test_a_source_that_does_not_compile_is_not_kept(cache):
    def fail():
        raise ValueError("error in line 7")

    for _ in range(2):
        with pytest.raises(ValueError, match="line 7"):
            cubins.cached(KEY, fail)
    assert not cache.exists()
