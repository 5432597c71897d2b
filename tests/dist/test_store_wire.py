"""Lines between the store and a rank: whole however they are cut, and refused where somebody has touched them."""

import pytest

from gpunn.ranks.wire import GREETING, LINE, Wire, proof
from tests.dist.clients import SECRET


def sealed():
    """Both sides of a wire."""
    wires = Wire("rank"), Wire("store")
    for wire in wires:
        wire.seal(SECRET, "1 2")
    return wires


def test_messages_come_whole_however_they_are_cut():
    rank, other = sealed()
    messages = [{"op": "put", "value": "ü\n\0 x"}, {}, {"n": [1, None, 2.5]}]
    for byte in b"".join(map(rank.pack, messages)):
        other.feed(bytes([byte]))
        if (message := other.next()) is not None:
            assert message == messages.pop(0)
    assert not messages


@pytest.mark.parametrize("harm", [
    lambda a, b: a.replace(b"1", b"2"),  # changed
    lambda a, b: a + a,  # repeated
    lambda a, b: b,  # one left out
    lambda a, b: a[65:],  # no seal
    lambda a, b: Wire("rank").pack({"n": 1}),
    lambda a, b: sealed()[1].pack({"n": 1}),  # the other side's, sent back
    lambda a, b: b"\xff\n",
])  # fmt: skip
def test_a_line_that_was_touched_is_refused(harm):
    rank, other = sealed()
    other.feed(harm(rank.pack({"n": 1}), rank.pack({"n": 1})))
    with pytest.raises(ValueError, match="a line without the seal of this connection"):
        while other.next() is not None:
            pass


@pytest.mark.parametrize(("text", "words"), [
    (b"GET / HTTP/1.1\r\n", "a line that is no JSON"),
    (b"\xff\xfe\n", "a line that is no JSON"),
    (b"[" * 4000 + b"\n", "a line that is no JSON"),
    (b"[]\n", "a line that is no message"),
    (b"x" * (GREETING + 1), "a line of more than 4096 bytes"),
    (b"1" * (GREETING + 1) + b"\n", "a line of more than 4096 bytes"),
])  # fmt: skip
def test_rubbish_is_refused(text, words):
    wire = Wire("store")
    wire.feed(text)
    with pytest.raises(ValueError, match=words):
        wire.next()


def test_a_rank_may_send_no_endless_line():
    rank, other = sealed()
    other.feed(rank.pack({"value": "x" * LINE}))
    with pytest.raises(ValueError, match="more than 1048576 bytes"):
        other.next()


def test_proofs_differ_by_side_and_nonces():
    proofs = [proof(SECRET, who, nonces) for who in ("rank", "store", "key") for nonces in ("1 2", "1 3")]
    assert len({*proofs, proof("another", "rank", "1 2")}) == 7
