"""What goes wrong on purpose."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field


@dataclass
class Fault:
    """Something that happens to the next ``times`` requests that match.

    ``match`` is a regular expression searched in ``"METHOD /path"``. The parts happen in this
    order: wait ``delay`` seconds; hold the request while ``freeze`` is on (until ``thaw``); perform
    it when ``perform`` is set; then answer with ``status`` (``code``, ``message``, and the header
    Retry-After when ``retry_after`` seconds are given), or cut the connection when ``lose`` is set.
    With neither ``status`` nor ``lose`` the request goes its usual way.
    """

    match: str
    times: int = 1
    status: int | None = None
    code: str = "TEMPORARILY_UNAVAILABLE"
    message: str = "injected by the test"
    retry_after: int | None = None
    delay: float = 0.0
    perform: bool = False
    lose: bool = False
    freeze: bool = False
    #: How many requests it has hit so far.
    hits: int = 0


@dataclass
class Faults:
    """The faults of one emulator; the first one that matches a request happens to it."""

    waiting: list[Fault] = field(default_factory=list)
    #: Every request is held while this is set.
    frozen: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(
        self,
        match: str,
        *,
        times: int = 1,
        status: int | None = None,
        code: str = "TEMPORARILY_UNAVAILABLE",
        message: str = "injected by the test",
        retry_after: int | None = None,
        delay: float = 0.0,
    ) -> Fault:
        """Answer with an error instead of doing it, or (no ``status``) only be slow."""
        return self._wait(
            Fault(match, times, status, code, message, retry_after=retry_after, delay=delay)
        )

    def lose_response(self, match: str, *, times: int = 1) -> Fault:
        """Do what is asked, then cut the connection instead of answering."""
        return self._wait(Fault(match, times, perform=True, lose=True))

    def drop(self, match: str, *, times: int = 1) -> Fault:
        """Cut the connection without doing anything."""
        return self._wait(Fault(match, times, lose=True))

    def freeze(self, match: str = "", *, times: int = 1) -> Fault:
        """Hold matching requests until ``thaw``; then they are done and answered."""
        return self._wait(Fault(match, times, freeze=True))

    def thaw(self) -> None:
        """Let go of everything that is held."""
        self.frozen = False
        with self._lock:
            for fault in self.waiting:
                fault.freeze = False

    def clear(self) -> None:
        """Forget all faults and let go of what is held."""
        self.thaw()
        with self._lock:
            self.waiting.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Find the fault of a request, and count it."""
        with self._lock:
            for fault in self.waiting:
                if fault.hits < fault.times and re.search(fault.match, f"{method} {path}"):
                    fault.hits += 1
                    return fault
        return None

    def _wait(self, fault: Fault) -> Fault:
        with self._lock:
            self.waiting.append(fault)
        return fault
