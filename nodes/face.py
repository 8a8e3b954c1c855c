"""Finding the faces in photos."""

from collections.abc import Sequence
from typing import Any

import comfy.model_management
from comfy_api.latest import io
from torch import Tensor

from ..consistentid.choices import CHANNEL_ORDERS, ON_NO_FACE, SELECTIONS
from ..consistentid.face.cascade import load_face_cascade
from ..consistentid.face.package import PROVIDERS, load_face_analysis
from ..consistentid.face.search import FaceSearch, Found, search_photos
from .boundary import sockets
from .boundary.display import show_faces
from .boundary.layout import make_preview, read_pixels, split_batches
from .server import folders

PACKAGES = ("face_analysis", "likeness_dlib")
SHOWN_PHOTOS = 8


class LoadFaceAnalysis(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_LoadFaceAnalysis",
            display_name="Load Face Analysis (InsightFace)",
            category=sockets.LOADERS,
            description="Loads InsightFace's detector and recogniser. Its models are for non-commercial research only.",
            **sockets.list_aliases("insightface", "buffalo_l", "faceid", "instantid", "人脸分析"),
            inputs=[
                io.Combo.Input(
                    "package",
                    options=folders.list_folders(*PACKAGES),
                    tooltip=(
                        "A folder in models/insightface/models. ConsistentID was trained with buffalo_l; others "
                        "(antelopev2, buffalo_s; dlib, free for commercial use) serve to compare faces, not for the ID "
                        "embedding"
                    ),
                ),
                io.Combo.Input(
                    "provider",
                    options=["auto", *PROVIDERS],
                    default="auto",
                    tooltip=(
                        "Where faces are searched: the GPU is faster, the CPU leaves its memory to drawing. The"
                        " result is the same"
                    ),
                    **sockets.ADVANCED,
                ),
            ],
            outputs=[
                sockets.FaceAnalysis.Output(
                    "face_analysis", display_name="face_analysis", tooltip="For Detect Face; InstantID takes it too"
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, package) -> bool | str:
        return folders.check(folders.find_folder, package, *PACKAGES)

    @classmethod
    def fingerprint_inputs(cls, package, provider="auto") -> str:
        return folders.fingerprint(folders.find_folder, package, *PACKAGES)

    @classmethod
    def execute(cls, package: str, provider: str) -> io.NodeOutput:
        return io.NodeOutput(load_face_analysis(folders.find_folder(package, *PACKAGES), provider))


class LoadFaceCascade(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_LoadFaceCascade",
            display_name="Load Face Cascade (no InsightFace)",
            category=sockets.LOADERS,
            description=(
                "Finds faces without InsightFace's non-commercial models, with the cascade that scikit-image brings "
                "along. No ID embedding: the person is described by facial regions and the whole photo only."
            ),
            **sockets.list_aliases("haar", "face detector", "人脸检测"),
            inputs=[],
            outputs=[
                sockets.FaceCascade.Output("face_cascade", display_name="face_cascade", tooltip="For Detect Face")
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(load_face_cascade())


class DetectFace(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_DetectFace",
            display_name="Detect Face and ID Embedding",
            category=sockets.PHOTO,
            description="Finds the face in each photo and computes its ID embedding.",
            **sockets.list_aliases("faceid", "face embedding", "face landmarks", "bounding box", "人脸检测"),
            is_input_list=True,
            inputs=[
                io.MultiType.Input(
                    "face_analysis",
                    [sockets.FaceAnalysis, sockets.InsightFace, sockets.FaceCascade],
                    tooltip="From Load Face Analysis, or from Load Face Cascade to do without InsightFace",
                ),
                io.Image.Input("image", tooltip="A photo, a batch, or a list of photos of different sizes"),
                io.Combo.Input(
                    "select",
                    options=list(SELECTIONS),
                    default="largest",
                    tooltip="Who is taken when several people are in the photo; 'all' takes everybody",
                ),
                io.Int.Input(
                    "index",
                    default=0,
                    min=0,
                    max=99,
                    tooltip="Another face of that order: 0 takes the first, 1 the next",
                ),
                io.Float.Input(
                    "threshold",
                    default=0.5,
                    min=0.05,
                    max=0.95,
                    step=0.05,
                    tooltip=(
                        "Lower: turned, small and drawn faces are found too, and things that are none. The "
                        "cascade takes none"
                    ),
                    **sockets.ADVANCED,
                ),
                io.Combo.Input(
                    "on_no_face",
                    options=list(ON_NO_FACE),
                    default="error",
                    tooltip=(
                        "Without an ID embedding only facial regions and the whole photo describe the person; "
                        "'skip' leaves the photo out"
                    ),
                ),
                io.Combo.Input(
                    "channel_order",
                    options=list(CHANNEL_ORDERS),
                    default="BGR",
                    tooltip="BGR as trained; RGB gives another ID embedding, that of the authors' SD1.5 inference code",
                    **sockets.ADVANCED,
                ),
                *(
                    io.Image.Input(f"image_{number}", optional=True, tooltip="More photos, each of its own size")
                    for number in (2, 3, 4)
                ),
            ],
            outputs=[
                sockets.Face.Output(
                    "face", display_name="face", is_output_list=True, tooltip="For Parse Face and Encode Identity"
                ),
                io.Image.Output(
                    "preview", display_name="preview", is_output_list=True, tooltip="All faces boxed, the chosen green"
                ),
                io.Image.Output(
                    "crop", display_name="crop", is_output_list=True, tooltip="The face as the recogniser sees it"
                ),
                io.String.Output("report", display_name="report", tooltip="Faces found and taken in each photo"),
                io.Image.Output(
                    "landmarks", display_name="landmarks", is_output_list=True, tooltip="For InstantID's ControlNet"
                ),
                io.Image.Output(
                    "photo", display_name="photo", is_output_list=True, tooltip="The photo of each chosen face"
                ),
            ],
            **sockets.SHOWS_RESULTS,
        )

    @classmethod
    def execute(
        cls,
        face_analysis: list[Any],
        image: list[Tensor],
        select: list[str],
        index: list[int],
        threshold: list[float],
        on_no_face: list[str],
        channel_order: list[str],
        image_2: Sequence[Tensor] = (),
        image_3: Sequence[Tensor] = (),
        image_4: Sequence[Tensor] = (),
    ) -> io.NodeOutput:
        search = FaceSearch(face_analysis[0], select[0], index[0], threshold[0], channel_order[0])
        pictures = split_batches([*image, *image_2, *image_3, *image_4])
        photos = [read_pixels(picture) for picture in pictures]
        watch = comfy.model_management.throw_exception_if_processing_interrupted
        found = search_photos(search, photos, on_no_face[0], watch)
        items = [item for one, picture in zip(found, pictures, strict=True) for item in _list_items(one, picture)]
        faces, previews, crops, landmarks, photos = (list(column) for column in zip(*items, strict=True))
        report = "\n".join(one.line for one in found)
        seen = [(one.photo, one.faces) for one in found if one.faces is not None][:SHOWN_PHOTOS]
        shown = [show_faces(*pair) for pair in seen]
        return io.NodeOutput(faces, previews, crops, report, landmarks, photos, ui={"consistentid_faces": shown})


def _list_items(found: Found, picture: Tensor) -> list[tuple]:
    """For each chosen face itself, its preview, its crop, the landmarks of all and the photo, as DetectFace gives."""
    landmarks = make_preview(found.draw_landmarks())
    return [
        (face, make_preview(found.mark(face)), make_preview(found.crop(face)), landmarks, picture)
        for face in found.chosen
    ]
