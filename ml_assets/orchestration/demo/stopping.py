"""What ends a program from outside: Ctrl-C, a termination, a terminal that was closed."""

from __future__ import annotations

import contextlib
import io
import signal
from collections.abc import Iterator
from typing import Any

_LIKE_CTRL_C = ("SIGTERM", "SIGHUP")


@contextlib.contextmanager
def stopping_like_ctrl_c() -> Iterator[None]:
    """Answer SIGTERM and SIGHUP in the block as Ctrl-C is answered at that moment.

    A signal that this process was started to ignore (``nohup``) stays ignored. Only for the main
    thread.
    """
    numbers = [getattr(signal, name) for name in _LIKE_CTRL_C if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *numbers)}
    if before[signal.SIGINT] == signal.SIG_IGN:  # as in a script's background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for number in numbers:
            if before[number] != signal.SIG_IGN:
                signal.signal(number, _as_ctrl_c)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _as_ctrl_c(_number: int, _frame: object) -> None:
    # Not raised from here: Dagster puts Ctrl-C off while it records what happened.
    signal.raise_signal(signal.SIGINT)


def lasting_writer(descriptor: int) -> io.TextIOWrapper:
    """Open a descriptor for text; what cannot be written, as after a hang-up, is left out.

    The run goes on, or is recorded as stopped, when nobody can read along any more.
    """
    return io.TextIOWrapper(
        io.BufferedWriter(_Lasting(descriptor, "wb")), encoding="utf-8", line_buffering=True
    )


class _Lasting(io.FileIO):
    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            return len(data)
