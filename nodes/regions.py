"""Parsing a face into regions, and regions by hand."""

from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io
from torch import Tensor

from ..consistentid.adapter.config import CONFIGS
from ..consistentid.choices import FRAMINGS, PAIRS
from ..consistentid.errors import ConsistentIDError
from ..consistentid.face.editing import MODES, edit_region, frame_head
from ..consistentid.face.face import Face
from ..consistentid.face.omission import leave_out_regions
from ..consistentid.face.parsing import load_face_parser
from ..consistentid.face.preview import draw_labels
from ..consistentid.face.quality import check_regions
from ..consistentid.face.region_words import EXTRA_LABELS, REGION_LABELS, REGION_WORDS, read_region_words
from ..consistentid.face.regions import Regions, fit_clip
from ..consistentid.face.report import describe_regions
from ..consistentid.identity.encode import parse_photo
from .boundary import sockets
from .boundary.display import show_regions
from .boundary.layout import make_preview, read_mask, read_photo, shrink
from .model.hosting import HostedFaceParser, make_patcher
from .server import folders


class LoadFaceParser(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_LoadFaceParser",
            display_name="Load Face Parser (BiSeNet)",
            category=sockets.LOADERS,
            description="Loads BiSeNet, which cuts a face into skin, eyes, ears, nose and lips.",
            **sockets.list_aliases("face parsing", "face segmentation", "bisenet", "人脸解析"),
            inputs=[
                io.Combo.Input(
                    "parser_name",
                    options=folders.list_files("face_parser"),
                    tooltip="face_parsing.pth in models/consistentid, or facexlib's parsing_bisenet.pth",
                )
            ],
            outputs=[
                sockets.FaceParser.Output(
                    "face_parser", display_name="face_parser", tooltip="For Parse Face into Regions"
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, parser_name) -> bool | str:
        return folders.check(folders.find_file, parser_name, "face_parser")

    @classmethod
    def fingerprint_inputs(cls, parser_name) -> str:
        return folders.fingerprint(folders.find_file, parser_name, "face_parser")

    @classmethod
    def execute(cls, parser_name: str) -> io.NodeOutput:
        return io.NodeOutput(make_patcher(load_face_parser(folders.find_file(parser_name, "face_parser"))))


class ParseFace(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_ParseFace",
            display_name="Parse Face into Regions",
            category=sockets.PHOTO,
            description="Cuts the face into regions: face, eyes, ears, nose, mouth; eyebrows and hair if wanted.",
            **sockets.list_aliases("face segmentation", "face mask", "bisenet", "人脸解析", "面部遮罩"),
            inputs=[
                sockets.FaceParser.Input("face_parser", tooltip="From Load Face Parser"),
                io.Image.Input("image", tooltip="The 'photo' that Detect Face gives out with the face"),
                io.Combo.Input(
                    "side_px",
                    options=[str(config.parsing_px) for config in CONFIGS],
                    tooltip=(
                        "Larger: finer borders of the regions, slower. As published: SD1.5 512, SDXL 1280; for "
                        "the small models 256"
                    ),
                ),
                sockets.Face.Input(
                    "face",
                    optional=True,
                    tooltip="Parses a square around this face. Left open: the whole photo, squashed, as published",
                ),
                io.Combo.Input(
                    "framing",
                    optional=True,
                    options=list(FRAMINGS),
                    default="auto",
                    tooltip=(
                        "What CLIP sees. auto: the whole photo, as published, or the head where the eyes are small or "
                        "the face is off centre; 'head' needs a face"
                    ),
                    **sockets.ADVANCED,
                ),
                io.Combo.Input(
                    "pairs",
                    optional=True,
                    options=list(PAIRS),
                    default="first",
                    tooltip=(
                        "both: the person's two eyes, ears and lips shape the picture; first: one of each, as published"
                    ),
                    **sockets.ADVANCED,
                ),
                io.Boolean.Input(
                    "brows",
                    optional=True,
                    default=False,
                    tooltip="On: eyebrows come from the photo too, with an adapter that was trained with them",
                ),
                io.Boolean.Input(
                    "hair",
                    optional=True,
                    default=False,
                    tooltip="On: hair comes from the photo too, with an adapter that was trained with it",
                ),
                io.String.Input(
                    "left_out",
                    optional=True,
                    default="",
                    tooltip=(
                        "Parts of the face that the prompt decides, not the photo, such as: ears, hair. After a"
                        " run, click them below instead"
                    ),
                ),
            ],
            outputs=[
                sockets.Regions.Output("regions", display_name="regions", tooltip="For Encode Identity, Edit Regions"),
                io.Image.Output("overlay", display_name="overlay", tooltip="All labels in colour"),
                io.Image.Output("crops", display_name="crops", tooltip="Each region as CLIP sees it"),
                io.Mask.Output("masks", display_name="masks", tooltip="The regions as masks of the photo"),
                io.String.Output("report", display_name="report", tooltip="Regions found and missing; what CLIP sees"),
            ],
            **sockets.SHOWS_RESULTS,
        )

    @classmethod
    def execute(
        cls,
        face_parser: ModelPatcher,
        image: Tensor,
        side_px: str,
        face: Face | None = None,
        framing: str = "auto",
        pairs: str = "first",
        brows: bool = False,
        hair: bool = False,
        left_out: str = "",
    ) -> io.NodeOutput:
        omitted = read_region_words(left_out)
        photo, parser = read_photo(image), HostedFaceParser(face_parser)
        extra = [key for key, is_wanted in zip(EXTRA_LABELS, (brows, hair), strict=True) if is_wanted]
        parsed = parse_photo(parser, photo, int(side_px), face, framing, pairs == "both", extra)
        wanted = (*REGION_LABELS, *extra)
        regions = leave_out_regions(parsed.regions, omitted)
        found = describe_regions(parsed.regions, wanted, omitted)
        advice = ("connect a face and " if face is None else "") + "use framing 'head'"
        report = "\n".join([f"{found} {parsed.framing}", *check_regions(regions, advice)])
        overlay = make_preview(draw_labels(shrink(photo), parsed.map_labels()))
        shown = show_regions(parsed.regions, wanted)
        return io.NodeOutput(regions, overlay, *_show_regions(regions), report, ui={"consistentid_regions": [shown]})


class EditRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_EditRegions",
            display_name="Edit Regions",
            category=sockets.PHOTO,
            description="Replaces, extends or removes one region by a mask drawn by hand; no face parser is needed.",
            **sockets.list_aliases("face mask", "draw mask", "手绘遮罩"),
            inputs=[
                io.Combo.Input(
                    "region", options=list(dict.fromkeys(REGION_WORDS.values())), tooltip="The region to change"
                ),
                io.Combo.Input(
                    "mode",
                    options=list(MODES),
                    default="replace",
                    tooltip="Replace the region by the mask; add the mask to it; remove the mask, or all, from it",
                ),
                io.Mask.Input("mask", optional=True, tooltip="1 where the region is; stretched to the photo"),
                sockets.Regions.Input(
                    "regions", optional=True, tooltip="Left open: start from a photo without regions"
                ),
                io.Image.Input("image", optional=True, tooltip="The photo; only needed where no regions are connected"),
                sockets.Face.Input(
                    "face",
                    optional=True,
                    tooltip="CLIP then sees the head where the face is small or off centre; an earlier frame stays",
                ),
            ],
            outputs=[
                sockets.Regions.Output("edited_regions", display_name="regions", tooltip="For Encode Identity"),
                io.Image.Output("crops", display_name="crops", tooltip="Each region as CLIP sees it"),
                io.Mask.Output("masks", display_name="masks", tooltip="The regions as masks of the photo"),
                io.String.Output("report", display_name="report", tooltip="Regions there and missing; what CLIP sees"),
            ],
        )

    @classmethod
    def execute(
        cls,
        region: str,
        mode: str,
        mask: Tensor | None = None,
        regions: Regions | None = None,
        image: Tensor | None = None,
        face: Face | None = None,
    ) -> io.NodeOutput:
        if regions is None:
            if image is None:
                raise ConsistentIDError("There is nothing to edit: connect 'regions', or a photo to 'image'.")
            regions = Regions(read_photo(image), {})
        regions, framing = frame_head(regions, face)
        edited = edit_region(regions, region, mode, None if mask is None else read_mask(mask))
        faults = check_regions(edited, "connect a face" if face is None else "look at its mask")
        report = "\n".join([describe_regions(edited, REGION_LABELS) + framing, *faults])
        return io.NodeOutput(edited, *_show_regions(edited), report)


def _show_regions(regions: Regions) -> tuple[Tensor, Tensor]:
    """Region images as CLIP sees them, and masks over the photo."""
    crops = make_preview(*map(fit_clip, regions.list_views()[1:]))
    return crops, make_preview(*(regions.resize_mask(key) for key in regions.masks))
