"""Finding the face in a photo, and parsing it into regions."""

import torch
from comfy_api.latest import io

from ..consistentid.adapter.config import CONFIGS
from ..consistentid.errors import FaceNotFoundError
from ..consistentid.face.analysis import (
    PROVIDERS,
    SELECTIONS,
    align_face,
    detect_faces,
    load_face_analysis,
    select_face,
)
from ..consistentid.face.parsing import load_face_parser, parse_face
from ..consistentid.face.preview import draw_faces, draw_labels
from ..consistentid.face.regions import REGION_WORDS, cut_region, select_regions
from . import folders, sockets
from .hosting import load_to_device, make_patcher
from .layout import make_mask, make_preview, read_photo


class LoadFaceAnalysis(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_LoadFaceAnalysis",
            display_name="Load Face Analysis (InsightFace)",
            category=sockets.CATEGORY,
            description="Loads InsightFace's detector and recogniser. Its models are for non-commercial research only.",
            inputs=[
                io.Combo.Input(
                    "package",
                    options=folders.list_folders("face_analysis"),
                    tooltip="A folder in models/insightface/models; ConsistentID was trained with buffalo_l",
                ),
                io.Combo.Input("provider", options=["auto", *PROVIDERS], default="auto", tooltip="Where it runs"),
            ],
            outputs=[sockets.FaceAnalysis.Output("face_analysis", display_name="face_analysis")],
        )

    @classmethod
    def validate_inputs(cls, package) -> bool | str:
        return folders.check(folders.find_folder, package, "face_analysis")

    @classmethod
    def execute(cls, package, provider) -> io.NodeOutput:
        return io.NodeOutput(load_face_analysis(folders.find_folder(package, "face_analysis"), provider))


class LoadFaceParser(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_LoadFaceParser",
            display_name="Load Face Parser (BiSeNet)",
            category=sockets.CATEGORY,
            description="Loads BiSeNet, which cuts a face into skin, eyes, ears, nose and lips.",
            inputs=[
                io.Combo.Input(
                    "parser_name",
                    options=folders.list_files("face_parser"),
                    tooltip="face_parsing.pth in models/consistentid, or facexlib's parsing_bisenet.pth",
                )
            ],
            outputs=[sockets.FaceParser.Output("face_parser", display_name="face_parser")],
        )

    @classmethod
    def validate_inputs(cls, parser_name) -> bool | str:
        return folders.check(folders.find_file, parser_name, "face_parser")

    @classmethod
    def execute(cls, parser_name) -> io.NodeOutput:
        return io.NodeOutput(make_patcher(load_face_parser(folders.find_file(parser_name, "face_parser"))))


class DetectFace(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_DetectFace",
            display_name="Detect Face and ID Embedding",
            category=sockets.CATEGORY,
            description="Finds the face in a photo and computes its ID embedding.",
            inputs=[
                io.MultiType.Input("face_analysis", [sockets.FaceAnalysis, sockets.InsightFace]),
                io.Image.Input("image", tooltip="One photo"),
                io.Combo.Input("select", options=list(SELECTIONS), default="largest", tooltip="Order of the faces"),
                io.Int.Input("index", default=0, min=0, max=99, tooltip="Which face of that order, from 0"),
                io.Float.Input("threshold", default=0.5, min=0.05, max=0.95, step=0.05, tooltip="Detection score"),
                io.Combo.Input(
                    "on_no_face",
                    options=["error", "continue without ID embedding"],
                    default="error",
                    tooltip="Without an ID embedding only facial regions and the whole photo describe the person",
                ),
                io.Combo.Input(
                    "channel_order",
                    options=["BGR", "RGB"],
                    default="BGR",
                    tooltip="BGR as trained; RGB reproduces the authors' SD1.5 inference code",
                ),
            ],
            outputs=[
                sockets.Face.Output("face", display_name="face"),
                io.Image.Output("preview", display_name="preview"),
                io.Image.Output("crop", display_name="crop"),
                io.String.Output("report", display_name="report"),
            ],
        )

    @classmethod
    def execute(cls, face_analysis, image, select, index, threshold, on_no_face, channel_order) -> io.NodeOutput:
        photo = read_photo(image)
        faces = detect_faces(face_analysis, photo, threshold, channel_order)
        try:
            face = select_face(faces, photo, select, index)
        except FaceNotFoundError as error:
            if on_no_face == "error":
                raise FaceNotFoundError(
                    f"{error} Use a sharper, frontal photo with room around the head, lower the threshold (now "
                    f"{threshold:.2f}), or set on_no_face to 'continue without ID embedding'."
                ) from error
            return io.NodeOutput(None, make_preview(photo), make_preview(photo), f"{error} No ID embedding.")
        report = f"{len(faces)} found; took the one with score {face.score:.2f} at {face.box.round().tolist()}."
        return io.NodeOutput(
            face, make_preview(draw_faces(photo, faces, face)), make_preview(align_face(photo, face)), report
        )


class ParseFace(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_ParseFace",
            display_name="Parse Face into Regions",
            category=sockets.CATEGORY,
            description="Cuts the face into regions: face, eyes, ears, nose, mouth.",
            inputs=[
                sockets.FaceParser.Input("face_parser"),
                io.Image.Input("image", tooltip="The same photo the face was detected in"),
                io.Combo.Input(
                    "side_px",
                    options=[str(config.parsing_px) for config in CONFIGS],
                    tooltip="As published: SD1.5 512, SDXL 1280",
                ),
            ],
            outputs=[
                sockets.Regions.Output("regions", display_name="regions"),
                io.Image.Output("overlay", display_name="overlay"),
                io.Image.Output("crops", display_name="crops"),
                io.Mask.Output("masks", display_name="masks"),
                io.String.Output("report", display_name="report"),
            ],
        )

    @classmethod
    def execute(cls, face_parser, image, side_px) -> io.NodeOutput:
        photo = read_photo(image)
        load_to_device(face_parser)
        labels = parse_face(face_parser.model, photo, int(side_px))
        regions = select_regions(labels)
        if not regions:
            raise FaceNotFoundError(
                f"The face parser found no face, eyes, ears, nose or mouth in the photo ({image.shape[2]}x"
                f"{image.shape[1]}). Crop the photo to head and shoulders."
            )
        found = [REGION_WORDS[key] for key in regions]
        missing = [word for word in dict.fromkeys(REGION_WORDS.values()) if word not in found]
        report = f"Found {', '.join(found)}; missing: {', '.join(missing) or 'none'}."
        crops = torch.cat([make_preview(cut_region(photo, mask)) for mask in regions.values()])
        overlay = make_preview(draw_labels(photo, labels))
        return io.NodeOutput(regions, overlay, crops, make_mask(*regions.values()), report)
