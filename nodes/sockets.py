"""The socket types of this pack, and the category its nodes are listed in."""

from comfy_api.latest import io

CATEGORY = "ConsistentID"

Adapter = io.Custom("CONSISTENTID_ADAPTER")
Captioner = io.Custom("CONSISTENTID_CAPTIONER")
Face = io.Custom("CONSISTENTID_FACE")
FaceParser = io.Custom("CONSISTENTID_FACE_PARSER")
Identity = io.Custom("CONSISTENTID_IDENTITY")
Regions = io.Custom("CONSISTENTID_REGIONS")

# InsightFace's FaceAnalysis object, under the names InstantID and IPAdapter_plus give it.
FaceAnalysis = io.Custom("FACEANALYSIS")
InsightFace = io.Custom("INSIGHTFACE")
