"""DataParallel's refusals: networks that differ, and what learns nothing."""

import pytest

from gpunn import dist, nn
from tests.dist.together import together


def half_frozen(frozen):
    net = nn.Linear(6, 4)
    net.weight.requires_grad_(not frozen)
    return net


@pytest.mark.parametrize(
    ("differ", "words"),
    [
        (lambda rank: nn.Linear(6, 4 + (rank == 1)), ["rank 1", "weight", "(5, 6)", "(4, 6)"]),
        (lambda rank: nn.Linear(6, 4, bias=rank != 1), ["rank 1", "bias"]),
        (lambda rank: nn.Linear(6, 4, dtype="float64" if rank == 1 else None), ["rank 1", "float64", "float32"]),
        (lambda rank: half_frozen(rank == 1), ["rank 1", "weight"]),
    ],
    ids=["shape", "names", "dtype", "frozen"],
)
def test_networks_that_differ_are_refused_on_all_ranks(differ, words):
    """One sentence, the same on all: who, and in what."""

    def run(group):
        with pytest.raises(dist.DistError) as error:
            dist.DataParallel(differ(group.rank))
        return str(error.value)

    found = together(3, run)
    assert len(set(found)) == 1 and "\n" not in found[0]
    for word in words:
        assert word in found[0], found[0]


def test_a_network_that_learns_nothing_is_refused_as_in_pytorch():
    for net in (nn.Flatten(), nn.Linear(2, 2).requires_grad_(False)):
        with pytest.raises(
            (dist.DistError, ValueError), match=r"DataParallel: no parameter of the \w+ learns; call the"
        ):
            dist.DataParallel(net)


def test_one_inside_another_is_refused():
    """The inner one's means would be averaged once more, by other weights."""
    inner = dist.DataParallel(nn.Linear(2, 2))
    for net in (inner, nn.Sequential(inner, nn.ReLU())):
        with pytest.raises(
            dist.DistError, match=r"has a DataParallel inside, which averages already; give its \.module$"
        ):
            dist.DataParallel(net)
