"""Handle: what takes a hook away again."""

from __future__ import annotations

from collections.abc import Callable


class Handle:
    """Given for each hook; `handle.remove()`, or calling it, takes the hook away, `with handle:` does so at the end.

    >>> layer = nn.ReLU()
    >>> handle = layer.register_forward_hook(lambda module, args, y: y + 1)
    >>> layer(np.zeros(1)), handle.remove(), layer(np.zeros(1))
    (array([1.]), None, array([0.]))
    """

    __slots__ = ("_remove",)

    def __init__(self, remove: Callable[[], None]):
        self._remove = remove

    def remove(self) -> None:
        """Take the hook away; the second time nothing happens."""
        self._remove()

    __call__ = remove

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._remove()
