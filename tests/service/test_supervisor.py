"""The process group: a role that dies comes back, a killed supervisor leaves nobody behind."""

import os
import signal
import time
from pathlib import Path

from running_service import Service


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False


def test_a_killed_role_comes_back(service: Service) -> None:
    before = service.children()
    assert len(before) == 3
    os.kill(before[1], signal.SIGKILL)
    service.until(lambda: len(set(service.children()) - set(before)) == 1, "a new process")
    service.until(lambda: service.get("health").get("status") == "ok", "the service to be whole again")


def test_children_end_with_a_killed_supervisor(tmp_path: Path) -> None:
    lone = Service(tmp_path)
    lone.start()
    children = lone.children()
    assert lone.process is not None
    lone.process.kill()
    lone.process.wait()
    deadline = time.monotonic() + 15
    while any(alive(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(alive(pid) for pid in children)
