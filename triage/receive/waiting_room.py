"""Stage: receive. Where a connection waits until it has asked for an association that may be granted.

Input: accepted connections. Output: those whose A-ASSOCIATE-RQ came in time from a sender that may send, handed over
with that request still to be read; the others are refused and closed.

pynetdicom (3.0) makes the TLS handshake in its accept loop, gives each connection two threads before it has said
anything, and reads without a limit of time: one silent client keeps all others out. Here one thread waits for all
of them at once. None has more than ten seconds, counted from its arrival (the ARTIM timer of PS3.8 section 9.1.4), and
where too many wait, the one that has waited longest goes: a sender asks at once and is gone before its turn comes.
"""

import logging
import os
import select
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from triage.core.tls import cause
from triage.receive.admission import Admission, Cause
from triage.receive.request import ABORT, CALLING_TITLE_NOT_RECOGNISED, NotDicom, Visitor

log = logging.getLogger(__name__)

WAITING_SECONDS = 10.0
NETWORK_SECONDS = 60.0
"""After that a peer that stops in the middle of a PDU is gone. pynetdicom itself would wait for ever."""
_TOLD_EVERY_SECONDS = 10.0


@dataclass(frozen=True)
class Room:
    """How many may wait at once."""

    places: int = 512
    """Far from 1024, the descriptors that `select` can watch: pynetdicom uses it for those who have an association."""
    places_for_one_host: int = 64
    seconds: float = WAITING_SECONDS


class WaitingRoom:
    """One thread for all connections without an association, of all ports."""

    def __init__(self, admission: Admission, room: Room | None = None) -> None:
        self._admission = admission
        self._room = room or Room()
        self._visitors: dict[int, Visitor] = {}
        """By file descriptor, longest waiting first."""
        self._lock = threading.Lock()
        self._epoll = select.epoll()
        self._bell = os.eventfd(0)
        self._epoll.register(self._bell, select.EPOLLIN)
        self._closing = False
        self._untold: Counter[tuple[Cause, str]] = Counter()
        self._tell_at = 0.0
        self._thread = threading.Thread(target=self._run, name="waiting-room", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._visitors)

    def enter(
        self,
        connection: socket.socket,
        client_address: tuple[Any, ...],
        context: ssl.SSLContext | None,
        begin: Callable[[socket.socket, tuple[Any, ...]], None],
    ) -> None:
        """Takes a connection in; `begin` is called with it once it may have its association. Never blocks."""
        try:
            visitor = Visitor(connection, client_address, context, begin, time.monotonic() + self._room.seconds)
        except (OSError, ValueError):  # gone before it was let in
            connection.close()
            return
        with self._lock:
            if self._closing:
                visitor.connection.close()
                return
            self._make_room_for(visitor)
            self._visitors[visitor.number] = visitor
            # By edges: a visitor is looked at when something new came from it, not as long as it has said half a thing.
            self._epoll.register(visitor.number, select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET)

    def close(self) -> None:
        """Sends everybody away."""
        with self._lock:
            self._closing = True
        os.eventfd_write(self._bell, 1)
        self._thread.join()

    def _make_room_for(self, visitor: Visitor) -> None:
        hosts: dict[str, list[Visitor]] = {}
        for one in self._visitors.values():
            hosts.setdefault(one.host, []).append(one)
        same = hosts.get(visitor.host, [])
        if len(same) >= self._room.places_for_one_host:
            self._dismiss(same[0], Cause.TOO_MANY)
        elif len(self._visitors) >= self._room.places:
            self._dismiss(max(hosts.values(), key=len)[0], Cause.TOO_MANY)

    def _run(self) -> None:
        while not self._closing:
            for number, _ in self._epoll.poll(1.0):
                with self._lock:  # nothing that is done under it waits for anybody
                    visitor = self._visitors.get(number)
                    if visitor is not None:
                        self._look_at(visitor)
            with self._lock:
                self._send_the_late_away()
                self._tell()
        with self._lock:
            for visitor in list(self._visitors.values()):
                self._dismiss(visitor)
            self._epoll.close()
            os.close(self._bell)

    def _look_at(self, visitor: Visitor) -> None:
        """Takes a visitor as far as it gets without waiting."""
        try:
            if visitor.leaving:
                if visitor.has_left():
                    self._dismiss(visitor)
            elif visitor.has_asked():
                self._decide(visitor)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass  # it has not said all yet
        except NotDicom:
            self._refuse(visitor, Cause.NOT_DICOM, "no association request", ABORT)
        except ssl.SSLError as error:
            self._refuse(visitor, Cause.TLS_FAILED, cause(error), b"")
        except OSError:  # hung up, which is its own affair
            self._dismiss(visitor)
        except Exception as error:
            # Whatever it was: who cannot be judged is not let in, and the others wait on.
            log.error("a connection was dropped: %s", type(error).__name__)
            self._dismiss(visitor)

    def _decide(self, visitor: Visitor) -> None:
        title = visitor.calling_ae_title
        found = self._admission.refusal(title, visitor.address, visitor.certificate)
        if found is not None:
            self._refuse(visitor, found, f"as {ascii(title)}", CALLING_TITLE_NOT_RECOGNISED)
            return
        self._remove(visitor)
        visitor.admitted(NETWORK_SECONDS)

    def _refuse(self, visitor: Visitor, found: Cause, detail: str, answer: bytes) -> None:
        log.warning("dicom-refused %s from %s: %s", found, visitor.host, detail)
        visitor.leave(answer)
        if visitor.has_left():  # else wait for that: to close at once could destroy the answer before it is read
            self._dismiss(visitor)

    def _send_the_late_away(self) -> None:
        now = time.monotonic()
        for first in list(self._visitors.values()):
            if first.deadline > now:
                return
            self._dismiss(first, None if first.leaving else Cause.SILENT)

    def _dismiss(self, visitor: Visitor, found: Cause | None = None) -> None:
        if found is not None:
            self._untold[found, visitor.host] += 1
        self._remove(visitor)
        visitor.connection.close()

    def _remove(self, visitor: Visitor) -> None:
        if self._visitors.pop(visitor.number, None) is not None:
            self._epoll.unregister(visitor.number)

    def _tell(self) -> None:
        """Hundreds of silent connections are a line or two in the log, not hundreds."""
        if not self._untold or time.monotonic() < self._tell_at:
            return
        for (found, host), count in self._untold.items():
            log.warning("dicom-refused %s from %s: %d connections", found, host, count)
        self._untold.clear()
        self._tell_at = time.monotonic() + _TOLD_EVERY_SECONDS
