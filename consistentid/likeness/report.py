"""Scores in words, and as a sheet of pictures. Places are counted from 0, as ComfyUI counts a batch."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from ..contact_sheet import DARK, draw_contact_sheet
from ..face.dlib_models import RECOGNISER as DLIB
from ..face.dlib_models import SCALE
from ..face.preview import CHOSEN, draw_box
from .faces import Likeness, Reference, Score
from .regions import RegionScore, average_scores


def report_likeness(likeness: Likeness, second: Likeness | None = None) -> str:
    """The best picture, the mean, what real photos score, and one line for each picture, best first."""
    ranking = likeness.ranking
    best = likeness.scores[ranking[0]]
    if best.cosine is None:
        lines = ["No face was found in any picture."]
    else:
        scored = sum(score.cosine is not None for score in likeness.scores)
        lines = [
            f"Best: index {ranking[0]}, {best.cosine:.3f}. Mean {likeness.mean:.3f} over {scored} of {len(ranking)}."
        ]
    lines.append(_report_reference(likeness.reference) + describe_scale(likeness.reference.recogniser))
    if second:
        lines.append(_report_second(likeness.reference, second) + describe_scale(second.reference.recogniser))
    for place in ranking:
        line = f"index {place}: {_report_score(likeness.scores[place])}"
        lines.append(f"{line}; second {_report_score(second.scores[place])}" if second else line)
    return "\n".join(lines)


def describe_scale(recogniser: str) -> str:
    """What its cosines mean, with a space before it, where they are on another scale than ArcFace's."""
    return f" {SCALE}" if recogniser == DLIB else ""


def report_regions(scores: list[RegionScore | None], faceless: Sequence[int] = ()) -> str:
    """The mean over the pictures and one line for each; None stands for a picture without a face.

    faceless: places of the reference photos that have no face, or no region of one.
    """
    mean = average_scores(scores)
    scored = sum(score is not None and score.cosine is not None for score in scores)
    first = "Nothing to compare." if mean is None else f"Mean {mean:.3f} over {scored} of {len(scores)}."
    first += _report_faceless(faceless)
    return "\n".join([first, *(f"index {place}: {_report_region(score)}" for place, score in enumerate(scores))])


def draw_scores(pictures: list[np.ndarray], likeness: Likeness) -> np.ndarray:
    """All pictures in their order, each with its score below and a box around the face that counts; best in green."""
    best = likeness.ranking[0]
    cells = []
    for place, (picture, score) in enumerate(zip(pictures, likeness.scores, strict=True)):
        shown = Image.fromarray(picture)
        if score.face is not None:
            colour = CHOSEN if place == best else DARK.ink
            draw_box(ImageDraw.Draw(shown), score.face.box, colour, max(2, max(picture.shape[:2]) // 128))
        cells.append((f"{place}: " + ("no face" if score.cosine is None else f"{score.cosine:.3f}"), shown))
    return np.asarray(draw_contact_sheet(cells, math.ceil(math.sqrt(len(cells))), DARK, {best: CHOSEN}))


def _report_reference(reference: Reference) -> str:
    without = _report_faceless(reference.faceless)
    if reference.baseline is None:
        return f"Give two or more reference photos to see what a real photo scores.{without}"
    photos = reference.photos - len(reference.faceless)
    return f"A real photo scores {reference.baseline:.3f}: each of {photos} against the mean of the others.{without}"


def _report_faceless(places: Sequence[int]) -> str:
    return f" No face in reference {', '.join(map(str, places))}." if places else ""


def _report_second(reference: Reference, second: Likeness) -> str:
    baseline = "" if second.reference.baseline is None else f"; a real photo scores {second.reference.baseline:.3f}"
    mean = "no face" if second.mean is None else f"mean {second.mean:.3f}, best index {second.ranking[0]}"
    line = f"Second encoder {second.reference.recogniser or 'of unknown name'}: {mean}{baseline}."
    if reference.recogniser and second.reference.recogniser == reference.recogniser:
        line += " It is the same file as the first, so it tells nothing new."
    return line


def _report_score(score: Score) -> str:
    if score.cosine is None:
        return "no face"
    return f"{score.cosine:.3f}" + (
        f" (index {score.place} of {score.faces} faces, from the left)" if score.faces > 1 else ""
    )


def _report_region(score: RegionScore | None) -> str:
    if score is None:
        return "no face"
    if score.cosine is None:
        return "no region in common"
    return f"{score.cosine:.3f} ({', '.join(f'{word} {cosine:.3f}' for word, cosine in score.regions.items())})"
