"""The socket types of this pack, and the categories its nodes are listed in."""

from comfy_api.latest import io

LOADERS, PHOTO, IDENTITY, SAMPLING, AFTERWARDS = (
    f"ConsistentID/{name}" for name in ("loaders", "photo", "identity", "sampling", "afterwards")
)

Adapter = io.Custom("CONSISTENTID_ADAPTER")
Captioner = io.Custom("CONSISTENTID_CAPTIONER")
Face = io.Custom("CONSISTENTID_FACE")
FaceCascade = io.Custom("CONSISTENTID_FACE_CASCADE")
FaceParser = io.Custom("CONSISTENTID_FACE_PARSER")
Identity = io.Custom("CONSISTENTID_IDENTITY")
ImageEncoder = io.Custom("CONSISTENTID_IMAGE_ENCODER")
People = io.Custom("CONSISTENTID_PEOPLE")
Placement = io.Custom("CONSISTENTID_PLACEMENT")
Regions = io.Custom("CONSISTENTID_REGIONS")
Schedule = io.Custom("CONSISTENTID_SCHEDULE")

# InsightFace's FaceAnalysis object, under the names InstantID and IPAdapter_plus give it.
FaceAnalysis = io.Custom("FACEANALYSIS")
InsightFace = io.Custom("INSIGHTFACE")
