"""The HTTP server: it stops when told, whoever is still connected."""

import socket
import threading
import time
import urllib.request

import pytest
from governed_service import application
from served_exams import Archive

from triage.core.errors import ConfigurationError
from triage.serve.server import GRACE_SECONDS, listen, run


def test_stops_while_a_client_stays_connected(archive: Archive) -> None:
    listener, stop = listen("127.0.0.1", 0), threading.Event()
    port = listener.getsockname()[1]
    app = application(archive)
    server = threading.Thread(target=run, args=(app, listener, stop))
    server.start()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/worklist", timeout=10) as answer:
        assert answer.status == 200
        assert "server" not in answer.headers
    with socket.create_connection(("127.0.0.1", port)) as idle:
        idle.sendall(b"GET /worklist HTTP/1.1\r\n")  # never finished
        started = time.monotonic()
        stop.set()
        server.join(GRACE_SECONDS + 4)
        assert not server.is_alive()
        assert time.monotonic() - started < GRACE_SECONDS + 2


def test_a_taken_port_is_named() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"127\.0\.0\.1:{port}"):
            listen("127.0.0.1", port)
