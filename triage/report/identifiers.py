"""Report: UIDs that depend on nothing but what they name, so that a retry makes the same object and not another one."""

from uuid import UUID, uuid5

_NAMESPACE = UUID("a8a30f12-5e2a-4d53-9f04-0e9a3a6c7e1b")  # drawn once for this service


def uid(name: str, kind: str) -> str:
    """A UID under 2.25 (PS3.5 B.2) from a name, such as a result id, and the kind of thing that is derived from it."""
    return f"2.25.{uuid5(_NAMESPACE, f'{kind}/{name}').int}"
