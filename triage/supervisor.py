"""The process group of `triage serve`: listener, worker and API as children, restarted when one dies.

Separate processes keep a crashing decoder or a busy model from the listener. Each child holds the read end of a pipe
whose write end only the supervisor has: however the supervisor dies, the pipe closes and the children end.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

ROLES = ("scp", "worker", "api")
STOP_SECONDS = 10.0
LONGEST_PAUSE = 30.0


@dataclass
class _Child:
    role: str
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause: float = 0.5
    start_at: float = field(default=0.0)


class Supervisor:
    """Runs the roles until SIGTERM or SIGINT."""

    def __init__(self, arguments: Sequence[str], roles: Sequence[str] = ROLES) -> None:
        self._arguments = list(arguments)
        self._children = [_Child(role) for role in roles]
        self._stop = threading.Event()

    def run(self) -> None:
        """Blocks until stopped; a child that dies is started again after a pause that grows to 30 s."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        try:
            while not self._stop.is_set():
                for child in self._children:
                    self._tend(child)
                self._stop.wait(0.2)
        finally:
            self._end_all()

    def _tend(self, child: _Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.start_at:
                self._start(child, now)
            return
        code = child.process.poll()
        if code is None:
            return
        lived = now - child.started_at
        child.pause = 0.5 if lived > 60 else min(LONGEST_PAUSE, child.pause * 2)
        log.error(
            "role %s ended with code %s after %.1f s; starting it again in %.1f s", child.role, code, lived, child.pause
        )
        child.process, child.start_at = None, now + child.pause

    def _start(self, child: _Child, now: float) -> None:
        command = [sys.executable, "-m", "triage", child.role, "--lifeline", *self._arguments]
        # A session of its own: Ctrl-C in the terminal reaches the supervisor, which then ends the children in order.
        child.process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603
        child.started_at = now

    def _end_all(self) -> None:
        running = [child.process for child in self._children if child.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def stop_event(lifeline: bool) -> threading.Event:
    """An event that SIGTERM, SIGINT or (with `lifeline`) the end of the supervisor sets.

    A role that does not end within STOP_SECONDS of losing its supervisor is ended hard: durable state allows it.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if lifeline:
        threading.Thread(target=_watch, args=(stop,), daemon=True, name="lifeline").start()
    return stop


def _watch(stop: threading.Event) -> None:
    while os.read(0, 1):
        pass
    stop.set()
    time.sleep(STOP_SECONDS)
    os._exit(1)
