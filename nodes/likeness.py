"""How much pictures look like the person: by ID embedding, and region by region."""

from collections.abc import Callable, Sequence
from typing import Any

import comfy.model_management
import comfy.utils
import numpy as np
import torch
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io
from torch import Tensor

from ..consistentid.errors import ConsistentIDError
from ..consistentid.likeness.dino import load_dino
from ..consistentid.likeness.faces import NO_FACE, Score, measure_reference, score_pictures
from ..consistentid.likeness.regions import average_features, average_scores, compare_features, read_features
from ..consistentid.likeness.report import draw_scores, report_likeness, report_regions
from .boundary import sockets
from .boundary.layout import make_preview, read_photo, split_batches
from .model.hosting import HostedDino, HostedFaceParser
from .server import folders

WORST = -1.0


class LikenessScore(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_LikenessScore",
            display_name="Likeness Score (Best of a Batch)",
            category=sockets.AFTERWARDS,
            description="Scores pictures by how much their face is that of the reference photos, and picks the best.",
            **sockets.list_aliases("face similarity", "face distance", "best of", "compare faces", "人脸相似度"),
            inputs=[
                io.MultiType.Input(
                    "face_analysis", [sockets.FaceAnalysis, sockets.InsightFace], tooltip="From Load Face Analysis"
                ),
                io.Image.Input("reference", tooltip="One or several photos of the person; a list may differ in size"),
                io.Image.Input("images", tooltip="The pictures to score"),
                io.Int.Input(
                    "keep", default=1, min=1, max=64, tooltip="More: also the second best and so on, best first"
                ),
                io.Float.Input(
                    "threshold",
                    default=0.5,
                    min=0.05,
                    max=0.95,
                    step=0.05,
                    tooltip="Lower: turned and drawn faces are scored too; higher: clear faces alone",
                    **sockets.ADVANCED,
                ),
                io.MultiType.Input(
                    "second_analysis",
                    [sockets.FaceAnalysis, sockets.InsightFace],
                    optional=True,
                    tooltip="Another package, such as antelopev2 or dlib: an opinion that did not steer the pictures",
                ),
            ],
            outputs=[
                io.Image.Output("best", display_name="best", tooltip="The best pictures, best first"),
                io.Image.Output("sheet", display_name="sheet", tooltip="All pictures with their scores"),
                io.Float.Output("score", display_name="score", tooltip="Best cosine; -1: no face found"),
                io.Int.Output("index", display_name="index", tooltip="Place of the best in the batch, from 0"),
                io.String.Output("report", display_name="report", tooltip="Mean, baseline, and every picture"),
                io.Float.Output(
                    "second_score", display_name="second_score", tooltip="The second package's; -1 without one"
                ),
            ],
            is_input_list=True,
        )

    @classmethod
    def execute(
        cls,
        face_analysis: list[Any],
        reference: list[Tensor],
        images: list[Tensor],
        keep: list[int],
        threshold: list[float],
        second_analysis: Sequence[Any] = (None,),
    ) -> io.NodeOutput:
        photos, pictures, batch = _read_photos(reference), _read_photos(images), _join(images)
        analyses = [face_analysis[0], *(one for one in second_analysis[:1] if one is not None)]
        watch = _watch(len(pictures) * len(analyses))
        first, *second = (score_pictures(one, photos, pictures, threshold[0], watch) for one in analyses)
        best = first.ranking[: keep[0]]
        return io.NodeOutput(
            batch[best],
            make_preview(draw_scores(pictures, first)),
            _read_cosine(first.scores[best[0]]),
            best[0],
            report_likeness(first, *second),
            _read_cosine(second[0].scores[best[0]] if second else NO_FACE),
        )


class LoadImageEncoder(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_LoadImageEncoder",
            display_name="Load Image Encoder (DINO)",
            category=sockets.LOADERS,
            description="Loads a DINO, which compares facial regions.",
            **sockets.list_aliases("dino", "dinov2", "图像编码"),
            inputs=[
                io.Combo.Input(
                    "model_folder",
                    options=folders.list_folders("region_encoder"),
                    tooltip="A folder in transformers' format, such as dinov2-base",
                )
            ],
            outputs=[
                sockets.ImageEncoder.Output(
                    "image_encoder", display_name="image_encoder", tooltip="For Region Likeness"
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, model_folder) -> bool | str:
        return folders.check(folders.find_folder, model_folder, "region_encoder")

    @classmethod
    def fingerprint_inputs(cls, model_folder) -> str:
        return folders.fingerprint(folders.find_folder, model_folder, "region_encoder")

    @classmethod
    def execute(cls, model_folder: str) -> io.NodeOutput:
        return io.NodeOutput(HostedDino(load_dino(folders.find_folder(model_folder, "region_encoder"))))


class RegionLikeness(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_RegionLikeness",
            display_name="Region Likeness (FGIS)",
            category=sockets.AFTERWARDS,
            description="Compares face, eyes, ears, nose and mouth of pictures with those of the reference photos.",
            **sockets.list_aliases("fgis", "face similarity", "compare faces", "人脸相似度"),
            inputs=[
                sockets.FaceParser.Input("face_parser", tooltip="From Load Face Parser"),
                sockets.ImageEncoder.Input("image_encoder", tooltip="From Load Image Encoder"),
                io.Image.Input("reference", tooltip="One or several photos of the person; a list may differ in size"),
                io.Image.Input("images", tooltip="The pictures to score"),
                io.MultiType.Input(
                    "face_analysis",
                    [sockets.FaceAnalysis, sockets.InsightFace],
                    optional=True,
                    tooltip="Finds the person in each picture; left open, whole pictures are parsed",
                ),
                io.Float.Input(
                    "threshold",
                    optional=True,
                    default=0.5,
                    min=0.05,
                    max=0.95,
                    step=0.05,
                    tooltip="Lower: turned and drawn faces are found too. Only with face_analysis",
                    **sockets.ADVANCED,
                ),
            ],
            outputs=[
                io.Float.Output("score", display_name="score", tooltip="Mean cosine; -1: nothing to compare"),
                io.String.Output("report", display_name="report", tooltip="Score of each picture and region"),
            ],
            is_input_list=True,
        )

    @classmethod
    def execute(
        cls,
        face_parser: list[ModelPatcher],
        image_encoder: list[HostedDino],
        reference: list[Tensor],
        images: list[Tensor],
        face_analysis: Sequence[Any] = (None,),
        threshold: Sequence[float] = (0.5,),
    ) -> io.NodeOutput:
        photos, pictures, analysis = _read_photos(reference), _read_photos(images), face_analysis[0]
        person = None if analysis is None else measure_reference(analysis, photos, threshold[0])
        watch, parse = _watch(len(photos) + len(pictures)), HostedFaceParser(face_parser[0]).parse

        def read(picture: np.ndarray) -> dict[str, np.ndarray] | None:
            watch()
            return read_features(picture, parse, image_encoder[0], analysis, person, threshold[0])

        references = [read(photo) for photo in photos]
        known = average_features(references)
        features = [read(picture) for picture in pictures]
        scores = [None if found is None else compare_features(known, found) for found in features]
        mean = average_scores(scores)
        faceless = [place for place, found in enumerate(references) if not found]
        return io.NodeOutput(WORST if mean is None else mean, report_regions(scores, faceless))


def _read_photos(images: list[Tensor]) -> list[np.ndarray]:
    return [read_photo(image) for image in split_batches(images)]


def _join(images: list[Tensor]) -> Tensor:
    """Batches of pictures of one size as one batch."""
    sizes = {tuple(batch.shape[1:]) for batch in images}
    if len(sizes) > 1:
        raise ConsistentIDError(
            f"The pictures have different sizes ({sorted(sizes)}), so the best cannot be put into one batch. "
            "Score pictures of one size at a time."
        )
    return torch.cat(images)


def _read_cosine(score: Score) -> float:
    return WORST if score.cosine is None else score.cosine


def _watch(pictures: int) -> Callable[[], None]:
    """A function to call before each picture: moves the progress bar, and ends the run when the user asked for it."""
    progress = comfy.utils.ProgressBar(pictures)

    def on_picture() -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        progress.update(1)

    return on_picture
