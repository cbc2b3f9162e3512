"""Stored values to brightness: equal to pydicom's VOI, inverted once, padding out of the way."""

from typing import Any

import numpy as np
import pytest
from prepare_samples import dataset, drawn_breast
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from triage.core.errors import Rejected
from triage.prepare.grayscale import header_grayscale, levels, plain, window

EVERY_VALUE = np.arange(4096, dtype=np.uint16).reshape(64, 64)


def lut_item(first: int = 600, count: int = 3000, depth: int = 12, as_bytes: bool = False) -> Dataset:
    """A VOI LUT of a smooth curve whose last entry stays below the full range of its depth."""
    item = Dataset()
    item.LUTDescriptor = [count, first, depth]
    entries = np.rint(0.9 * (2**depth - 1) * np.linspace(0, 1, count) ** 1.7).astype("<u2")
    item.LUTExplanation = "NORMAL"
    if as_bytes:
        item.add_new("LUTData", "OW", entries.tobytes())
    else:
        item.add_new("LUTData", "US", entries.tolist())
    item["LUTDescriptor"].VR = "US"
    return item


def brightness(ds: Dataset, stored: Any = EVERY_VALUE) -> Any:
    """0..1 as this stage displays the stored values."""
    scale = header_grayscale(ds)
    return scale.table[levels(stored, scale)] / 65535.0


def by_pydicom(ds: Dataset, stored: Any = EVERY_VALUE) -> Any:
    depth = ds.VOILUTSequence[0].LUTDescriptor[2] if "VOILUTSequence" in ds else ds.BitsStored
    return apply_voi_lut(stored, ds, index=0).astype(float) / (2**depth - 1)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID", None])
@pytest.mark.parametrize(("center", "width"), [(2047, 4096), (2600.5, 901), (100, 50), (4000, 3000), (2000, 2)])
def test_windows_agree_with_pydicom(function: str | None, center: float, width: float) -> None:
    ds = dataset(EVERY_VALUE, WindowCenter=center, WindowWidth=width)
    if function:
        ds.VOILUTFunction = function
    np.testing.assert_allclose(brightness(ds), by_pydicom(ds), atol=1e-5)


def test_window_of_width_one_is_a_step() -> None:
    values = np.array([9.0, 9.5, 9.6, 10.0])
    np.testing.assert_array_equal(window(values, 10.0, 1.0, "LINEAR"), [0, 0, 1, 1])


@pytest.mark.parametrize("as_bytes", [False, True])
@pytest.mark.parametrize("depth", [10, 12, 16])
def test_voi_lut_agrees_with_pydicom(as_bytes: bool, depth: int) -> None:
    ds = dataset(EVERY_VALUE)
    ds.set_original_encoding(False, True)
    ds.VOILUTSequence = [lut_item(depth=depth, as_bytes=as_bytes), lut_item(first=0, count=4096)]
    np.testing.assert_allclose(brightness(ds), by_pydicom(ds), atol=1e-5)
    assert brightness(ds).max() < 0.91, "scaled by the depth of the LUT, not by its largest entry"


def test_voi_lut_goes_before_window_and_first_of_several() -> None:
    ds = dataset(EVERY_VALUE, WindowCenter=[100, 2000], WindowWidth=[50, 4000])
    np.testing.assert_allclose(brightness(ds), by_pydicom(ds), atol=1e-5)
    assert header_grayscale(ds).notes == ("window LINEAR 100/50",)
    ds.VOILUTSequence = [lut_item()]
    np.testing.assert_allclose(brightness(ds), by_pydicom(ds), atol=1e-5)
    assert header_grayscale(ds).notes == ("VOI LUT NORMAL",)


def test_without_voi_the_full_stored_range() -> None:
    np.testing.assert_allclose(brightness(dataset(EVERY_VALUE)), EVERY_VALUE / 4095.0, atol=1e-5)


def test_signed_values() -> None:
    stored = EVERY_VALUE.astype(np.int16) - 2048
    ds = dataset(stored, WindowCenter=-200, WindowWidth=1500)
    np.testing.assert_allclose(brightness(ds, stored), np.clip((stored + 200.5) / 1499 + 0.5, 0, 1), atol=1e-5)


def test_modality_lut_only_if_it_changes_something() -> None:
    ds = dataset(EVERY_VALUE, RescaleSlope=2, RescaleIntercept=-100, WindowCenter=3000, WindowWidth=5000)
    expected = np.clip((apply_modality_lut(EVERY_VALUE, ds) - 2999.5) / 4999 + 0.5, 0, 1)
    np.testing.assert_allclose(brightness(ds), expected, atol=1e-5)
    ds.RescaleSlope, ds.RescaleIntercept = 1, 0
    assert header_grayscale(ds).notes == ("window LINEAR 3000/5000",)


@pytest.mark.parametrize(
    "changes",
    [
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"PresentationLUTShape": "INVERSE"},
        {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
    ],
)
def test_inverted_exactly_once(changes: dict[str, str]) -> None:
    window_values = {"WindowCenter": 2000, "WindowWidth": 3000}
    upright, inverted = dataset(EVERY_VALUE, **window_values), dataset(EVERY_VALUE, **window_values, **changes)
    np.testing.assert_allclose(brightness(inverted), 1.0 - brightness(upright), atol=2e-5)


def test_levels_rise_with_brightness_also_when_inverted() -> None:
    scale = header_grayscale(dataset(EVERY_VALUE, PhotometricInterpretation="MONOCHROME1"))
    assert np.all(np.diff(scale.table.astype(int)) >= 0)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(("value", "limit"), [(0, None), (0, 30), (4095, 4000), (4095, None), (7, 3)])
def test_padding_becomes_the_darkest_level(photometric: str, value: int, limit: int | None) -> None:
    ds = dataset(EVERY_VALUE, PixelPaddingValue=value, PhotometricInterpretation=photometric)
    if limit is not None:
        ds.PixelPaddingRangeLimit = limit
    low, high = sorted((value, value if limit is None else limit))
    padded = np.isin(EVERY_VALUE, np.arange(low, high + 1))
    scale = header_grayscale(ds)
    made = levels(EVERY_VALUE, scale)
    assert not made[padded].any()
    plain_levels = EVERY_VALUE if photometric == "MONOCHROME2" else 4095 - EVERY_VALUE
    np.testing.assert_array_equal(made[~padded], plain_levels[~padded] << 4)


def test_padding_outside_the_range_of_the_pixels_does_nothing() -> None:
    scale = header_grayscale(dataset(EVERY_VALUE, PixelPaddingValue=60000))
    np.testing.assert_array_equal(levels(EVERY_VALUE, scale), EVERY_VALUE << 4)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_plain_pixels_use_the_full_range(bits: int) -> None:
    stored = np.array([[0, 1, 2**bits - 2, 2**bits - 1]], dtype=np.uint8 if bits == 8 else np.uint16)
    scale = plain(bits)
    np.testing.assert_allclose(scale.table[levels(stored, scale)] / 65535, stored / (2**bits - 1), atol=1e-5)


def test_input_is_left_as_it_was() -> None:
    stored = drawn_breast(500, 420)
    before = stored.copy()
    ds = dataset(stored, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0, PixelPaddingRangeLimit=40)
    levels(stored, header_grayscale(ds))
    np.testing.assert_array_equal(stored, before)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"WindowCenter": 100, "WindowWidth": -3}, "-3"),
        ({"WindowCenter": 100, "WindowWidth": 0, "VOILUTFunction": "SIGMOID"}, "WindowWidth 0"),
        ({"WindowCenter": 100, "WindowWidth": 9, "VOILUTFunction": "CUBIC"}, "CUBIC"),
        ({"VOILUTSequence": [Dataset()]}, "LUTDescriptor"),
    ],
)
def test_impossible_gray_scales_are_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(Rejected, match=named) as caught:
        header_grayscale(dataset(EVERY_VALUE, **changes))
    assert caught.value.reason.code == "undecodable"


def test_lut_shorter_than_its_descriptor() -> None:
    item = lut_item()
    item.LUTDescriptor = [3100, 600, 12]
    with pytest.raises(Rejected, match="3100"):
        header_grayscale(dataset(EVERY_VALUE, VOILUTSequence=[item]))
