"""What every refusal must say."""

import pytest


def check_refused(call, error, words):
    """The call raises the error, in one line that holds the words."""
    with pytest.raises(error) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text, f"one line, not: {text}"
    missing = [word for word in words if word not in text]
    assert not missing, f"{missing} missing from: {text}"
