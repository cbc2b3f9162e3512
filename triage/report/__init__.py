"""Report: one finding as DICOM objects that PACS and viewers show. Reads findings and headers, never pixels."""

import pydicom.config

# pydicom's warnings about a value quote it, and what names a patient has no place in a log. A setting of the process,
# like that of `triage.receive.scp`: its own context manager is not safe with threads.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE
