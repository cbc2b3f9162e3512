"""Deliver: every kind of destination, by the name that the configuration gives it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from triage.core.errors import ConfigurationError
from triage.deliver.c_store import CStore
from triage.deliver.mllp import Mllp
from triage.deliver.sender import Sender
from triage.deliver.stow import Stow

SENDERS: Mapping[str, type[CStore] | type[Stow] | type[Mllp]] = MappingProxyType(
    {"c-store": CStore, "stow": Stow, "hl7": Mllp}
)


def sender(kind: str, **options: Any) -> Sender:
    """A sender of one kind; `options` are the fields of its class.

    Raises:
        ConfigurationError: no such kind, or options that are not its own or do not fit together.
    """
    if kind not in SENDERS:
        raise ConfigurationError(f"destination.kind: {kind!r} is none of {', '.join(SENDERS)}")
    try:
        return SENDERS[kind](**options)
    except TypeError as error:
        raise ConfigurationError(f"destination of kind {kind}: {error}") from error
