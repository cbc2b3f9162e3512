"""Serve: the HTTP server of the API role. Input: an application and a listening socket. Runs until told to stop."""

import socket
import threading

import uvicorn
from fastapi import FastAPI

from triage.core.errors import ConfigurationError, TriageError

GRACE_SECONDS = 2
"""How long open requests may take to end: a browser that keeps its connection must not keep the service alive."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one.

    Errors:
        ConfigurationError: the address is taken or not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise ConfigurationError(f"http: cannot listen on {host}:{port} ({error.strerror or error})") from error


def run(app: FastAPI, listener: socket.socket, stop: threading.Event) -> None:
    """Serves until `stop` is set, then lets open requests end for GRACE_SECONDS.

    The server runs beside the main thread, so that signals stay with the caller. Addresses are not logged: a search for
    a patient stands in them.

    Errors:
        TriageError: the server ended by itself.
    """
    config = uvicorn.Config(
        app, access_log=False, log_config=None, server_header=False, timeout_graceful_shutdown=GRACE_SECONDS
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="http", daemon=True)
    thread.start()
    while thread.is_alive() and not stop.wait(0.2):
        pass
    server.should_exit = True
    thread.join(GRACE_SECONDS + 3)
    listener.close()
    if not stop.is_set():
        raise TriageError("the HTTP server ended by itself; its log says why")
