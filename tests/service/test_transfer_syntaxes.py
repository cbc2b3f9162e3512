"""Every transfer syntax through the real port: DCMTK encodes and sends where it can, and nothing changes on the way."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from dicom_samples import dcmtk, free_port
from pydicom import uid
from pydicom.encaps import encapsulate
from pynetdicom import AE

from training.phantom.study import write_exams
from triage.accept.header_rules import describe
from triage.assemble.completeness import due_at
from triage.core.study import PreparedView
from triage.prepare.decode import read, stored_pixels
from triage.prepare.view import prepare
from triage.receive.contexts import IMAGE_SYNTAXES
from triage.receive.scp import Listener, serve
from triage.store.blobs import Blobs
from triage.store.database import open_database
from triage.store.ledger import Ledger
from triage.store.records import StoredInstance

MINUTE = timedelta(minutes=1)
BY_DCMTK = {
    uid.ExplicitVRLittleEndian: ("dcmconv +te", "-x="),
    uid.ImplicitVRLittleEndian: ("dcmconv +ti", "-xi"),
    uid.ExplicitVRBigEndian: ("dcmconv +tb", "-xb"),
    uid.DeflatedExplicitVRLittleEndian: ("dcmconv +td", "-xd"),
    uid.JPEGLosslessSV1: ("dcmcjpeg +e1", "-xs"),
    uid.JPEGLSLossless: ("dcmcjpls +el", "-xt"),
    uid.RLELossless: ("dcmcrle", "-xr"),
    uid.JPEGExtended12Bit: ("dcmcjpeg +ee", "-xx"),
    uid.JPEGLSNearLossless: ("dcmcjpls +en", "-xu"),
}
"""How DCMTK encodes, and the option of storescu that proposes the syntax."""
Encode = Callable[[Any], bytes]
JPEG_2000: Encode = partial(imagecodecs.jpeg2k_encode, codecformat="J2K", reversible=True, level=0)
HTJ2K: Encode = partial(imagecodecs.htj2k_encode, reversible=True)
BY_IMAGECODECS: dict[uid.UID, Encode] = {
    uid.JPEGLossless: partial(imagecodecs.jpeg_encode, lossless=True, predictor=4, bitspersample=12),
    uid.JPEG2000Lossless: JPEG_2000,
    uid.JPEG2000: JPEG_2000,
    uid.HTJ2KLossless: HTJ2K,
    uid.HTJ2KLosslessRPCL: HTJ2K,
    uid.HTJ2K: HTJ2K,
}
"""DCMTK has no encoder for these, and storescu does not propose them all: pynetdicom sends them."""
LOSSY = (uid.JPEGExtended12Bit, uid.JPEGLSNearLossless)
LOSSLESS = tuple(one for one in (*BY_DCMTK, *BY_IMAGECODECS) if one not in LOSSY)


@dataclass(frozen=True)
class Port:
    """A listener, what it keeps, and one image as it was made."""

    number: int
    ledger: Ledger
    folder: Path
    image: pydicom.Dataset
    pixels: np.ndarray
    prepared: PreparedView

    def send(self, syntax: uid.UID) -> StoredInstance:
        """The image as it was stored after it came in this syntax."""
        sent = self._by_dcmtk(syntax) if syntax in BY_DCMTK else self._by_pynetdicom(syntax)
        [kept] = [
            one for one in self.ledger.instances(self.image.StudyInstanceUID) if one.header.sop_instance_uid == sent
        ]
        assert kept.header.transfer_syntax_uid == syntax, "it came as it was encoded, not converted by the sender"
        return kept

    def _renamed(self, number: int) -> pydicom.Dataset:
        ds = pydicom.dcmread(self.folder / "image.dcm")
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{self.image.SOPInstanceUID}.{number}"
        return ds

    def _by_dcmtk(self, syntax: uid.UID) -> str:
        plain, coded = self.folder / "plain.dcm", self.folder / "coded.dcm"
        (encoder, *options), proposal = BY_DCMTK[syntax][0].split(), BY_DCMTK[syntax][1]
        ds = self._renamed(IMAGE_SYNTAXES.index(syntax))
        ds.save_as(plain)
        if encoder not in {"dcmconv", "dcmcrle"}:
            options.append("+un")  # the SOP Instance UID stays, also where the image loses something
        encoded = dcmtk(encoder, *options, str(plain), str(coded))
        assert encoded.returncode == 0, encoded.stderr
        done = dcmtk("storescu", "-aec", "TRIAGE", proposal, "127.0.0.1", str(self.number), str(coded))
        assert done.returncode == 0, done.stderr
        return str(ds.SOPInstanceUID)

    def _by_pynetdicom(self, syntax: uid.UID) -> str:
        ds = self._renamed(IMAGE_SYNTAXES.index(syntax))
        ds.PixelData = encapsulate([BY_IMAGECODECS[syntax](self.pixels)])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
        ds.file_meta.TransferSyntaxUID = syntax
        ae = AE("MODALITY")
        ae.add_requested_context(ds.SOPClassUID, syntax)
        association = ae.associate("127.0.0.1", self.number, ae_title="TRIAGE")
        assert association.send_c_store(ds).Status == 0
        association.release()
        return str(ds.SOPInstanceUID)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Port]:
    """The listener, and a phantom's view of every second pixel."""
    folder = tmp_path_factory.mktemp("syntaxes")
    write_exams(folder / "exam", 1, seed=4711)
    ds = pydicom.dcmread(next(folder.rglob("RCC.dcm")))
    pixels = np.ascontiguousarray(ds.pixel_array[::2, ::2])
    ds.PixelData, (ds.Rows, ds.Columns) = pixels.tobytes(), pixels.shape
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.3680043.10.1338.77"
    ds.save_as(folder / "image.dcm")
    ledger = Ledger(open_database("", folder))
    rule = partial(due_at, quiet=MINUTE, max_wait=MINUTE)
    number = free_port()
    server = serve(Listener(port=number), Blobs(folder / "spool"), ledger, describe, rule)
    yield Port(number, ledger, folder, ds, pixels, prepare(ds))
    server.shutdown()


def test_the_list_is_that_of_the_listener() -> None:
    assert {*BY_DCMTK, *BY_IMAGECODECS} == set(IMAGE_SYNTAXES) - {uid.JPEGBaseline8Bit}, "which holds no 12 bits"


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.keyword)
def test_the_models_see_the_same_pixels(port: Port, syntax: uid.UID) -> None:
    kept = port.send(syntax)
    assert kept.header.eligible, kept.header.reasons
    ds = read(Path(kept.path))
    np.testing.assert_array_equal(stored_pixels(ds), port.pixels)
    prepared = prepare(ds)
    np.testing.assert_array_equal(prepared.dual_view, port.prepared.dual_view)
    np.testing.assert_array_equal(prepared.whole_image, port.prepared.whole_image)


@pytest.mark.parametrize("syntax", LOSSY, ids=lambda syntax: syntax.keyword)
def test_a_loss_is_named_and_never_analysed(port: Port, syntax: uid.UID) -> None:
    kept = port.send(syntax)
    assert "lossy-compression" in {found.code for found in kept.header.reasons}
    assert not kept.header.eligible


def test_what_cannot_be_decoded_is_refused_at_the_door(port: Port) -> None:
    ae = AE("MODALITY")
    ae.add_requested_context(port.image.SOPClassUID, [uid.MPEG2MPML, uid.MPEG4HP41])
    association = ae.associate("127.0.0.1", port.number, ae_title="TRIAGE")
    [refused] = association.rejected_contexts
    assert refused.result == 0x04, "transfer syntaxes not supported (PS3.8 table 9-18)"
    association.release()
