"""The socket types of this pack, the categories its nodes are listed in, and other words they are found by."""

import dataclasses
import inspect

from comfy_api.latest import io

LOADERS, PHOTO, IDENTITY, SAMPLING, AFTERWARDS = (
    f"ConsistentID/{name}" for name in ("loaders", "photo", "identity", "sampling", "afterwards")
)

Adapter = io.Custom("CONSISTENTID_ADAPTER")
Attention = io.Custom("CONSISTENTID_ATTENTION")
Captioner = io.Custom("CONSISTENTID_CAPTIONER")
Face = io.Custom("CONSISTENTID_FACE")
Face2Diffusion = io.Custom("CONSISTENTID_FACE2DIFFUSION")
FaceCascade = io.Custom("CONSISTENTID_FACE_CASCADE")
FaceParser = io.Custom("CONSISTENTID_FACE_PARSER")
Identity = io.Custom("CONSISTENTID_IDENTITY")
ImageEncoder = io.Custom("CONSISTENTID_IMAGE_ENCODER")
People = io.Custom("CONSISTENTID_PEOPLE")
Placement = io.Custom("CONSISTENTID_PLACEMENT")
Regions = io.Custom("CONSISTENTID_REGIONS")
Schedule = io.Custom("CONSISTENTID_SCHEDULE")
TextIdentity = io.Custom("CONSISTENTID_TEXT_IDENTITY")

# A choice for the list of another node; Combo.Output of ComfyUI 0.3.64 has no type that connects.
Choice = io.Custom("COMBO")

# InsightFace's FaceAnalysis object, under the names InstantID and IPAdapter_plus give it.
FaceAnalysis = io.Custom("FACEANALYSIS")
InsightFace = io.Custom("INSIGHTFACE")


def _knows(field: str) -> bool:
    """Whether Schema of this ComfyUI has such a field."""
    return field in {one.name for one in dataclasses.fields(io.Schema)}


# For an input that a beginner never turns: folded away where the editor can do that.
ADVANCED = {"advanced": True} if "advanced" in inspect.signature(io.Combo.Input).parameters else {}

# For a node that shows what it found: it runs where something needs it. On a ComfyUI that only shows what output nodes
# found, it is one, and always runs.
SHOWS_RESULTS = {"has_intermediate_output" if _knows("has_intermediate_output") else "is_output_node": True}


def list_aliases(*words: str) -> dict[str, list[str]]:
    """For a Schema: other words people search the node by. Nothing on a ComfyUI whose Schema has no such field yet."""
    return {"search_aliases": list(words)} if _knows("search_aliases") else {}


def list_model_outputs() -> list:
    """For the Schema of a node that loads all that a portrait needs, in the order of its results."""
    return [
        io.Model.Output("model", display_name="model", tooltip="For Apply ConsistentID"),
        io.Clip.Output("clip", display_name="clip", tooltip="For Inject Facial Tokens"),
        io.Vae.Output("vae", display_name="vae", tooltip="For VAE Decode"),
        io.ClipVision.Output("clip_vision", display_name="clip_vision", tooltip="For Encode Identity"),
        Adapter.Output("adapter", display_name="adapter", tooltip="For Apply ConsistentID"),
        FaceAnalysis.Output("face_analysis", display_name="face_analysis", tooltip="For Detect Face"),
        FaceParser.Output("face_parser", display_name="face_parser", tooltip="For Parse Face"),
    ]
