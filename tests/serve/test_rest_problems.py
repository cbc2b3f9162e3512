"""Errors as RFC 9457 problem details, and the headers of every answer."""

import pytest
from fastapi.testclient import TestClient
from served_exams import Archive


def test_unknown_study_is_named(client: TestClient) -> None:
    answer = client.get("/api/v1/studies/1.2.3.4")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "No study 1.2.3.4 was received.",
        "instance": "/api/v1/studies/1.2.3.4",
    }


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("limit=0", "query limit"),
        ("limit=many", "query limit"),
        ("outcome=perhaps", "query outcome"),
        ("state=lost", "query state"),
        ("since=2026-11-21T08:00:00", "query since"),
        ("q=a%00b", "query q"),
        ("cursor=nonsense", "query cursor"),
        ("cursor=%C3%A4", "query cursor"),
    ],
)
def test_wrong_values_are_named(client: TestClient, query: str, where: str) -> None:
    answer = client.get(f"/api/v1/worklist?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert where in answer.json()["detail"]


def test_a_wrong_value_is_not_repeated(client: TestClient) -> None:
    secret = "Doe-Jane-" + "x" * 100
    assert "Doe-Jane" not in client.get(f"/api/v1/worklist?q={secret}").text


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/studies/a%00b", "/api/v1/studies/" + "1." * 40])
def test_every_refusal_is_a_problem(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_wrong_method_is_a_problem(client: TestClient) -> None:
    answer = client.post("/api/v1/worklist")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.json()["title"] == "Method Not Allowed"


def test_unexpected_error_says_nothing_of_its_cause(archive: Archive, client: TestClient, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("Doe^Jane")

    monkeypatch.setattr(archive.ledger, "study", fail)
    answer = client.get("/api/v1/studies/1.2.3")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "Doe" not in answer.text
    assert answer.headers["content-security-policy"]


def test_people_get_a_page(client: TestClient) -> None:
    answer = client.get("/studies/1.2.3.4", headers={"accept": "text/html"})
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "No study 1.2.3.4 was received." in answer.text


@pytest.mark.parametrize("path", ["/worklist", "/api/v1/studies/1", "/static/style.css", "/openapi.json"])
def test_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


def test_openapi_names_the_contract(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert {
        "/api/v1/health",
        "/api/v1/worklist",
        "/api/v1/studies/{study_instance_uid}",
        "/api/v1/studies/{study_instance_uid}/images/{sop_instance_uid}/preview.png",
        "/api/v1/studies/{study_instance_uid}/images/{sop_instance_uid}/attention.png",
    } <= set(document["paths"])
    assert "Every exam is still read" in document["info"]["description"]
    unknown = document["paths"]["/api/v1/studies/{study_instance_uid}"]["get"]["responses"]["404"]
    assert list(unknown["content"]) == ["application/problem+json"]
    assert client.get("/docs").status_code == 404
