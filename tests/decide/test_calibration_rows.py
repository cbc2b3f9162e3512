"""Rows as people send them: every fault is named, nothing that might name a patient is repeated."""

import time
from collections.abc import Callable

import pytest

from triage.core.errors import TriageError
from triage.core.governance import Purpose
from triage.decide.calibration_rows import COLUMNS, Rows, RowsRejected, parse_csv, parse_json

PATIENT, OTHER = "ab" * 32, "cd" * 32
EXAM = "1.2.840.10008.5.1"
BUNDLE = "b" * 64


def row(**changes: object) -> dict[str, object]:
    return {
        "patient": PATIENT,
        "exam": EXAM,
        "site": "St. Mary",
        "manufacturer": "ACME",
        "model": "M1",
        "software_version": "V1\\2",
        "acquisition_type": "DIRECT",
        "laterality": "L",
        "view": "CC",
        "score": "1.25",
        "birads": "1",
        "follow_up": "no-cancer",
    } | changes


def exam(**changes: object) -> list[dict[str, object]]:
    return [row(laterality=side, view=view, **changes) for side in "LR" for view in ("CC", "MLO")]


def csv(rows: list[dict[str, object]], separator: str = ",") -> str:
    return "\n".join(separator.join(map(str, line)) for line in (rows[0], *(one.values() for one in rows)))


def problems(read: Callable[[], object]) -> list[tuple[int, str, str]]:
    with pytest.raises(RowsRejected) as raised:
        read()
    return [(one.row, one.column, one.value) for one in raised.value.problems]


def message(read: Callable[[], object]) -> str:
    with pytest.raises(RowsRejected) as raised:
        read()
    return str(raised.value)


def test_csv_and_json_say_the_same() -> None:
    rows = parse_csv(csv(exam()))
    assert rows == parse_json(exam())
    assert rows == parse_json([one | {"score": 1.25, "birads": 1} for one in exam()])
    assert len(rows) == 4
    assert rows.score == (1.25,) * 4
    assert rows.birads == (1,) * 4
    assert rows.laterality == ("L", "L", "R", "R")


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_and_marks_of_spreadsheets(separator: str) -> None:
    expected, text = parse_csv(csv(exam())), csv(exam(), separator)
    assert parse_csv(text) == expected
    for encoded in (text.encode(), text.encode("utf-8-sig"), text.encode("utf-16")):
        assert parse_csv(encoded) == expected
    assert parse_csv("\ufeff" + text.replace("\n", "\r\n")) == expected
    assert parse_csv(f"\n{text}\n{separator * 11}\n\n") == expected


def test_values_are_tidied_as_far_as_they_are_certain() -> None:
    tidied = parse_json(
        [row(patient=PATIENT.upper(), laterality=" l ", view="mlo", score=" 1.23456789e0 ", follow_up="")]
    )
    assert tidied.patient == (PATIENT,)
    assert (tidied.laterality, tidied.view, tidied.score, tidied.follow_up) == (("L",), ("MLO",), (1.234568,), ("",))
    without = {name: value for name, value in row().items() if name != "follow_up"}
    assert parse_json([without]).follow_up == ("",)
    assert parse_csv(csv([without])).follow_up == ("",)


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("score", "nan", True),
        ("score", "inf", True),
        ("score", "1e999", True),
        ("score", "1_0", False),
        ("score", "", False),
        ("birads", "7", True),
        ("birads", "4A", True),
        ("birads", "", False),
        ("birads", "1.0", True),
        ("birads", "?", True),
        ("laterality", "B", True),
        ("view", "ML", True),
        ("follow_up", "unknown", True),
        ("model", "x" * 257, False),
        ("site", "bell\a", False),
    ],
)
def test_every_wrong_value_is_named_with_its_line(column: str, value: str, shown: bool) -> None:
    rows = [*exam(), *exam(exam="1.2.3.4"), *exam(exam="1.2.3.5")]
    for wrong in (2, 7):
        rows[wrong] = rows[wrong] | {column: value}
    told = value if shown else ""
    found = [one for one in problems(lambda: parse_csv(csv(rows))) if one[1] == column]
    assert found == [(4, column, told), (9, column, told)]
    found = [one for one in problems(lambda: parse_json(rows)) if one[1] == column]
    assert found == [(3, column, told), (8, column, told)]
    length = f"{len(value)} characters" if value else "empty"
    assert (f"{column}, {length}, " in message(lambda: parse_json(rows))) == (not shown)


@pytest.mark.parametrize("column", ["score", "birads", "laterality", "view", "follow_up"])
@pytest.mark.parametrize(
    "value",
    ["Miller^Anna", "MILLER", "Li", "Жук", "1980-01-31", "31.01.1980", "31/1/80", "4711-0815", "MRN 8", "ab" * 32],
)
def test_what_moved_columns_bring_is_not_repeated(column: str, value: str) -> None:
    rows = [one | {column: value} for one in exam()]
    for read in (lambda: parse_csv(csv(rows)), lambda: parse_json(rows)):
        assert {(name, shown) for _, name, shown in problems(read) if name == column} == {(column, "")}
        assert value not in message(read)
        assert f"{len(value)} characters, " in message(read)


@pytest.mark.parametrize("column", ["manufacturer", "model", "software_version", "acquisition_type"])
def test_a_device_that_is_not_named_is_refused(column: str) -> None:
    rows = [one | {column: " "} for one in exam()]
    for read in (lambda: parse_csv(csv(rows)), lambda: parse_json(rows)):
        assert [(name, shown) for _, name, shown in problems(read)] == [(column, "")] * 4
        assert f"{column}, empty, and a device that is not named cannot be calibrated" in message(read)
    assert len(parse_json(exam(site=""))) == 4


@pytest.mark.parametrize("column", ["patient", "exam"])
@pytest.mark.parametrize(
    "value", ["PAT-0815", "Miller^Anna", "20240117", "2024.117", "", "1.2.3.04", "ab" * 31, "1." * 40]
)
def test_what_might_name_a_patient_is_refused_and_not_repeated(column: str, value: str) -> None:
    rows = [one | {column: value} for one in exam()]
    for read in (lambda: parse_csv(csv(rows)), lambda: parse_json(rows)):
        assert problems(read) == [(line, column, "") for line, _, _ in problems(read)]
        assert len(problems(read)) == 4
        assert not value or value not in message(read)


def test_a_decimal_comma_is_a_fault_of_the_score() -> None:
    rows = [row(score="1,25")]
    assert problems(lambda: parse_csv(csv(rows, ";"))) == [(2, "score", "1,25")]
    assert "decimal point" in message(lambda: parse_csv(csv(rows, ";")))
    assert "columns where the header has" in message(lambda: parse_csv(csv(rows)))


def test_rows_that_contradict_each_other() -> None:
    twice = [*exam(), row(laterality="R")]
    assert problems(lambda: parse_csv(csv(twice))) == [(6, "exam, laterality, view", "")]
    assert "as row 4" in message(lambda: parse_csv(csv(twice)))
    mixed = exam()
    mixed[3] = mixed[3] | {"patient": OTHER}
    assert problems(lambda: parse_csv(csv(mixed))) == [(5, "patient", "")]
    assert "another patient than row 2 of the same exam" in message(lambda: parse_csv(csv(mixed)))
    updated = exam()
    updated[2] = updated[2] | {"software_version": "V2"}
    assert problems(lambda: parse_json(updated))[0][0] == 3
    assert "another device or site than row 1" in message(lambda: parse_json(updated))
    assert len(parse_json([*exam(), *exam(exam="1.2.3.4", software_version="V2")])) == 8


def test_headers() -> None:
    misspelt = csv([row()]).replace("birads", "birad")
    assert problems(lambda: parse_csv(misspelt)) == [(1, "birad", ""), (1, "birads", "")]
    assert "missing; add it" in message(lambda: parse_csv(misspelt))
    assert problems(lambda: parse_csv(csv([row() | {"": ""}]))) == [(1, "column 13", "")]
    no_view = [{name: value for name, value in one.items() if name not in ("view", "score")} for one in exam()]
    for read in (lambda: parse_csv(csv(no_view)), lambda: parse_json(no_view)):
        assert problems(read) == [(1, "view, score", "")]
    named = [row() | {"patient_name": "Miller^Anna"}]
    for read in (lambda: parse_csv(csv(named)), lambda: parse_json(named)):
        assert problems(read) == [(1, "patient_name", "")]
        assert "Miller" not in message(read)
    bare = "\n".join(csv(exam(exam="Miller^Anna")).splitlines()[1:])
    assert "names none of the columns" in message(lambda: parse_csv(bare))
    assert "Miller" not in message(lambda: parse_csv(bare))
    assert "named twice" in message(lambda: parse_csv(csv([row()]).replace("site", "model")))


@pytest.mark.parametrize("text", ["", "\n\n", "a\0b", b"\xff\xfe\x00", "\xe9".encode("latin-1"), '"'])
def test_what_is_no_table_is_said(text: str | bytes) -> None:
    assert [line for line, _, _ in problems(lambda: parse_csv(text))] == [1]


def test_header_without_rows() -> None:
    assert "there is no row" in message(lambda: parse_csv(",".join(COLUMNS)))
    assert "there is no row" in message(lambda: parse_json([]))


def test_what_is_no_row_is_said() -> None:
    assert problems(lambda: parse_json([row(), "x", 3])) == [(2, "", ""), (3, "", "")]  # type: ignore[list-item]
    assert problems(lambda: parse_json([row(site=["x"]), row(view="MLO", birads=True)]))[:2] == [
        (1, "site", ""),
        (2, "birads", ""),
    ]
    ragged = csv(exam()) + "\n1,2,3"
    assert problems(lambda: parse_csv(ragged)) == [(6, "", "")]


def test_the_message_is_short_and_the_list_is_whole() -> None:
    rows = [row(exam=f"1.2.3.{number}", score="?") for number in range(1, 201)]
    assert len(problems(lambda: parse_json(rows))) == 200
    text = message(lambda: parse_json(rows))
    assert text.startswith("200 faults in the rows: row 1, score, '?'")
    assert text.endswith("and 195 more")
    assert len(text) < 800


def test_training_needs_patients_alone() -> None:
    rows = parse_csv(f"patient\n{PATIENT}\n{OTHER}\n{PATIENT}", Purpose.TRAINING)
    assert rows.patient == (PATIENT, OTHER, PATIENT)
    assert parse_json([row(birads="")], Purpose.TRAINING) == Rows((PATIENT,))
    assert problems(lambda: parse_csv(f"patient\n{PATIENT}\n4711", Purpose.TRAINING)) == [(3, "patient", "")]
    for use in (rows.calibration_set, rows.strata):
        with pytest.raises(TriageError, match="patients and no scores"):
            use(BUNDLE, "1")
    assert Rows.from_bytes(rows.to_bytes()) == rows


def test_bytes_and_back() -> None:
    rows = parse_json([*exam(), *exam(exam="1.2.3.4", birads=4, score=-0.1)])
    assert Rows.from_bytes(rows.to_bytes()) == rows
    assert rows.to_bytes() == parse_json([*exam(), *exam(exam="1.2.3.4", birads=4, score=-0.1)]).to_bytes()
    for damaged in (b"", rows.to_bytes()[:-9], b"x" + rows.to_bytes()):
        with pytest.raises(TriageError, match="cannot be read"):
            Rows.from_bytes(damaged)


def test_arrays_and_strata() -> None:
    rows = parse_json([*exam(), *exam(exam="1.2.3.4", site="", birads=4, follow_up="interval")])
    strata = rows.strata(BUNDLE, "2")
    assert sorted(one.site for one in strata.values()) == ["", "St. Mary"]
    data = rows.calibration_set(BUNDLE, "2")
    assert set(data.strata) == set(strata)
    assert strata[str(data.strata[4])].site == ""
    assert strata[str(data.strata[0])].bundle_sha256 == BUNDLE
    assert strata[str(data.strata[0])].software_version == "V1\\2"
    assert data.birads.tolist() == [1] * 4 + [4] * 4
    assert data.follow_up.tolist() == ["no-cancer"] * 4 + ["interval"] * 4
    assert data.exams.tolist() == [EXAM] * 4 + ["1.2.3.4"] * 4


def test_a_hundred_thousand_rows_in_seconds() -> None:
    rows = [one for i in range(25_000) for one in exam(exam=f"1.2.3.{i}", patient=f"{i:064x}")]
    text = csv(rows)
    began = time.process_time()
    assert len(parse_csv(text)) == 100_000
    assert time.process_time() - began < 3
