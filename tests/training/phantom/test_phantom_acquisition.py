"""Vendor looks: stored values that turn back into the intended brightness, markers outside the breast."""

import numpy as np
import pytest
from pydicom.pixels import apply_voi_lut

from training.phantom.acquisition import LOOKS, brightness_to_stored, burn_marker, expose
from training.phantom.dicom import ImageFacts, mg_dataset
from training.phantom.exam import make_exam
from training.phantom.identity import identity_of
from triage.core.views import STANDARD_VIEWS, View


@pytest.mark.parametrize("name", LOOKS)
def test_voi_of_the_header_gives_the_brightness_back(name: str) -> None:
    look = LOOKS[name]
    brightness = np.linspace(0.05, 0.95, 200, dtype=np.float32)[None].repeat(2, 0)
    stored = np.rint(brightness_to_stored(brightness, look)).astype(np.uint16)
    stored = look.top - stored if look.monochrome1 else stored
    facts = ImageFacts(View.LCC, 1, 0.17, "Phantom LCC")
    ds = mg_dataset(stored.astype(np.uint16), facts, identity_of(1), look)
    shown = apply_voi_lut(stored.astype(np.uint16), ds).astype(float)
    shown /= 65535 if look.voi == "LUT" else look.top
    shown = 1 - shown if look.monochrome1 else shown
    np.testing.assert_allclose(shown, brightness, atol=0.004)


def test_looks_cover_the_ways_to_make_grey() -> None:
    assert {look.voi for look in LOOKS.values()} == {"LINEAR", "SIGMOID", "LUT"}
    assert [look.monochrome1 for look in LOOKS.values()].count(True) == 1
    assert [look.padding is not None for look in LOOKS.values()].count(True) == 1
    assert len({look.full[2] for look in LOOKS.values()}) >= 3


@pytest.mark.parametrize("name", LOOKS)
def test_marker_lies_outside_the_breast_and_is_bright(name: str) -> None:
    exam = make_exam(8, birads=1, vendor=name)
    for view in STANDARD_VIEWS:
        rendered = exam.render(view)
        bare = expose(rendered.density, rendered.mask, exam.look, np.random.default_rng(0))
        marked = bare.copy()
        burn_marker(marked, str(view), exam.look, chest_wall_left=True)
        changed = marked != bare
        assert changed.sum() > 200
        assert not (changed & rendered.mask).any()
        assert set(np.unique(marked[changed])) == {0 if exam.look.monochrome1 else exam.look.top}


def test_padding_value_marks_exactly_what_is_not_breast() -> None:
    exam = make_exam(9, birads=1, vendor="PHANTOM-B")
    rendered = exam.render(View.LCC)
    pixels = expose(rendered.density, rendered.mask, exam.look, np.random.default_rng(0))
    np.testing.assert_array_equal(pixels == exam.look.padding, ~rendered.mask)


def test_full_size_has_the_same_field_of_view() -> None:
    for look in LOOKS.values():
        small, full = look.grid("small"), look.grid("full")
        assert small.height_mm == pytest.approx(full.height_mm, rel=0.01)
        assert full.rows > 2500
        assert 0.16 < small.spacing < 0.18
