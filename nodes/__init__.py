"""The ComfyUI side: node classes here, what they need of the host in the folders. The only code that imports comfy."""

from .adapter import ApplyAdapter, LoadAdapter, ScheduleWeight
from .all_models import LoadModels
from .attention import ShowAttention, WatchAttention
from .attributes import ChangeAttributes
from .boundary.guard import guard
from .conditioning import InjectTokens
from .describe import DescribeFace, LoadCaptioner
from .detail import CropHead, PasteHead
from .face import DetectFace, LoadFaceAnalysis, LoadFaceCascade
from .face2diffusion import EncodeTextIdentity, LoadFace2Diffusion, NamePerson, ReadExpression
from .hooks import HookIdentity
from .identity import EncodeIdentity, LoadIdentity, SaveIdentity
from .likeness import LikenessScore, LoadImageEncoder, RegionLikeness
from .mixing import AdjustRegions, CombineIdentities, MixIdentities
from .people import AddPerson, MaskHead
from .presets import SelectPreset
from .regions import EditRegions, LoadFaceParser, ParseFace
from .sampler import SamplePortrait
from .scenes import ListScenes
from .server import folders
from .zoo import DrawPerson, LoadZoo

folders.register()

NODES = [
    LoadAdapter,
    LoadFaceAnalysis,
    LoadFaceCascade,
    LoadFaceParser,
    LoadCaptioner,
    LoadImageEncoder,
    LoadFace2Diffusion,
    LoadModels,
    LoadZoo,
    DrawPerson,
    DetectFace,
    ParseFace,
    EditRegions,
    DescribeFace,
    EncodeIdentity,
    ReadExpression,
    EncodeTextIdentity,
    SaveIdentity,
    LoadIdentity,
    CombineIdentities,
    MixIdentities,
    AdjustRegions,
    ChangeAttributes,
    MaskHead,
    AddPerson,
    SelectPreset,
    NamePerson,
    ListScenes,
    InjectTokens,
    ApplyAdapter,
    HookIdentity,
    ScheduleWeight,
    SamplePortrait,
    CropHead,
    PasteHead,
    LikenessScore,
    RegionLikeness,
    WatchAttention,
    ShowAttention,
]

for node in NODES:
    guard(node)
