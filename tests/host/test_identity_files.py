"""Encoding a photo into an identity, saving and loading it by node: with everything a picker can show of it."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytestmark = pytest.mark.host

FEATURES = torch.linspace(-1, 1, 3 * 257 * 1280).reshape(3, 257, 1280)


@pytest.fixture
def encode(host, monkeypatch, astronaut):
    """EncodeIdentity with a photo whose face and nose were found, and features that are known beforehand."""
    node, core = host.nodes.identity, host.consistentid.identity.encode
    monkeypatch.setattr(core, "encode_images", lambda encoder, images: (FEATURES[: len(images)], FEATURES[2] * 0))
    mask = np.zeros((512, 512), np.uint8)
    mask[100:200, 100:300] = 255
    regions = host.consistentid.face.regions.Regions(astronaut, {"Nose": mask, "Face": mask})
    return lambda face=None, caption="": node.EncodeIdentity.execute(None, regions, face, caption).result[0]


@pytest.fixture
def make_face(host):
    def make(**others):
        embedding = np.full(512, 512**-0.5, np.float32)
        box = np.array([175, 70, 268, 163], np.float32)
        values = {"id_embedding": embedding, "sharpness": 300.0, "recogniser": "w600k_r50.onnx"} | others
        return host.consistentid.face.face.Face(box, np.zeros((5, 2)), 0.8, **values)

    return make


def test_an_identity_knows_where_it_came_from(host, encode, make_face, astronaut):
    face = make_face()
    identity = encode(face, " a kind face ")
    assert identity.regions == ("Face", "Nose") and torch.equal(identity.region_features["Nose"], FEATURES[1])
    assert identity.quality == pytest.approx(face.quality) and 0.4 < face.quality < 0.8
    assert torch.equal(identity.id_embedding, torch.from_numpy(face.id_embedding))
    assert identity.sources == (hashlib.sha256(astronaut.tobytes()).hexdigest(),)
    assert identity.notes == {"pack version": host.consistentid.__version__, "recogniser": "w600k_r50.onnx"}
    make_thumbnail = host.consistentid.face.thumbnail.make_thumbnail
    assert np.array_equal(identity.thumbnail, make_thumbnail(astronaut, face.box))
    assert identity.caption == "a kind face"


def test_a_photo_without_a_face_or_embedding(host, encode, make_face, astronaut):
    nobody, faceless = encode(), encode(make_face(id_embedding=None))
    assert nobody.id_embedding is None and faceless.id_embedding is None
    assert nobody.quality == 0 and faceless.quality > 0 and "recogniser" not in faceless.notes
    assert np.array_equal(nobody.thumbnail, host.consistentid.face.thumbnail.make_thumbnail(astronaut))
    assert not np.array_equal(nobody.thumbnail, faceless.thumbnail), "the whole photo, and the head"


def test_saved_identity_comes_back(host, encode, make_face):
    import folder_paths

    nodes = host.nodes.identity
    identity = replace(encode(make_face(), "a kind face"), strengths={"Nose": 0.5})
    path = nodes.SaveIdentity.execute(identity, "Zoë Lovelace").result[0]
    again = nodes.SaveIdentity.execute(identity, "Zoë Lovelace").result[0]
    assert Path(path).name == "Zoë Lovelace.safetensors" and Path(again).name == "Zoë Lovelace 2.safetensors"
    assert "Zoë Lovelace.safetensors" in folder_paths.get_filename_list("consistentid_identities")
    loaded, thumbnail, about = nodes.LoadIdentity.execute("Zoë Lovelace.safetensors").result
    assert torch.equal(loaded.id_embedding, identity.id_embedding) and torch.equal(
        loaded.zero_features, FEATURES[2] * 0
    )
    for name in ("caption", "quality", "strengths", "sources", "notes", "regions"):
        assert getattr(loaded, name) == getattr(identity, name)
    assert torch.equal((thumbnail[0] * 255).round().byte(), torch.from_numpy(identity.thumbnail))
    assert "a kind face" in about and "nose (0.5)" in about and "w600k_r50.onnx" in about


def test_thumbnail_of_the_loader(host, encode, make_face, make_identity):
    nodes = host.nodes.identity
    for name, identity in {"shown": encode(make_face()), "unseen": make_identity()}.items():
        nodes.SaveIdentity.execute(identity, name)
        picture = nodes.LoadIdentity.execute(f"{name}.safetensors").result[1][0]
        expected = np.zeros((128, 128, 3), np.uint8) if identity.thumbnail is None else identity.thumbnail
        assert np.array_equal((picture * 255).round().byte().numpy(), expected)


def test_the_frontend_can_read_the_thumbnail(host, encode, make_face):
    """Through ComfyUI's own route for the metadata of models, which reads headers of at most a megabyte."""
    import comfy.utils
    import folder_paths

    host.nodes.identity.SaveIdentity.execute(encode(make_face(), "words " * 1000), "listed")
    path = folder_paths.get_full_path("consistentid_identities", "listed.safetensors")
    header = json.loads(comfy.utils.safetensors_header(path, max_size=1024 * 1024))
    assert header["__metadata__"]["modelspec.thumbnail"].startswith("data:image/png;base64,")


def test_files_that_are_gone_or_change(host, make_identity):
    nodes = host.nodes.identity
    assert nodes.LoadIdentity.validate_inputs("nobody.safetensors").startswith("Identity 'nobody")
    path = Path(nodes.SaveIdentity.execute(make_identity(), "changing").result[0])
    assert nodes.LoadIdentity.validate_inputs(path.name) is True
    before = nodes.LoadIdentity.fingerprint_inputs(path.name)
    assert before == nodes.LoadIdentity.fingerprint_inputs(path.name)
    assert nodes.LoadIdentity.fingerprint_inputs(None) == "", "a name that comes from another node"
    host.consistentid.identity.file.save_identity(make_identity(caption="new"), path)
    assert nodes.LoadIdentity.fingerprint_inputs(path.name) != before


@pytest.mark.parametrize("name", ["", "../escape", "a/b", "a\\b", "..", "CON", "end."])
def test_identity_names_stay_in_their_folder(host, make_identity, name):
    import folder_paths

    folder = Path(folder_paths.get_folder_paths("consistentid_identities")[0])
    before = sorted(folder.parent.rglob("*"))
    with pytest.raises(host.consistentid.errors.IdentityFileError, match="not a usable file name"):
        host.nodes.identity.SaveIdentity.execute(make_identity(), name)
    assert [path for path in sorted(folder.parent.rglob("*")) if path != folder] == [p for p in before if p != folder]
