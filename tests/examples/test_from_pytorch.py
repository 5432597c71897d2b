"""examples/from_pytorch.md: each line runs, gives what PyTorch's line gives, and what is refused says its words."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest

import gpunn
from gpunn import left_out

TEXT = (Path(__file__).parents[2] / "examples/from_pytorch.md").read_text()
IMPORTS, SETUP, *BLOCKS, REFUSED = re.findall(r"```python\n(.*?)```", TEXT, re.S)
PAIRS = list(zip(BLOCKS[::2], BLOCKS[1::2], strict=True))
LEFT_OUT = TEXT.split("## Left out")[1].split("## ")[0]
# Where a name's answer stands, by what is before its last dot.
ANSWERS = {"": left_out.NAMES, "nn": left_out.OF_NN, "utils": left_out.OF_UTILS}


def ran(block, ours):
    """What a block's lines leave, after those that come first on the page."""
    space = {}
    imports = IMPORTS if ours else re.sub(r"\bgpunn( as torch)?\b", "torch", re.sub(r".*gpunn\.data.*\n", "", IMPORTS))
    exec(imports + SETUP + block, space)
    return space


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[1].splitlines()[1][:40])
def test_lines_give_what_pytorchs_give(pair):
    old, new = pair
    assert old.startswith("# PyTorch") and new.startswith("# gpunn")
    found = ran(new, True)["found"]
    assert found is not None
    pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    wanted = ran(old.replace("x @ x.t()", "(x @ x.t()).float()"), False)["found"]  # NumPy has no bfloat16
    np.testing.assert_allclose(np.asarray(found, "float32"), wanted, 1e-2 if "bf16" in new else 1e-6)


@pytest.mark.parametrize("line", REFUSED.strip().splitlines())
def test_what_is_refused_says_so(line):
    code, kind, words = re.fullmatch(r"(.+?)  # (\w+): (.+)", line).groups()
    space = ran("w = torch.ones(3, requires_grad=True)", True)
    image = space["nn"].Conv2d(1, 2, 3)(gpunn.ones(2, 1, 5, 5))
    computed = space["w"] * 2
    space |= {"image": image, "computed": computed, "other": computed.view(3)}  # `other` shares computed's memory
    with pytest.raises(Exception) as caught:
        exec(code, space)
    assert type(caught.value).__name__ == kind and str(caught.value).startswith(words)


def test_names_left_out_are_answered():
    rows = re.findall(r"^\| (`.+?) \|", LEFT_OUT, re.M)
    names = [name for row in rows for name in re.findall(r"`([\w.]+)`", row)]
    assert len(names) > 20
    for name in names:
        *module, last = name.split(".")
        assert last in ANSWERS[".".join(module)], name
        with pytest.raises(AttributeError, match="which PyTorch has"):
            getattr(importlib.import_module(".".join(["gpunn", *module])), last)
