"""The ComfyUI side: schemas and a few lines each. The only code that imports comfy."""

from . import folders
from .conditioning import InjectTokens
from .describe import DescribeFace, LoadCaptioner
from .face import DetectFace, LoadFaceAnalysis, LoadFaceParser, ParseFace
from .identity import EncodeIdentity, LoadIdentity, SaveIdentity
from .model import ApplyAdapter, LoadAdapter
from .sampler import SamplePortrait

folders.register()

NODES = [
    LoadAdapter,
    LoadFaceAnalysis,
    LoadFaceParser,
    LoadCaptioner,
    DetectFace,
    ParseFace,
    DescribeFace,
    EncodeIdentity,
    SaveIdentity,
    LoadIdentity,
    InjectTokens,
    ApplyAdapter,
    SamplePortrait,
]
