"""Every transfer syntax gives the stored values to the bit; every defect gives its own code."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from prepare_samples import dataset, drawn_breast
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.pixels import get_encoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    MPEG2MPML,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from triage.core.errors import Rejected
from triage.prepare.codecs import FALLBACK_PLUGINS, FrameLayout, decode_frame
from triage.prepare.decode import read, stored_pixels


def lossless_jpeg(predictor: int) -> Callable[[Any], bytes]:
    def encode(pixels: Any) -> bytes:
        bits = 8 if pixels.itemsize == 1 else 12
        return imagecodecs.jpeg_encode(pixels, lossless=True, predictor=predictor, bitspersample=bits)

    return encode


def rle(pixels: Any) -> bytes:
    return get_encoder(RLELossless).encode(
        pixels,
        encoding_plugin="pydicom",
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        samples_per_pixel=1,
        number_of_frames=1,
        bits_allocated=8 * pixels.itemsize,
        bits_stored=8 * pixels.itemsize,
        pixel_representation=0,
        photometric_interpretation="MONOCHROME2",
    )


def jpeg_2000(pixels: Any) -> bytes:
    return imagecodecs.jpeg2k_encode(pixels, codecformat="J2K", reversible=True, level=0)


def htj2k(pixels: Any) -> bytes:
    return imagecodecs.htj2k_encode(pixels, reversible=True)


ENCODERS: dict[UID, Callable[[Any], bytes]] = {
    JPEGLossless: lossless_jpeg(4),
    JPEGLosslessSV1: lossless_jpeg(1),
    JPEGLSLossless: imagecodecs.jpegls_encode,
    JPEG2000Lossless: jpeg_2000,
    JPEG2000: jpeg_2000,
    HTJ2KLossless: htj2k,
    HTJ2KLosslessRPCL: htj2k,
    HTJ2K: htj2k,
    RLELossless: rle,
}
NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
SYNTAX_NAMES = {**dict.fromkeys(ENCODERS), **dict.fromkeys(NATIVE)}


def encoded(pixels: Any, syntax: UID, bits: int = 12) -> Dataset:
    """The data set as it comes back from a file in this transfer syntax."""
    ds = dataset(pixels, bits)
    ds.file_meta.TransferSyntaxUID = syntax
    if syntax in ENCODERS:
        ds.PixelData = encapsulate([ENCODERS[syntax](pixels)])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
    elif syntax == ExplicitVRBigEndian:
        # Words are swapped, 8-bit pixels in words too (PS3.5 Annex D).
        ds.PixelData = np.frombuffer(pixels.tobytes(), "<u2").astype(">u2").tobytes()
        ds["PixelData"].VR = "OW"
    elif pixels.itemsize == 1:
        ds["PixelData"].VR = "OW" if syntax == ImplicitVRLittleEndian else "OB"
    buffer = io.BytesIO()
    dcmwrite(buffer, ds, enforce_file_format=True)
    buffer.seek(0)
    return dcmread(buffer)


def code_of(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(Rejected) as caught:
        call()
    return caught.value.reason.code, caught.value.reason.text


@pytest.mark.parametrize("syntax", SYNTAX_NAMES, ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("depth", [8, 12])
def test_round_trip(syntax: UID, depth: int) -> None:
    pixels = drawn_breast(500, 420, bits=depth)
    pixels = pixels.astype(np.uint8) if depth == 8 else pixels
    decoded = stored_pixels(encoded(pixels, syntax, depth))
    assert decoded.dtype == pixels.dtype
    np.testing.assert_array_equal(decoded, pixels)


def test_gpl_plugin_is_never_asked() -> None:
    assert "pylibjpeg" not in FALLBACK_PLUGINS


def test_fallback_decodes_what_imagecodecs_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(frame: bytes, layout: FrameLayout) -> Any:
        raise RuntimeError("codec lost")

    monkeypatch.setattr("triage.prepare.codecs.CODECS", {JPEGLSLossless: broken, JPEGLosslessSV1: broken})
    pixels = drawn_breast(500, 420)
    layout = FrameLayout(500, 420, 16, 12, 0)
    decoded = decode_frame(imagecodecs.jpegls_encode(pixels), JPEGLSLossless, layout)
    np.testing.assert_array_equal(decoded, pixels)
    assert code_of(lambda: stored_pixels(encoded(pixels, JPEGLosslessSV1)))[0] == "undecodable"


def test_overlay_bits_are_cleared() -> None:
    pixels = drawn_breast(500, 420)
    ds = dataset(pixels | np.uint16(0xA000))
    np.testing.assert_array_equal(stored_pixels(ds), pixels)


def test_high_bit_above_bits_stored() -> None:
    pixels = drawn_breast(500, 420)
    np.testing.assert_array_equal(stored_pixels(dataset(pixels << 4 | 7, HighBit=15)), pixels)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, JPEGLSLossless, RLELossless])
def test_signed_values_extend_from_bits_stored(syntax: UID) -> None:
    values = drawn_breast(500, 420).astype(np.int16) - 2048
    twelve_bits = values.view(np.uint16) & np.uint16(0xFFF)
    ds = encoded(twelve_bits, syntax)
    ds.PixelRepresentation = 1
    decoded = stored_pixels(ds)
    assert decoded.dtype == np.int16
    np.testing.assert_array_equal(decoded, values)


def test_codestream_of_fewer_bits_than_the_container() -> None:
    pixels = drawn_breast(500, 420, bits=8).astype(np.uint8)
    ds = encoded(pixels, JPEGLSLossless, 8)
    ds.BitsAllocated = 16
    np.testing.assert_array_equal(stored_pixels(ds), pixels)


@pytest.mark.parametrize("syntax", [uid for uid in ENCODERS if uid != RLELossless], ids=lambda uid: uid.name)
def test_cut_codestream_is_truncated(syntax: UID) -> None:
    ds = encoded(drawn_breast(500, 420), syntax)
    codestream = ENCODERS[syntax](drawn_breast(500, 420))
    ds.PixelData = encapsulate([codestream[: len(codestream) * 9 // 10]])
    assert code_of(lambda: stored_pixels(ds))[0] == "truncated"


def test_cut_run_lengths_are_undecodable() -> None:
    ds = encoded(drawn_breast(500, 420), RLELossless)
    frame = rle(drawn_breast(500, 420))
    ds.PixelData = encapsulate([frame[: len(frame) // 2]])
    assert code_of(lambda: stored_pixels(ds))[0] == "undecodable"


def test_short_native_pixel_data_is_truncated() -> None:
    ds = dataset(drawn_breast(500, 420))
    ds.PixelData = ds.PixelData[:-2]
    code, text = code_of(lambda: stored_pixels(ds))
    assert code == "truncated"
    assert "419998" in text
    assert "420000" in text


def test_surplus_bytes_are_padding() -> None:
    pixels = drawn_breast(501, 421, bits=8).astype(np.uint8)
    ds = dataset(pixels, 8)
    ds.PixelData += b"\0"
    np.testing.assert_array_equal(stored_pixels(ds), pixels)


def test_codestream_larger_than_the_header_says_is_not_decoded() -> None:
    ds = encoded(drawn_breast(500, 420), JPEG2000Lossless)
    ds.Rows = 480
    code, text = code_of(lambda: stored_pixels(ds))
    assert code == "undecodable"
    assert "500x420" in text


def test_corrupt_codestream_is_undecodable() -> None:
    ds = encoded(drawn_breast(500, 420), JPEGLSLossless)
    ds.PixelData = encapsulate([b"\xff\xd8" + b"\x55" * 4000 + b"\xff\xd9"])
    assert code_of(lambda: stored_pixels(ds))[0] == "undecodable"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"NumberOfFrames": 2}, "multi-frame"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "not-monochrome"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "not-monochrome"),
        ({"PhotometricInterpretation": None}, "not-monochrome"),
        ({"Rows": 0}, "size-unexpected"),
        ({"Columns": None}, "size-unexpected"),
        ({"Rows": 399}, "size-unexpected"),
        ({"Rows": 8193}, "size-unexpected"),
        ({"BitsAllocated": 32}, "undecodable"),
        ({"BitsStored": 17}, "undecodable"),
        ({"HighBit": 16}, "undecodable"),
        ({"PixelRepresentation": 2}, "undecodable"),
        ({"PixelData": None}, "truncated"),
        ({"PixelData": b""}, "truncated"),
    ],
)
def test_header_defects(changes: dict[str, Any], code: str) -> None:
    assert code_of(lambda: stored_pixels(dataset(drawn_breast(500, 420), **changes)))[0] == code


def test_unsupported_transfer_syntax_is_named() -> None:
    ds = dataset(drawn_breast(500, 420))
    ds.file_meta.TransferSyntaxUID = MPEG2MPML
    ds.PixelData = encapsulate([b"\0" * 100])
    code, text = code_of(lambda: stored_pixels(ds))
    assert code == "undecodable"
    assert MPEG2MPML in text


@pytest.mark.parametrize("syntax", ["", "1.2.3.4", "1.2.840.10008.1.1"])
def test_no_known_transfer_syntax(syntax: str) -> None:
    ds = dataset(drawn_breast(500, 420))
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    assert code_of(lambda: stored_pixels(ds))[0] == "undecodable"


def test_files_that_are_not_dicom_or_are_cut(tmp_path: Path) -> None:
    text = tmp_path / "letter.dcm"
    text.write_text("Dear Sir or Madam")
    assert code_of(lambda: read(text))[0] == "undecodable"
    with pytest.raises(FileNotFoundError):  # the disk's fault: the study is tried again
        read(tmp_path / "absent.dcm")
    whole = tmp_path / "whole.dcm"
    dataset(drawn_breast(500, 420)).save_as(whole, enforce_file_format=True)
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(whole.read_bytes()[:-1000])
    assert code_of(lambda: stored_pixels(read(cut)))[0] == "truncated"
    np.testing.assert_array_equal(stored_pixels(read(whole)), drawn_breast(500, 420))


@pytest.mark.parametrize("syntax", [DeflatedExplicitVRLittleEndian, JPEGLosslessSV1])
def test_every_cut_of_a_file_is_rejected(tmp_path: Path, syntax: UID) -> None:
    ds = encoded(drawn_breast(500, 420), syntax)
    buffer = io.BytesIO()
    dcmwrite(buffer, ds, enforce_file_format=True)
    whole = buffer.getvalue()
    path = tmp_path / "cut.dcm"
    for end in [*range(0, 1000, 37), *range(1000, len(whole) - 30, len(whole) // 20)]:
        path.write_bytes(whole[:end])
        code, _ = code_of(lambda: stored_pixels(read(path)))
        assert code in ("truncated", "undecodable", "size-unexpected", "not-monochrome")
        assert code == "truncated" or end < 2000 or syntax == DeflatedExplicitVRLittleEndian


def test_genuine_ge_jpeg_lossless(data_dir: Path) -> None:
    pixels = stored_pixels(read(data_dir / "dicom-mg" / "ge_senographe_rmlo_jpegll_GH133.dcm"))
    assert pixels.shape == (3062, 2394)
    assert int(pixels.max()) < 4096
    assert pixels[:, -400:].mean() > 4 * pixels[:, :400].mean(), "the chest wall is at the right"


def test_genuine_siemens_stereo_decodes(data_dir: Path) -> None:
    ds = read(data_dir / "dicom-mg" / "siemens_inspiration_stereo_OutOfBoundsOverlay.dcm")
    pixels = stored_pixels(ds)
    assert pixels.shape == (788, 1318)
    assert 0 < int(pixels.max()) < 4096
