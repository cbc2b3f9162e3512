"""The HL7 message before an outside parser that knows the standard's tables, and what it may never say."""

import random
import warnings
from dataclasses import replace

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Message
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message
from mg_headers import four_views, mutate
from report_findings import BUNDLE, CASES, NORMAL, POINT, case, decided

from triage.core.errors import ConfigurationError, TriageError
from triage.core.finding import Outcome
from triage.core.reasons import CODE_VALUES, reason
from triage.report.hl7 import Hl7Mapping, message_control_id, oru
from triage.report.wording import DEMONSTRATION, EVERY_EXAM_IS_READ, LIMITED_BY_SAFETY

SITE = Hl7Mapping(
    sending_facility="SCREENING^1.2.3^ISO",
    receiving_application="RIS",
    receiving_facility="HOSPITAL",
    assigning_authority="HOSP",
    patient_class="O",
    priorities={Outcome.NOT_FLAGGED: "A", Outcome.NOT_EVALUATED: "R"},
    ordered_priority="R",
)


def parsed(message: bytes) -> Message:
    """The message, after strict validation against HL7 v2.5.1."""
    found = parse_message(message.decode("utf-8"), validation_level=VALIDATION_LEVEL.STRICT)
    assert found.validate()
    return found


def fields(message: bytes, name: str) -> list[list[str]]:
    """Every segment of that name as raw fields; for MSH the place in the list is one less than the field's number."""
    lines = message.decode("utf-8").removesuffix("\r").split("\r")
    return [line.split("|") for line in lines if line.startswith(f"{name}|")]


def observations(message: bytes, concept: str) -> list[str]:
    """Values, the lines of a text joined."""
    return [one[5].replace("~", " ") for one in fields(message, "OBX") if one[3].startswith(f"{concept}^")]


@pytest.mark.parametrize("name", [name for name in CASES if name != "bare"])
@pytest.mark.parametrize("mapping", [Hl7Mapping(), SITE], ids=["plain", "site"])
def test_a_strict_parser_finds_no_error(name: str, mapping: Hl7Mapping, request: pytest.FixtureRequest) -> None:
    finding, datasets = case(name, request.getfixturevalue("data_dir") if name in ("ge", "siemens") else None)
    message = parsed(oru(finding, datasets, mapping))
    assert message.msh.msh_9.value == "ORU^R01^ORU_R01"
    assert message.msh.msh_18.value == "UNICODE UTF-8"


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("P-0001^^^HOSPITAL", ""),
        lambda text: text.replace("TRI-002^Mammography triage^99MTRIAGE", ""),
        lambda text: text.replace("OBR|1|", "OBR|1~2|"),
        lambda text: text.replace("\rOBX|1|", "\rZZZ|1|"),
    ],
    ids=["no-patient-id", "no-procedure", "repetition", "segment"],
)
def test_the_strict_parser_would_find_one(damage: object) -> None:
    finding, datasets = case("flagged")
    text = oru(finding, datasets, SITE).decode()
    broken = damage(text)  # type: ignore[operator]
    assert broken != text
    with pytest.raises((HL7apyException, AssertionError)):
        parsed(broken.encode())


def test_the_message_says_whose_which_and_what() -> None:
    finding, datasets = case("flagged")
    message = oru(finding, datasets, SITE)
    [msh], [pid], [pv1], [obr] = (fields(message, name) for name in ("MSH", "PID", "PV1", "OBR"))
    assert msh[2:7] == ["TRIAGE", "SCREENING^1.2.3^ISO", "RIS", "HOSPITAL", "20261121101530+0000"]
    assert (pid[3], pid[5], pid[7], pid[8]) == ("P-0001^^^HOSPITAL", "Doe^Jane^^^^^L^A", "19650101", "F")
    assert pv1[2] == "O"
    assert (obr[3], obr[18], obr[7], obr[25]) == ("ACC0001", "ACC0001", "20250314093000", "P")
    assert obr[4] == "TRI-002^Mammography triage^99MTRIAGE", "not the mammogram's own code"
    assert observations(message, "TRI-001") == ["TRI-100^Confidently normal^99MTRIAGE"]
    assert observations(message, "TRI-010") == ["2.500000"]
    assert observations(message, "TRI-011") == ["1.250000"]
    assert observations(message, "113014") == [finding.study_instance_uid]
    assert EVERY_EXAM_IS_READ in observations(message, "121106")
    assert DEMONSTRATION in observations(message, "121106")


def test_nothing_is_final_or_marked_as_a_normal_or_abnormal_value() -> None:
    for name in ("flagged", "mixed", "implant"):
        finding, datasets = case(name)
        for segment in fields(oru(finding, datasets, SITE), "OBX"):
            assert segment[7:9] == ["", ""], "no reference range, no abnormal flag"
            assert segment[11] == ("O" if segment[3].startswith("113014^") else "P")


def test_a_demonstration_is_not_sent_as_production_data() -> None:
    _, datasets = case("flagged")
    point = replace(POINT, demonstration=False)
    real = decided(datasets, [NORMAL] * 4, bundle=replace(BUNDLE, demonstration=False), operating_point=point)
    message = oru(real, datasets, SITE)
    assert fields(message, "MSH")[0][10] == "P"
    assert DEMONSTRATION not in observations(message, "121106")
    for part in ({"bundle": BUNDLE}, {"operating_point": replace(point, demonstration=True)}):
        assert fields(oru(replace(real, **part), datasets, SITE), "MSH")[0][10] == "T"  # type: ignore[arg-type]


def test_a_refusal_gives_its_reasons_and_no_score() -> None:
    finding, datasets = case("implant")
    message = oru(finding, datasets, SITE)
    assert observations(message, "TRI-001") == ["TRI-900^Not evaluated^99MTRIAGE"]
    missing, implant = observations(message, "TRI-012")
    assert missing == "TRI-224^Views missing^99MTRIAGE^^^^^^LMLO cannot be evaluated"
    assert implant.startswith(f"{CODE_VALUES['implant']}^Implant^99MTRIAGE^^^^^^LMLO: ")
    assert observations(message, "TRI-010") == observations(message, "TRI-011") == []
    every = decided(datasets, reasons=tuple(map(reason, CODE_VALUES)), outcome=Outcome.NOT_EVALUATED)
    parsed(oru(every, datasets, SITE))
    codes = [value.partition("^")[0] for value in observations(oru(every, datasets, SITE), "TRI-012")]
    assert codes == list(CODE_VALUES.values())


def test_scores_can_be_left_out() -> None:
    finding, datasets = case("mixed")
    assert observations(oru(finding, datasets, SITE), "TRI-010") == ["-0.750000"]
    assert observations(oru(finding, datasets, replace(SITE, scores=False)), "TRI-010") == []


@pytest.mark.parametrize("name", ["flagged", "mixed", "implant"])
@pytest.mark.parametrize("scores", [True, False])
def test_a_threshold_that_safety_limits_is_told_with_or_without_scores(name: str, scores: bool) -> None:
    finding, datasets = case(name)
    assert POINT.limited_by_safety
    mapping = replace(SITE, scores=scores)
    message = oru(finding, datasets, mapping)
    parsed(message)
    assert observations(message, "121106").count(LIMITED_BY_SAFETY) == 1
    assert "limited by safety" in LIMITED_BY_SAFETY
    for point in (replace(POINT, limited_by_safety=False), None):
        other = oru(replace(finding, operating_point=point), datasets, mapping)
        parsed(other)
        assert "limited by safety" not in " ".join(observations(other, "121106"))


@pytest.mark.parametrize(
    ("outcome", "ordered", "default", "wanted", "sent"),
    [
        (Outcome.NOT_FLAGGED, "ROUTINE", "", "A", "A"),
        (Outcome.NOT_FLAGGED, "HIGH", "", "A", "A"),
        (Outcome.NOT_FLAGGED, "STAT", "", "A", None),
        (Outcome.NOT_FLAGGED, "HIGH", "", "R", None),
        (Outcome.NOT_FLAGGED, None, "R", "A", "A"),
        (Outcome.NOT_FLAGGED, None, "S", "A", None),
        (Outcome.NOT_FLAGGED, None, "", "A", None),
        (Outcome.NOT_FLAGGED, None, "", "S", "S"),
        (Outcome.NOT_FLAGGED, "STAT", "R", "A", None),
        (Outcome.NOT_FLAGGED, "nonsense", "", "A", None),
        (Outcome.CONFIDENTLY_NORMAL, "LOW", "R", "S", None),
        (Outcome.NOT_EVALUATED, "LOW", "R", "S", None),
    ],
)
def test_a_priority_is_raised_or_kept_and_never_lowered(
    outcome: Outcome, ordered: str | None, default: str, wanted: str, sent: str | None
) -> None:
    datasets = four_views(**({"RequestedProcedurePriority": ordered} if ordered else {}))
    finding = decided(datasets, [NORMAL] * 4, outcome=outcome)
    mapping = Hl7Mapping(priorities={Outcome.NOT_FLAGGED: wanted}, ordered_priority=default)
    message = oru(finding, datasets, mapping)
    parsed(message)
    assert [segment[9].partition("^")[0] for segment in fields(message, "TQ1")] == ([sent] if sent else [])


def test_a_mapping_that_could_lower_a_priority_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="confidently normal"):
        Hl7Mapping(priorities={Outcome.CONFIDENTLY_NORMAL: "S"})
    with pytest.raises(ConfigurationError, match="URGENT"):
        Hl7Mapping(priorities={Outcome.NOT_FLAGGED: "URGENT"})
    with pytest.raises(ConfigurationError, match="accession_fields"):
        Hl7Mapping(accession_fields=(4,))


def test_the_same_finding_has_the_same_bytes_and_another_one_another_id() -> None:
    finding, datasets = case("flagged")
    assert oru(finding, datasets, SITE) == oru(finding, datasets[::-1], SITE)
    other = replace(finding, result_id="result-2")
    ids = {fields(oru(one, datasets, SITE), "MSH")[0][9] for one in (finding, other)}
    assert ids == {message_control_id("result-1"), message_control_id("result-2")}
    assert all(len(one) == 20 for one in ids)


def test_text_cannot_break_out_of_its_field() -> None:
    text = "a|b^c&d~e\\f\r\nOBX|9|CWE"
    datasets = four_views(AccessionNumber="A|1^2", PatientID="P&1~2")
    finding = decided(datasets, reasons=(reason("undecodable", text),), outcome=Outcome.NOT_EVALUATED)
    harmless = replace(finding, reasons=(reason("undecodable", "text"),))
    message = oru(finding, datasets, SITE)
    assert len(fields(message, "OBX")) == len(fields(oru(harmless, datasets, SITE), "OBX"))
    found = parsed(message)
    assert found.oru_r01_patient_result.oru_r01_order_observation.obr.obr_3.value == "A\\F\\1\\S\\2"
    assert fields(message, "PID")[0][3] == "P\\T\\1\\R\\2^^^HOSPITAL"
    [value] = observations(message, "TRI-012")
    assert value.endswith("^a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f OBX\\F\\9\\F\\CWE")


def test_no_text_is_longer_than_a_receiver_must_take() -> None:
    datasets = four_views()
    reasons = (reason("undecodable", "a|b " * 200), reason("implant", "x" * 199), reason("truncated", "x" * 200))
    finding = decided(datasets, reasons=reasons, outcome=Outcome.NOT_EVALUATED)
    message = oru(finding, datasets, SITE)
    parsed(message)
    texts = [value.rpartition("^")[2] for value in observations(message, "TRI-012")]
    assert texts[1] == "x" * 199
    assert texts[2] == "x" * 196 + "..."
    assert texts[0].endswith("...")
    assert "\\F\\b " * 190 in observations(message, "121106")[0].replace("a", ""), "a comment is wrapped, not cut"


def test_names_keep_their_writings_and_put_the_suffix_before_the_prefix() -> None:
    finding, datasets = case("japanese")
    name = fields(oru(finding, datasets, SITE), "PID")[0][5]
    assert name == "Yamada^Tarou^^^^^L^A~山田^太郎^^^^^L^I~やまだ^たろう^^^^^L^P"
    datasets = four_views(PatientName="Doe^Jane^Q^Dr^Jr")
    assert fields(oru(finding, datasets, SITE), "PID")[0][5] == "Doe^Jane^Q^Jr^Dr^^L^A"


def test_no_damage_keeps_the_message_back() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(100):
            datasets = four_views()
            mutate(datasets[0], random.Random(seed))
            finding = decided(datasets, [NORMAL] * 4, study_instance_uid="1.2.3")
            assert len(fields(oru(finding, datasets, SITE), "OBR")) == 1
    bare = oru(*case("bare"), SITE)
    assert fields(bare, "PID") == [["PID", "1", "", "", "", "^^^^^^U"]], "nothing is made up"


def test_without_any_header_there_is_no_message() -> None:
    with pytest.raises(TriageError, match="No source image"):
        oru(case("flagged")[0], [], SITE)
