"""Stage `prepare`: one mammogram, DICOM or plain pixels, becomes the canonical view that models read.

In: a `pydicom` data set, or a 2-D grey-scale array. Out: `triage.core.study.PreparedView`. Training and serving call
the same functions, so that both see the same pixels to the bit.
"""

import cv2

# Views are prepared in a pool of threads, one thread a view: OpenCV's own pool would only compete with it.
cv2.setNumThreads(1)
