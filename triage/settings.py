"""Typed settings of the service: defaults < `triage.toml` < environment `TRIAGE_SECTION__KEY` < command line.

Every default runs without a file. A wrong value is reported with the file, the key and what was expected.
"""

import os
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from triage.core.errors import ConfigurationError


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DicomSettings(_Section):
    """The Storage SCP."""

    ae_title: Annotated[str, Field(min_length=1, max_length=16)] = "TRIAGE"
    port: Annotated[int, Field(ge=1, le=65535)] = 11112
    host: str = "127.0.0.1"


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
    device: Literal["auto", "cpu", "gpu"] = "auto"
    threads: Annotated[int, Field(ge=0)] = 0

    @property
    def thread_count(self) -> int:
        """Threads of the one worker process; 0 means all cores."""
        return self.threads or len(os.sched_getaffinity(0))


class DatabaseSettings(_Section):
    """Empty URL: SQLite under home."""

    url: str = ""


class DestinationSettings(_Section):
    """One receiver of results."""

    name: Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9._-]+$")]
    kind: Literal["c-store"] = "c-store"
    ae_title: Annotated[str, Field(min_length=1, max_length=16)]
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 11113
    outputs: tuple[Literal["sr"], ...] = ("sr",)


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
