"""Trainers on ranks that MPI started: one run of two ranks, and one of four, of which each test looks at a part."""

import os

import numpy as np
import pytest

from gpunn import dist, nn, optim, random, train
from tests.dist.mpi import found_by
from tests.dist.together import together

IN_CI = "CI" in os.environ
SOME = ["bits_of_accumulation", "resumed", "differing"]


@pytest.fixture(
    scope="module", params=[2, pytest.param(4, marks=pytest.mark.skipif(not IN_CI, reason="seconds: in CI"))]
)
def runs(request, tmp_path_factory):
    """What each rank has found, by check."""
    names = () if IN_CI else SOME
    return found_by(request.param, "training", tmp_path_factory.mktemp("ranks"), *names)


def of(runs, check):
    if check not in runs[0]:
        pytest.skip("seconds of several ranks: in CI")
    return [found[check] for found in runs]


def test_the_bits_are_those_of_one_process_that_accumulates_the_parts(runs):
    for found in of(runs, "bits_of_accumulation"):
        assert found["same"] and found["far"] < 1e-6 and found["history"] < 1e-6


def test_several_batches_an_update_and_other_loaders(runs):
    assert max(of(runs, "several_batches_an_update")) < 1e-6
    for found in of(runs, "plain_loaders"):
        assert found["list"] and found["sampler"] < 1e-6


def test_what_counts_is_all_ranks_labels_and_samples(runs):
    for found in of(runs, "ignored_labels"):
        assert found["same"] and abs(found["loss"]) < 1e-12
    assert all(of(runs, "mean_squares"))


def test_statistics_of_all_ranks_are_those_of_the_whole_batch(runs):
    assert max(of(runs, "synchronised")) < 1e-5


def test_validation_and_buffers_are_one_for_all(runs):
    for found in of(runs, "own_statistics"):
        assert found == {"losses": 1, "means": len(runs)}


def test_ranks_drop_units_of_their_own_and_draw_alike_afterwards(runs):
    for found in of(runs, "dropped"):
        assert found == {"masks": len(runs), "after": 1}


def test_a_run_goes_on_to_the_bit_and_on_another_number_of_ranks(runs):
    for found in of(runs, "resumed"):
        assert found["same"] and found["rows"] == 3 and found["first"]
        assert {"checkpoint.npz", "best.npz", "last.npz", "history.csv"} <= set(found["files"])


def test_a_checkpoint_within_an_update_holds_all_ranks_sums(runs):
    for found in of(runs, "within_sums"):
        assert found["far"] < 1e-6 and found["whole"] < 1e-6


def test_ranks_that_differ_are_told_which_and_in_what(runs):
    for network, option in of(runs, "differing"):
        assert "rank 1 has another network than rank 0: 0.weight float32 (4, 1, 3, 3), expected 1.weight" in network
        assert option == (
            "Trainer: rank 1 has grad_clip 2.0, rank 0 1.0; start all ranks with the same program, options and data"
        )


def test_what_is_no_group_is_refused():
    model = nn.Linear(3, 2)
    with pytest.raises(TypeError, match=r"Trainer: ranks is 4, expected what dist\.init\(\) returns, None for that"):
        train.Trainer(model, None, ranks=4)

    def run(group):
        with pytest.raises(ValueError, match=r"Trainer: model is a DataParallel, .* give its \.module"):
            train.Trainer(dist.DataParallel(nn.Linear(3, 2), init_sync=False), None)

    together(2, run)


def test_one_process_keeps_the_stream_of_its_random_numbers():
    before = random.get_state()
    try:
        model, x, y = nn.Linear(3, 2), np.ones((4, 3), np.float32), np.zeros(4, np.int64)
        random.set_state({"seed": 1, "stream": 70_000, "counter": 5})
        train.Trainer(model, optim.SGD(model.parameters(), lr=0.1)).fit([(x, y)])
        assert random.get_state() == {"seed": 1, "stream": 70_000, "counter": 5}
    finally:
        random.set_state(before)
