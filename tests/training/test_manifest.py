"""Manifests, splits and readers."""

import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.data.manifest import ImageRow, ManifestError, of_split, read_manifest, write_manifest
from training.data.readers import reader
from training.data.readers.write import write
from training.data.split import split_by_patient

HEADER = "file,patient_id,study_id,laterality,view,birads,pathology,manufacturer,model,split,mask\n"


def test_every_bad_row_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").touch()
    (tmp_path / "manifest.csv").write_text(
        HEADER
        + "a.dcm,p1,s1,L,CC,1,,,,,\n"
        + "a.dcm,p1,s1,R,CC,1,,,,,\n"
        + "b.dcm,p1,s1,L,MLO,7,,,,,\n"
        + "c.dcm,p1,s1,X,MLO,1,odd,,,,\n"
        + "d.dcm,p1,s1,L,MLO,,,,,,\n"
    )
    with pytest.raises(ManifestError) as error:
        read_manifest(tmp_path / "manifest.csv")
    text = str(error.value)
    for part in ("line 3: file 'a.dcm' is already on line 2", "line 4: birads is '7'", "line 5: laterality is 'X'"):
        assert part in text
    assert "line 5: pathology is 'odd'" in text
    assert "line 6: file 'd.dcm' does not exist" in text
    assert "line 2:" not in text


def test_missing_columns_and_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("file,view\n")
    with pytest.raises(ManifestError, match="no column patient_id, study_id, laterality"):
        read_manifest(tmp_path / "manifest.csv")
    with pytest.raises(ManifestError, match="cannot be read"):
        read_manifest(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("birads", "pathology", "normal"),
    [
        (1, None, True),
        (2, "normal", False),
        (0, None, False),
        (None, "normal", True),
        (None, "benign", False),
        (None, None, None),
    ],
)
def test_label(birads: int | None, pathology: str | None, normal: bool | None) -> None:
    row = ImageRow.model_validate(
        {
            "file": "f",
            "patient_id": "p",
            "study_id": "s",
            "laterality": "L",
            "view": "CC",
            "birads": birads,
            "pathology": pathology,
        }
    )
    assert row.normal is normal


def many_rows() -> list[ImageRow]:
    return [
        ImageRow(
            file=f"{patient}-{k}", patient_id=f"p{patient}", study_id=f"s{patient}-{k // 4}", laterality="L", view="CC",
            birads=2 if patient % 4 == 0 and k < 2 else 1,
        )
        for patient in range(200)
        for k in range(8)
    ]  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_patient_is_in_two_parts(seed: int) -> None:
    rows = split_by_patient(many_rows(), {"train": 8, "validation": 1, "test": 1}, seed)
    parts: dict[str, set[str]] = {}
    for row in rows:
        parts.setdefault(row.patient_id, set()).add(row.split)
    assert all(len(found) == 1 for found in parts.values())
    counts = Counter(next(iter(found)) for found in parts.values())
    assert counts == {"train": 160, "validation": 20, "test": 20}
    abnormal = {row.patient_id for row in rows if row.normal is False}
    assert Counter(next(iter(parts[patient])) for patient in abnormal) == {"train": 40, "validation": 5, "test": 5}


def test_split_is_a_function_of_its_seed_not_of_the_order() -> None:
    rows = many_rows()
    shares = {"a": 1.0, "b": 1.0}
    first = {row.file: row.split for row in split_by_patient(rows, shares, 4)}
    assert first == {row.file: row.split for row in split_by_patient(rows[::-1], shares, 4)}
    assert first != {row.file: row.split for row in split_by_patient(rows, shares, 5)}


def mini_mias(folder: Path) -> Path:
    """Two pairs in the layout of the data set; one file is missing and one label is unknown."""
    (folder / "images").mkdir(parents=True)
    for name in ("mdb001", "mdb002", "mdb003"):
        cv2.imwrite(str(folder / "images" / f"{name}.png"), np.zeros((16, 16), np.uint8))
    (folder / "labels.csv").write_text(
        "image,pair_id,file_parity,density,label,classes,chest_wall_side,width,height,mask_pixels,mask_xmin,mask_xmax\n"
        "mdb001,1,odd,G,benign,CIRC,right,1024,1024,1,2,3\n"
        "mdb002,1,even,G,normal,NORM,left,1024,1024,1,2,3\n"
        "mdb003,2,odd,D,strange,NORM,right,1024,1024,1,2,3\n"
        "mdb004,2,even,D,malignant,SPIC,left,1024,1024,1,2,3\n"
        "mdb001,1,odd,G,benign,CIRC,right,1024,1024,1,2,3\n"
    )
    (folder / "lesions.csv").write_text(
        "image,tissue,class,severity,x,y_from_top,radius\n"
        "mdb001,G,CIRC,B,535,599,97\nmdb001,G,CALC,B,,,\nmdb002,G,NORM,,,,\nmdb004,D,SPIC,M,10,20,5\n"
    )
    return folder


def test_mini_mias(tmp_path: Path) -> None:
    found = reader("mini-mias")(mini_mias(tmp_path / "source"))
    assert found.counts == {
        "images": 2, "patients": 1, "lesions": 1, "missing files": 1, "duplicates": 1, "unknown codes": 1,
    }  # fmt: skip
    assert [(row.laterality, row.view, row.normal, row.birads) for row in found.rows] == [
        ("R", "MLO", False, None),
        ("L", "MLO", True, None),
    ]
    lesion = found.lesions[0]
    assert (lesion.xmin, lesion.ymin, lesion.xmax, lesion.ymax) == (438, 502, 632, 696)


def test_written_manifest_finds_its_files_from_elsewhere(tmp_path: Path) -> None:
    counts = write("mini-mias", mini_mias(tmp_path / "source"), tmp_path / "out" / "m.csv", {"train": 1}, 1)
    assert counts["images"] == 2
    manifest = read_manifest(tmp_path / "out" / "m.csv")
    assert {row.split for row in manifest.rows} == {"train"}
    assert all(manifest.path(row).is_file() for row in manifest.rows)
    assert len(manifest.lesions) == 1
    assert json.loads((tmp_path / "out" / "m.left-out.json").read_text())["missing files"] == ["images/mdb004.png"]
    with pytest.raises(ManifestError, match="no rows in part 'test'"):
        of_split(manifest, "test")


def test_real_mini_mias(data_dir: Path) -> None:
    found = reader("mini-mias")(data_dir / "mini-mias")
    assert found.counts["images"] == 242
    assert found.counts["patients"] == 121
    assert found.counts["missing files"] == found.counts["duplicates"] == found.counts["unknown codes"] == 0


def test_round_trip(tmp_path: Path) -> None:
    rows = many_rows()[:9]
    write_manifest(tmp_path / "m.csv", rows)
    assert list(read_manifest(tmp_path / "m.csv", check_files=False).rows) == rows


def test_unknown_reader_names_the_known_ones() -> None:
    with pytest.raises(ManifestError, match="mini-mias"):
        reader("nothing")
