"""InsightFace's detector, tried again at smaller sizes when it sees nobody."""

import numpy as np

from ..errors import IncompatibleModelError
from ..finite import require_finite
from .face import Face

DETECTOR_SIZES_PX = (640, 512, 320, 160)
"""Of 40 close-ups all were missed at the first two sizes, and found by what follows, margin included; a face is found
from about 16 px of the first (docs/real_photos.md)."""


def find_faces(detector, pixels: np.ndarray, threshold: float) -> list[Face]:
    """The faces [H, W, 3] shows at the first size that shows any, without ID embedding; boxes in its own pixels.

    A face that fills the frame is too large for the detector: it gets the picture smaller and smaller, then all over
    again with a black margin of half its longer side. The detector is left as found.
    """
    fixed = _find_fixed_size(detector)
    sizes = [tuple(fixed)] if fixed else [(px, px) for px in DETECTOR_SIZES_PX]
    margin = max(pixels.shape[:2]) // 2
    require_finite(threshold=threshold)
    usual, detector.det_thresh = detector.det_thresh, threshold
    try:
        for padded in (False, True):
            canvas = np.pad(pixels, ((margin, margin), (margin, margin), (0, 0))) if padded else pixels
            for size in sizes:
                boxes, landmarks = detector.detect(canvas, input_size=size)
                if len(boxes):
                    return _make_faces(boxes, landmarks, margin if padded else 0, size[0])
    finally:
        detector.det_thresh = usual
    return []


def _find_fixed_size(detector) -> tuple[int, int] | None:
    """(width, height) of a detector that takes no other; insightface 0.7.3 does not say so itself."""
    if hasattr(detector, "static_input_size") or not hasattr(detector, "session"):
        return getattr(detector, "static_input_size", None)
    height, width = detector.session.get_inputs()[0].shape[2:4]
    return (width, height) if isinstance(width, int) and isinstance(height, int) else None


def _make_faces(boxes: np.ndarray, landmarks: np.ndarray | None, margin: int, detector_px: int) -> list[Face]:
    if landmarks is None:
        raise IncompatibleModelError(
            "This face detector gives no landmarks. Use det_10g.onnx of the package buffalo_l."
        )
    return [
        Face(box[:4] - margin, points - margin, float(box[4]), None, detector_px=detector_px, padded=margin > 0)
        for box, points in zip(boxes, landmarks, strict=True)
    ]
