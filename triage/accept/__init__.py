"""Accept: from DICOM headers to the reasons for which an image or an exam is not evaluated. Never reads pixels."""
