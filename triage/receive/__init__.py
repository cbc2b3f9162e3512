"""Receive: the DICOM Storage SCP. An image is acknowledged only when it would survive a power loss."""
