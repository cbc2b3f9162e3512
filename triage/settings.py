"""Typed settings of the service: defaults < `triage.toml` < environment `TRIAGE_SECTION__KEY` < command line.

Every default runs without a file. A wrong value is reported with the file, the key and what was expected.
"""

import os
import re
import tomllib
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from triage.core.errors import ConfigurationError


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _fingerprint(value: str) -> str:
    digits = value.rpartition("=")[2].replace(":", "").strip().lower()
    if value and not re.fullmatch("[0-9a-f]{64}", digits):
        raise ValueError("must be the SHA-256 fingerprint of a certificate: 64 hexadecimal digits")
    return digits


Fingerprint = Annotated[str, AfterValidator(_fingerprint)]
"""Lower-case digits of the SHA-256 fingerprint of a certificate; empty: none."""


class DicomTlsSettings(_Section):
    """The port of the Storage SCP that demands certificates. All files are PEM."""

    cert_file: Path
    key_file: Path
    ca_file: Path
    """The authorities whose certificates senders may show; the system's are not asked."""
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 2762


class SenderSettings(_Section):
    """One peer that may send: its AE title, and what it cannot just claim, be it its address or its certificate."""

    ae_title: Annotated[str, Field(min_length=1, max_length=16)]
    """`*`: whatever title, for those that have no entry of their own."""
    hosts: tuple[IPv4Network | IPv6Network, ...] = ()
    certificate_sha256: Fingerprint = ""
    """What `openssl x509 -noout -fingerprint -sha256` prints, with or without colons."""
    certificate_name: str = ""
    """Common name or alternative name of the certificate."""

    @model_validator(mode="after")
    def _proves_who_it_is(self) -> Self:
        if not (self.hosts or self.certificate_sha256 or self.certificate_name):
            raise ValueError("anybody can claim an AE title: give hosts, certificate_sha256 or certificate_name")
        return self


class DicomSettings(_Section):
    """The Storage SCP."""

    ae_title: Annotated[str, Field(min_length=1, max_length=16)] = "TRIAGE"
    port: Annotated[int, Field(ge=1, le=65535)] = 11112
    host: str = "127.0.0.1"
    plain: bool = True
    """Whether there is a port without TLS."""
    tls: DicomTlsSettings | None = None
    sender: tuple[SenderSettings, ...] = ()
    """Who may send. Without any, everybody on this machine may, and listening beyond it is refused."""


class HttpSettings(_Section):
    """Worklist pages and REST."""

    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    host: str = "127.0.0.1"


class AssemblySettings(_Section):
    """When a study without the four standard views counts as complete."""

    quiet_seconds: Annotated[float, Field(gt=0)] = 60
    max_wait_seconds: Annotated[float, Field(gt=0)] = 900

    @property
    def quiet(self) -> timedelta:
        """Time without a new image."""
        return timedelta(seconds=self.quiet_seconds)

    @property
    def max_wait(self) -> timedelta:
        """Longest time from the first image."""
        return timedelta(seconds=self.max_wait_seconds)


class InferenceSettings(_Section):
    """Which bundle runs where. `bundle` is a name under `models/` or a folder."""

    bundle: str = "default"
    shadow_bundle: str = ""
    """A second bundle that runs beside the one that serves and is compared, never shown to readers; empty: none."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    threads: Annotated[int, Field(ge=0)] = 0

    @property
    def thread_count(self) -> int:
        """Threads of the one worker process; 0 means all cores."""
        return self.threads or len(os.sched_getaffinity(0))


class DatabaseSettings(_Section):
    """Empty URL: SQLite under home."""

    url: str = ""


DicomOutput = Literal["sr", "sr-88.33", "sr-88.22", "sc", "gsps", "kos", "pdf", "cad-sr"]


class _Destination(_Section):
    name: Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9._-]+$")]


class DestinationTlsSettings(_Section):
    """How we and a receiver prove to each other who we are. All files are PEM."""

    cert_file: Path
    key_file: Path
    ca_file: Path
    certificate_sha256: Fingerprint = ""
    """Only this certificate of the receiver; its host name is not compared then."""


class CStoreDestination(_Destination):
    """A receiver of DICOM objects by C-STORE."""

    kind: Literal["c-store"] = "c-store"
    ae_title: Annotated[str, Field(min_length=1, max_length=16)]
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 11113
    tls: DestinationTlsSettings | None = None
    storage_commitment: bool = False
    """Ask the receiver to commit itself; only then a result counts as confirmed."""
    outputs: tuple[DicomOutput, ...] = ("sr",)


class StowDestination(_Destination):
    """A receiver of DICOM objects by STOW-RS; `secret_file` holds `user:password` or a token."""

    kind: Literal["stow"]
    url: str
    ca_file: Path | None = None
    authorization: Literal["none", "basic", "bearer"] = "none"
    secret_file: Path | None = None
    outputs: tuple[DicomOutput, ...] = ("sr",)


class Hl7Destination(_Destination):
    """A receiver of HL7 v2 ORU^R01 over MLLP; see `triage.report.hl7.Hl7Mapping` for the fields of the message."""

    kind: Literal["hl7"]
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 2575
    outputs: tuple[Literal["hl7-oru"], ...] = ("hl7-oru",)
    sending_application: str = "TRIAGE"
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    assigning_authority: str = ""
    patient_class: str = ""
    accession_fields: tuple[int, ...] = (3, 18)
    scores: bool = True
    ordered_priority: Literal["", "S", "A", "R"] = ""
    priorities: dict[Literal["not_flagged", "not_evaluated"], Literal["S", "A", "R"]] = {}


DestinationSettings = Annotated[
    Annotated[CStoreDestination, Tag("c-store")]
    | Annotated[StowDestination, Tag("stow")]
    | Annotated[Hl7Destination, Tag("hl7")],
    Discriminator(lambda value: value.get("kind", "c-store") if isinstance(value, dict) else value.kind),
]


class Settings(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(
        env_prefix="TRIAGE_",
        env_nested_delimiter="__",
        extra="ignore",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    home: Path = Path("triage-home")
    dicom: DicomSettings = DicomSettings()
    http: HttpSettings = HttpSettings()
    assembly: AssemblySettings = AssemblySettings()
    inference: InferenceSettings = InferenceSettings()
    database: DatabaseSettings = DatabaseSettings()
    destination: tuple[DestinationSettings, ...] = ()

    @field_validator("destination")
    @classmethod
    def _names_are_unique(cls, value: tuple[DestinationSettings, ...]) -> tuple[DestinationSettings, ...]:
        names = [destination.name for destination in value]
        if len(set(names)) != len(names):
            raise ValueError(f"two destinations share a name: {', '.join(sorted(names))}")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line, then environment, then the TOML file of the class, if it names one."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load(config: Path | None = None, **overrides: Any) -> Settings:
    """Settings from `config` (or ./triage.toml if there is one), the environment and command-line overrides.

    Raises:
        ConfigurationError: the file cannot be read, or a value is wrong; the message names file and key.
    """
    file = config or (Path("triage.toml") if Path("triage.toml").is_file() else None)
    if file is not None:
        _check_file(file)

    class WithFile(Settings):
        model_config = SettingsConfigDict(toml_file=file)

    _check_environment()
    try:
        return WithFile(**{key: value for key, value in overrides.items() if value is not None})
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
        raise ConfigurationError(f"settings ({file or 'defaults and environment'}): " + "; ".join(lines)) from error


def _check_environment() -> None:
    """A mistyped section must not be ignored: TRIAGE_DICM__PORT would leave the port as it was."""
    for variable in os.environ:
        section = variable.removeprefix("TRIAGE_").partition("__")[0].lower()
        if variable.startswith("TRIAGE_") and "__" in variable and section not in Settings.model_fields:
            known = ", ".join(Settings.model_fields)
            raise ConfigurationError(f"environment: {variable} names unknown section {section!r}; known: {known}")


def _check_file(file: Path) -> None:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read ({error.strerror})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file}: not valid TOML: {error}") from error
    unknown = sorted(set(content) - set(Settings.model_fields))
    if unknown:
        known = ", ".join(Settings.model_fields)
        raise ConfigurationError(f"{file}: unknown section {', '.join(unknown)}; known: {known}")
