"""CuPy's error classes in the look-alike: the numbers of CUDA and their words."""

from __future__ import annotations

_WORDS = {
    2: ("MemoryAllocation", "OUT_OF_MEMORY", "out of memory"),
    401: ("IllegalState", "ILLEGAL_STATE", "the operation cannot be performed in the present state"),
    900: ("StreamCaptureUnsupported", "STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"),
    901: (
        "StreamCaptureInvalidated",
        "STREAM_CAPTURE_INVALIDATED",
        "operation failed due to a previous error during capture",
    ),
    902: (
        "StreamCaptureMerge",
        "STREAM_CAPTURE_MERGE",
        "operation would result in a merge of separate capture sequences",
    ),
    903: (
        "StreamCaptureUnmatched",
        "STREAM_CAPTURE_UNMATCHED",
        "capture was not ended in the same stream as it began",
    ),
    904: ("StreamCaptureUnjoined", "STREAM_CAPTURE_UNJOINED", "capturing stream has unjoined work"),
    905: (
        "StreamCaptureIsolation",
        "STREAM_CAPTURE_ISOLATION",
        "dependency created on uncaptured work in another stream",
    ),
    906: (
        "StreamCaptureImplicit",
        "STREAM_CAPTURE_IMPLICIT",
        "operation would make the legacy stream depend on a capturing blocking stream",
    ),
    907: ("CapturedEvent", "CAPTURED_EVENT", "operation not permitted on an event last recorded in a capturing stream"),
    908: (
        "StreamCaptureWrongThread",
        "STREAM_CAPTURE_WRONG_THREAD",
        "attempt to terminate a thread-local capture sequence from another thread",
    ),
}
OUT_OF_MEMORY = 2
ILLEGAL_STATE = 401
UNSUPPORTED, INVALIDATED, MERGE, UNMATCHED, UNJOINED = range(900, 905)
ISOLATION, IMPLICIT, CAPTURED_EVENT, WRONG_THREAD = range(905, 909)


class CUDARuntimeError(RuntimeError):
    def __init__(self, status):
        self.status = status
        super().__init__(f"cudaError{_WORDS[status][0]}: {_WORDS[status][2]}")

    def __reduce__(self):
        return type(self), (self.status,)


class CUDADriverError(RuntimeError):
    def __init__(self, status):
        self.status = status
        super().__init__(f"CUDA_ERROR_{_WORDS[status][1]}: {_WORDS[status][2]}")

    def __reduce__(self):
        return type(self), (self.status,)


class OutOfMemoryError(MemoryError):
    def __init__(self, size, total, limit=0):
        self._size, self._total, self._limit = size, total, limit
        so_far = f"allocated so far: {total:,} bytes" + (f", limit set to: {limit:,} bytes" if limit else "")
        super().__init__(f"Out of memory allocating {size:,} bytes ({so_far}).")

    def __reduce__(self):
        return type(self), (self._size, self._total, self._limit)
