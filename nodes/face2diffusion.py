"""Face2Diffusion: a person as a word in any prompt of SD1.4 and SD1.5."""

from comfy.model_patcher import ModelPatcher
from comfy.sd import CLIP
from comfy_api.latest import io
from torch import Tensor

from ..consistentid.adapter.config import CONFIGS
from ..consistentid.face.face import Face, check_same_photo
from ..consistentid.face2diffusion.encoder import TextIdentity, align_for_text, encode_face, load_face2diffusion
from ..consistentid.face2diffusion.expression import format_expression, parse_expression, read_expression
from ..consistentid.face2diffusion.word import PUBLISHED_WORD, normalise_word, require_word
from ..consistentid.finite import require_finite
from .boundary import sockets
from .boundary.layout import make_preview, read_photo
from .model.hosting import HostedFaceParser, load_to_device, make_patcher
from .server import folders
from .text.word_tokenizer import name_person


class LoadFace2Diffusion(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_LoadFace2Diffusion",
            display_name="Load Face2Diffusion",
            category=sockets.LOADERS,
            description="Loads Face2Diffusion's face encoder and mapping network. Non-commercial (CC BY-NC-SA 4.0).",
            **sockets.list_aliases("f2d", "msid", "textual inversion", "人脸转文字"),
            inputs=[
                io.Combo.Input(
                    "package",
                    options=folders.list_folders("face2diffusion"),
                    tooltip="A folder in models/consistentid with msid.pt and mapping.pt",
                )
            ],
            outputs=[
                sockets.Face2Diffusion.Output(
                    "face2diffusion", display_name="face2diffusion", tooltip="For Encode Face as Text"
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, package) -> bool | str:
        return folders.check(folders.find_folder, package, "face2diffusion")

    @classmethod
    def fingerprint_inputs(cls, package) -> str:
        return folders.fingerprint(folders.find_folder, package, "face2diffusion")

    @classmethod
    def execute(cls, package: str) -> io.NodeOutput:
        return io.NodeOutput(make_patcher(load_face2diffusion(folders.find_folder(package, "face2diffusion"))))


class EncodeTextIdentity(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_EncodeTextIdentity",
            display_name="Encode Face as Text (Face2Diffusion)",
            category=sockets.IDENTITY,
            description="Turns a face into two text tokens, which a word of the prompt can stand for.",
            **sockets.list_aliases("f2d", "face to text", "textual inversion", "人脸转文字"),
            inputs=[
                sockets.Face2Diffusion.Input("face2diffusion", tooltip="From Load Face2Diffusion"),
                io.Image.Input("image", tooltip="The 'photo' that Detect Face gives out with the face"),
                sockets.Face.Input("face", tooltip="From Detect Face with InsightFace"),
                io.Float.Input(
                    "expression_strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="0: the neutral expression; 1: that of 'expression'. Does nothing while that is open",
                    **sockets.ADVANCED,
                ),
                io.String.Input(
                    "expression",
                    optional=True,
                    force_input=True,
                    tooltip=(
                        "64 numbers of a 3D face model for the released networks, 6 of Read Expression for those that "
                        "were trained with this pack. Left open: neutral, as published"
                    ),
                ),
            ],
            outputs=[
                sockets.TextIdentity.Output("text_identity", display_name="text_identity", tooltip="For Name a Person"),
                io.Image.Output("crop", display_name="crop", tooltip="What the encoder sees"),
            ],
        )

    @classmethod
    def execute(
        cls,
        face2diffusion: ModelPatcher,
        image: Tensor,
        face: Face,
        expression_strength: float,
        expression: str = "",
    ) -> io.NodeOutput:
        photo = read_photo(image)
        check_same_photo(face, photo)
        crop, code = align_for_text(photo, face), parse_expression(expression)
        load_to_device(face2diffusion, whole=True)
        require_finite(expression_strength=expression_strength)
        person = encode_face(face2diffusion.model, crop, code, expression_strength)
        return io.NodeOutput(person, make_preview(crop))


class ReadExpression(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_ReadExpression",
            display_name="Read Expression (Face2Diffusion)",
            category=sockets.IDENTITY,
            description=(
                "Measures eyes, brows and mouth of any face as a code for Encode Face as Text: for mapping networks "
                "trained with this pack, not for the released one."
            ),
            **sockets.list_aliases("f2d", "expression", "smile", "表情"),
            inputs=[
                sockets.FaceParser.Input("face_parser", tooltip="From Load Face Parser"),
                io.Image.Input("image", tooltip="The 'photo' that Detect Face gives out with the face"),
                sockets.Face.Input("face", tooltip="From Detect Face with InsightFace; it may be another person"),
                io.Combo.Input(
                    "side_px",
                    options=[str(config.parsing_px) for config in CONFIGS],
                    tooltip="Side of the square that is parsed: 512; for the small models 256",
                ),
            ],
            outputs=[
                io.String.Output("expression", display_name="expression", tooltip="For Encode Face as Text: 6 numbers")
            ],
        )

    @classmethod
    def execute(cls, face_parser: ModelPatcher, image: Tensor, face: Face, side_px: str) -> io.NodeOutput:
        code = read_expression(HostedFaceParser(face_parser), read_photo(image), face, int(side_px))
        return io.NodeOutput(format_expression(code))


class NamePerson(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_NamePerson",
            display_name="Name a Person (Face2Diffusion)",
            category=sockets.SAMPLING,
            description=(
                "Gives out a CLIP in whose prompts a word is the person: for CLIP Text Encode, Inject Facial Tokens "
                "and other text nodes, with emphasis and long prompts. One node for each person."
            ),
            **sockets.list_aliases("f2d", "trigger word", "textual inversion", "触发词"),
            inputs=[
                io.Clip.Input("clip", tooltip="Of an SD1.x checkpoint, or of another node like this one"),
                sockets.TextIdentity.Input("text_identity", tooltip="From Encode Face as Text"),
                io.String.Input(
                    "word",
                    default=PUBLISHED_WORD,
                    tooltip=(
                        "Where this word stands in a prompt, the person is drawn. 'f l' as published; any name will do"
                    ),
                ),
                io.String.Input(
                    "prompt",
                    multiline=True,
                    dynamic_prompts=True,
                    default=f"a photo of {PUBLISHED_WORD}",
                    tooltip="Must hold the word. Left empty nothing is checked, for prompts written elsewhere",
                ),
            ],
            outputs=[
                io.Clip.Output("named_clip", display_name="clip", tooltip="Knows the word; other CLIPs do not"),
                io.String.Output("checked_prompt", display_name="prompt", tooltip="For the node that encodes it"),
            ],
        )

    @classmethod
    def execute(cls, clip: CLIP, text_identity: TextIdentity, word: str, prompt: str) -> io.NodeOutput:
        named = name_person(clip, text_identity, word)
        if prompt.strip():
            require_word(prompt, normalise_word(word))
        return io.NodeOutput(named, prompt)
