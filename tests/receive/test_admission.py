"""Who may send: title, address and certificate together."""

from ipaddress import ip_address, ip_network

import pytest

from triage.receive.admission import Admission, Cause, Certificate, Sender, is_loopback, peer_address

NEAR, FAR = ip_address("10.1.2.3"), ip_address("10.1.3.3")
WARD = (ip_network("10.1.2.0/24"), ip_network("2001:db8::/32"))
OLD, NEW = Certificate("aa" * 32, frozenset({"pacs.example"})), Certificate("bb" * 32, frozenset({"pacs.example"}))


def test_without_senders_everybody_is_one() -> None:
    assert Admission().refusal("ANYBODY", FAR, None) is None


@pytest.mark.parametrize(
    ("title", "address", "certificate", "cause"),
    [
        ("CT", NEAR, None, None),
        ("CT", ip_address("2001:db8::7"), None, None),
        ("CT", FAR, None, Cause.WRONG_ADDRESS),
        ("CT", FAR, OLD, Cause.WRONG_ADDRESS),
        ("ct", NEAR, None, Cause.UNKNOWN_TITLE),
        ("", NEAR, OLD, Cause.UNKNOWN_TITLE),
        ("PACS", FAR, OLD, None),
        ("PACS", FAR, NEW, None),
        ("PACS", FAR, None, Cause.NO_CERTIFICATE),
        ("PACS", FAR, Certificate("cc" * 32, OLD.names), Cause.WRONG_CERTIFICATE),
        ("NAMED", FAR, NEW, None),
        ("NAMED", FAR, Certificate("bb" * 32, frozenset({"other.example"})), Cause.WRONG_CERTIFICATE),
        ("BOTH", NEAR, OLD, None),
        ("BOTH", FAR, OLD, Cause.WRONG_ADDRESS),
        ("BOTH", NEAR, NEW, Cause.WRONG_CERTIFICATE),
        ("*", NEAR, OLD, Cause.UNKNOWN_TITLE),
    ],
)
def test_each_binding_holds(title: str, address: object, certificate: Certificate | None, cause: Cause | None) -> None:
    admission = Admission(
        (
            Sender("CT", WARD),
            Sender("PACS", certificate_sha256=OLD.sha256),
            Sender("PACS", certificate_sha256=NEW.sha256),
            Sender("NAMED", certificate_name="PACS.example"),
            Sender("BOTH", WARD, certificate_sha256=OLD.sha256),
        )
    )
    assert admission.refusal(title, address, certificate) is cause  # type: ignore[arg-type]


def test_any_title_leaves_the_named_ones_bound() -> None:
    admission = Admission((Sender("PACS", certificate_sha256=OLD.sha256), Sender("*", WARD)))
    assert admission.refusal("WHOEVER", NEAR, None) is None
    assert admission.refusal("WHOEVER", FAR, None) is Cause.WRONG_ADDRESS
    assert admission.refusal("PACS", NEAR, None) is Cause.NO_CERTIFICATE


def test_addresses() -> None:
    assert peer_address("::ffff:10.1.2.3") == NEAR
    assert peer_address("fe80::1%eth0") in ip_network("fe80::/10")
    assert [is_loopback(host) for host in ("localhost", "127.0.0.1", "::1")] == [True] * 3
    assert [is_loopback(host) for host in ("", "0.0.0.0", "::", "10.1.2.3", "triage.example")] == [False] * 5
