"""The banner changes no grey value of an image, and leaves out what it could not repeat."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from mg_headers import four_views, mg_header
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from report_findings import NORMAL, decided
from report_reading import lines
from result_objects import results_of
from varied_findings import voi_lut

from triage.report.composite import Device, write
from triage.report.presentation_state import presentation_state

WINDOW = {"WindowCenter": "2000", "WindowWidth": "1000"}


def state(datasets: list[Dataset], device: Device) -> Dataset | None:
    return presentation_state(decided(datasets, [NORMAL] * len(datasets)), datasets, device)


def with_pixels(ds: Dataset) -> Dataset:
    ds.Rows, ds.Columns = 64, 48
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = "1", "0", "US"
    ds.add_new("PixelData", "OW", np.linspace(0, 4095, 64 * 48).astype("<u2").tobytes())
    return ds


def rendered(image: Path, extra: list[str], out: Path) -> NDArray[np.uint8]:
    status, said = lines(["dcmp2pgm", *extra, str(image), str(out)])
    assert status == 0, said
    content = out.read_bytes()
    header = content.split(b"255\n", 1)
    return np.frombuffer(header[1], np.uint8)


@pytest.mark.parametrize(
    "changes",
    [
        WINDOW,
        {"VOILUTSequence": [voi_lut()]},
        {"WindowCenter": ["2000", "100"], "WindowWidth": ["1000", "50"]},
        {},
    ],
    ids=["window", "voi-lut", "two-windows", "none"],
)
@pytest.mark.parametrize("inverted", [False, True], ids=["monochrome2", "monochrome1"])
def test_dcmtk_draws_with_the_state_what_the_image_says_by_itself(
    changes: dict[str, object], inverted: bool, device: Device, tmp_path: Path
) -> None:
    polarity = {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"} if inverted else {}
    ds = with_pixels(mg_header("RCC", **changes, **polarity))
    (tmp_path / "image.dcm").write_bytes(write(ds))
    made = state([ds], device)
    assert made is not None
    (tmp_path / "state.dcm").write_bytes(write(made))
    stored = np.frombuffer(ds.PixelData, "<u2").astype(float)
    expected = pydicom.pixels.apply_voi_lut(stored.astype("<u2"), ds, index=0).astype(float) if changes else stored
    top = 4095.0
    expected = np.clip(expected / top, 0, 1) * 255
    found = rendered(tmp_path / "image.dcm", ["-p", str(tmp_path / "state.dcm")], tmp_path / "with.pgm")
    assert np.abs(found - (255 - expected if inverted else expected)).max() <= 2


def test_the_state_names_every_image_and_shows_all_of_it(device: Device) -> None:
    ds = results_of("windows", device)["gsps"]
    assert sum(len(one.ReferencedImageSequence) for one in ds.ReferencedSeriesSequence) == 4
    assert len(ds.GraphicAnnotationSequence) == len(ds.DisplayedAreaSelectionSequence) == 4
    area = ds.DisplayedAreaSelectionSequence[0]
    assert (area.DisplayedAreaTopLeftHandCorner, area.DisplayedAreaBottomRightHandCorner) == ([1, 1], [2048, 2560])
    assert area.PresentationSizeMode == "SCALE TO FIT"
    assert area.PresentationPixelSpacing == [0.1, 0.1]
    assert [one.GraphicLayer for one in ds.GraphicLayerSequence] == ["TRIAGE"]
    assert "BlendingSequence" not in ds


def test_the_banner_stands_away_from_the_chest_wall(device: Device) -> None:
    ds = results_of("flagged", device)["gsps"]
    boxes = [one.TextObjectSequence[0].BoundingBoxTopLeftHandCorner[0] for one in ds.GraphicAnnotationSequence]
    assert [left < 0.5 for left in boxes] == [True, False, True, False]  # RCC, LCC, RMLO, LMLO


def test_a_refusal_is_a_banner_too(device: Device) -> None:
    ds = results_of("implant", device)["gsps"]
    said = [one.TextObjectSequence[0].UnformattedTextValue for one in ds.GraphicAnnotationSequence]
    assert all("not evaluated" in one for one in said)
    assert all("TRI-224" in one for one in said)
    assert not [one for one in said if "score" in one]


@pytest.mark.parametrize(
    "changes",
    [
        {"Rows": None},
        {"NumberOfFrames": "2"},
        {"RescaleSlope": "2", "RescaleIntercept": "0"},
        {"WindowCenter": "2000", "WindowWidth": "0"},
        {"WindowCenter": "2000"},
        {"WindowCenter": "2000", "WindowWidth": "100", "VOILUTFunction": "OTHER"},
        {"VOILUTSequence": [Dataset()]},
        {"VOILUTSequence": []},
        {"ModalityLUTSequence": [Dataset()]},
    ],
)
def test_an_image_whose_greys_cannot_be_repeated_gets_no_banner(changes: dict[str, object], device: Device) -> None:
    one = mg_header("RCC", **changes)
    assert state([one], device) is None
    made = state([one, *four_views()[1:]], device)
    assert made is not None
    assert len(made.GraphicAnnotationSequence) == 3


def test_a_table_as_short_as_its_descriptor_is_long_is_refused(device: Device) -> None:
    table = voi_lut()
    table.LUTData = table.LUTData[:100]
    assert state([mg_header("RCC", VOILUTSequence=[table])], device) is None


def test_images_of_the_other_polarity_are_left_out(device: Device) -> None:
    datasets = [*four_views()[:3], mg_header("LMLO", PhotometricInterpretation="MONOCHROME1")]
    made = state(datasets, device)
    assert made is not None
    assert made.PresentationLUTShape == "IDENTITY"
    assert len(made.GraphicAnnotationSequence) == 3


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_tables_survive_every_encoding(syntax: str, device: Device) -> None:
    buffer = BytesIO()
    source = mg_header("RCC", VOILUTSequence=[voi_lut()])
    pydicom.dcmwrite(buffer, source, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True)
    read = pydicom.dcmread(BytesIO(buffer.getvalue()), force=True)
    made = state([read], device)
    assert made is not None
    (table,) = made.SoftcopyVOILUTSequence[0].VOILUTSequence
    levels = np.frombuffer(table.LUTData, "<u2")
    assert list(table.LUTDescriptor) == [4096, 0, 16]
    assert np.abs(levels / 65535 - np.asarray(voi_lut().LUTData) / 4095).max() < 1e-4
