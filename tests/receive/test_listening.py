"""From the settings to the listener: what starts without configuration, and what must not start."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from triage import listening
from triage.core.errors import ConfigurationError
from triage.receive.admission import Admission, Sender
from triage.receive.scp import Listener, TlsPort
from triage.settings import Settings, load

TLS = '[dicom.tls]\ncert_file = "a.crt"\nkey_file = "a.key"\nca_file = "ca.crt"\n'
PRINT = "sha256 Fingerprint=" + ":".join(["AB"] * 32)


@pytest.fixture
def settings(tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """The settings that the parameter spells."""
    return load(written(tmp_path, request.param))


def written(folder: Path, content: str) -> Path:
    file = folder / "triage.toml"
    file.write_text(content)
    return file


def test_the_defaults_take_images_from_this_machine_only() -> None:
    assert listening.listener(Settings().dicom) == Listener("TRIAGE", "127.0.0.1", 11112)


def test_everything_that_can_be_set_arrives(tmp_path: Path) -> None:
    content = f"""
[dicom]
plain = false
{TLS}host = "0.0.0.0"
port = 2763
[[dicom.sender]]
ae_title = "PACS"
hosts = ["10.1.2.0/24", "10.1.3.7"]
certificate_sha256 = "{PRINT}"
[[dicom.sender]]
ae_title = "*"
certificate_name = "ward.example"
"""
    tls = TlsPort(Path("a.crt"), Path("a.key"), Path("ca.crt"), "0.0.0.0", 2763)
    senders = (
        Sender("PACS", (ip_network("10.1.2.0/24"), ip_network("10.1.3.7/32")), "ab" * 32),
        Sender("*", certificate_name="ward.example"),
    )
    assert listening.listener(load(written(tmp_path, content)).dicom) == Listener(
        plain=False, tls=tls, admission=Admission(senders)
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ('[dicom]\nhost = "0.0.0.0"', r"0\.0\.0\.0 without senders .* \[\[dicom\.sender\]\]"),
        ('[dicom]\nhost = ""', "every address without senders"),
        (f'{TLS}host = "10.1.2.3"', r"10\.1\.2\.3 without senders"),
        ("[dicom]\nplain = false", r"dicom\.plain: .*nothing would listen"),
        (f'[[dicom.sender]]\nae_title = "PACS"\ncertificate_sha256 = "{PRINT}"', r"PACS .* no \[dicom\.tls\]"),
    ],
    indirect=["settings"],
)
def test_what_lets_in_anybody_or_nobody_does_not_start(settings: Settings, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        listening.check(settings.dicom)


def test_files_of_tls_are_checked(tmp_path: Path) -> None:
    listening.check(Settings().dicom)
    with pytest.raises(ConfigurationError, match=r"tls\.cert_file: cannot read a\.crt"):
        listening.check(load(written(tmp_path, TLS)).dicom)


@pytest.mark.parametrize(
    ("sender", "said"),
    [
        ('ae_title = "PACS"', r"dicom\.sender\.0: .*anybody can claim an AE title"),
        ('ae_title = "PACS"\nhosts = ["10.1.2.3/24"]', r"dicom\.sender\.0\.hosts\.0"),
        ('ae_title = "PACS"\ncertificate_sha256 = "1234"', r"certificate_sha256: .*64 hexadecimal digits"),
        ('ae_title = "A TITLE THAT IS TOO LONG"\nhosts = ["::1"]', r"dicom\.sender\.0\.ae_title"),
    ],
)
def test_a_sender_that_proves_nothing_is_refused(tmp_path: Path, sender: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load(written(tmp_path, f"[[dicom.sender]]\n{sender}"))
