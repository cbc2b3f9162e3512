"""Report: one finding as DICOM objects that PACS and viewers show. Reads findings and headers, never pixels."""
