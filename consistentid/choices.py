"""What may be chosen: each list once, for nodes, the command line and training. Imports nothing."""

ALIGNMENTS = ("auto", "published", "matched")
"""Which region meets which word; see prompt.mark.mark_caption."""

CHANNEL_ORDERS = ("BGR", "RGB")
"""In which InsightFace gets a photo; see face.analysis."""

FRAMINGS = ("auto", "whole photo", "head")
"""What CLIP sees of a photo; see face.framing.choose_frame."""

ALL_FACES = "all, left to right"
FACE_ORDERS = ("largest", "most central", "left to right", "highest score")
SELECTIONS = (*FACE_ORDERS, ALL_FACES)
"""Which faces of a photo are taken; see face.selection."""

STOP, GO_ON, SKIP = ON_NO_FACE = ("error", "continue without ID embedding", "skip")
"""What becomes of a photo without the wanted face; see face.search.search_photos."""

PAIRS = ("first", "both")
"""Of eyes, ears and lips: the first found, as published, or both in one region."""
