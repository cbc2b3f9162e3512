"""Open mammography triage service: the journey of a study, one folder a stage.

receive   a PACS forwards images by C-STORE; each is on disk and in the ledger before it is acknowledged
assemble  images become studies: four standard views, or a quiet period
accept    header and pixel rules decide what may be analysed; each refusal has a code and a sentence
prepare   pixels to canonical tensors: chest wall at the left, bright is dense, background zero
register  the same view of the other breast, mirrored and aligned
infer     ONNX models of one bundle: dual view (SCP+SF) and whole image (MIP)
decide    logits against the operating point: confidently normal, not flagged, or not evaluated and why
report    one finding as DICOM objects
deliver   an outbox for each destination, until the peer has it
serve     worklist, study pages, REST

`core` holds what the stages share, `store` the ledger and the blobs, `pipeline` joins the stages.
"""

__version__ = "0.1.0"
