"""Identity files: what is saved is what is loaded, and nothing else is accepted."""

import base64
import io
import json
import random
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from consistentid.errors import ConsistentIDError, IdentityFileError
from consistentid.face.region_words import REGION_WORDS
from consistentid.face.thumbnail import make_thumbnail
from consistentid.identity import Identity
from consistentid.identity.file import list_paths, load_identity, save_identity, save_new_identity
from consistentid.weights import read_metadata


def make_identity(regions=("Face", "Right_Eye", "Nose"), dtype=torch.float32, **fields) -> Identity:
    generator = torch.Generator().manual_seed(5)

    def draw(*shape):
        return torch.randn(shape, generator=generator).to(dtype)

    fields = {"id_embedding": torch.nn.functional.normalize(draw(512).float(), dim=0)} | fields
    return Identity(draw(257, 1280), draw(257, 1280), {key: draw(257, 1280) for key in regions}, **fields)


def tensors_of(identity: Identity) -> dict:
    tensors = {"photo": identity.photo_features, "zero": identity.zero_features, "id": identity.id_embedding}
    return tensors | identity.region_features


def assert_same(found: Identity, expected: Identity):
    assert found.regions == expected.regions
    for name, tensor in tensors_of(expected).items():
        other = tensors_of(found)[name]
        assert (other is None) if tensor is None else (other.dtype == tensor.dtype and torch.equal(other, tensor)), name
    others = [(i.caption, i.quality, i.strengths, i.sources, i.notes) for i in (found, expected)]
    assert others[0] == others[1]
    assert np.array_equal(found.thumbnail, expected.thumbnail), "two pictures, or None twice"


@pytest.mark.parametrize(
    "identity",
    [
        make_identity(),
        make_identity(id_embedding=None),
        make_identity(regions=()),
        make_identity(regions=tuple(REGION_WORDS)),
        make_identity(dtype=torch.float16, sources=("0f" * 32, "ab" * 32), notes={"made by": "a test", "empty": ""}),
        make_identity(dtype=torch.bfloat16),
        make_identity(quality=0.625, strengths={"Nose": 0.0, "Face": 1.25, "Hair": 2.0}),
        make_identity(thumbnail=np.arange(128 * 100 * 3, dtype=np.uint32).astype(np.uint8).reshape(128, 100, 3)),
    ],
    ids=["usual", "no embedding", "no regions", "all regions", "fp16 with notes", "bf16", "strengths", "thumbnail"],
)
def test_round_trip(identity, tmp_path):
    path = save_identity(identity, tmp_path / "person.safetensors")
    assert path == tmp_path / "person.safetensors" and path.is_file()
    assert_same(load_identity(path), identity)
    assert_same(load_identity(str(path)), identity)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "caption",
    ["", " ", "two\nlines\r\n\ttab", "naïve 山水 😀 \u202e", 'a "quoted" \\ {json}', "\0 and \x7f", "a, b. " * 5000],
)
def test_any_caption(caption, tmp_path):
    identity = make_identity(caption=caption, sources=(caption,), notes={caption: caption})
    assert_same(load_identity(save_identity(identity, tmp_path / "ü person")), identity)


def test_saving_changes_nothing_and_shares_nothing(tmp_path):
    wide, flat = torch.randn(1280, 257), torch.randn(257, 1280)
    identity = Identity(wide.T, flat, {"Nose": wide.T, "Face": flat})  # strided, and two memories for four tensors
    before = wide.clone(), flat.clone()
    loaded = load_identity(save_identity(identity, tmp_path / "a"))
    assert torch.equal(wide, before[0]) and torch.equal(flat, before[1])
    assert identity.photo_features.data_ptr() == wide.data_ptr()
    assert_same(loaded, identity)
    loaded.zero_features.zero_()
    assert torch.equal(loaded.region_features["Face"], flat), "loaded tensors are separate"
    assert_same(load_identity(tmp_path / "a"), identity)


def test_fields_cannot_be_replaced():
    with pytest.raises(AttributeError):
        make_identity().caption = "other"


@pytest.mark.parametrize("old", [b"", b"an older file"])
def test_failing_write_leaves_the_old_file_and_no_partial_one(old, tmp_path, monkeypatch):
    path = tmp_path / "person.safetensors"
    if old:
        path.write_bytes(old)

    def write_half(file, content):
        with file.open("wb") as opened:
            opened.write(content[: len(content) // 2])
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(OSError, match="No space"):
        save_identity(make_identity(), path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name] * bool(old)
    assert not old or path.read_bytes() == old


def test_saving_replaces_an_older_file(tmp_path):
    path = save_identity(make_identity(caption="old"), tmp_path / "a")
    (tmp_path / "b").hardlink_to(path)
    save_identity(make_identity(caption="new"), path)
    assert load_identity(path).caption == "new"
    assert load_identity(tmp_path / "b").caption == "old", "a new file took its name, the old one was not written to"


def test_other_users_may_read_it_as_any_file(tmp_path):
    (tmp_path / "plain").touch()
    assert save_identity(make_identity(), tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_only_what_can_be_loaded_is_saved(tmp_path):
    bad_fields = [
        {"regions": ("Hat",)},
        {"id_embedding": torch.ones(128)},
        {"quality": 1.5},
        {"quality": float("nan")},
        {"strengths": {"Nose": 2.5}},
        {"strengths": {"nose": 1.0}},
        {"thumbnail": np.zeros((129, 8, 3), np.uint8)},
        {"thumbnail": np.zeros((8, 8, 3), np.float32)},
        {"notes": {"a": 1}},
    ]
    for bad in (make_identity(**fields) for fields in bad_fields):
        with pytest.raises(ConsistentIDError):
            save_identity(bad, tmp_path / "bad")
        assert not list(tmp_path.iterdir())


@pytest.fixture
def saved(tmp_path):
    return save_identity(make_identity(caption="x"), tmp_path / "person.safetensors")


def rewrite(path, metadata: dict | None = None, tensors: dict | None = None):
    """The file again, with changed metadata and tensors; None removes."""
    changed = [
        {key: value for key, value in (old | (new or {})).items() if value is not None}
        for old, new in ((read_metadata(path), metadata), (load_file(path), tensors))
    ]
    save_file(changed[1], path, metadata=changed[0])


def assert_refused(path, pattern: str):
    with pytest.raises(IdentityFileError, match=pattern) as caught:
        load_identity(path)
    assert path.name in str(caught.value)


def test_missing_file(tmp_path):
    assert_refused(tmp_path / "nobody.safetensors", "not found")
    assert_refused(tmp_path, "not found")


@pytest.mark.parametrize("version", ["2", "1.5", "", "x", "-1", "²"])
def test_other_version(version, saved):
    rewrite(saved, {"version": version})
    assert_refused(saved, rf"version {version or 'unknown'}; this pack reads version 1\. Update the pack")


def test_metadata_that_is_not_text(saved):
    content = saved.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    for metadata in ({**header["__metadata__"], "version": 1}, None, [], "text"):
        text = json.dumps(header | {"__metadata__": metadata}).encode()
        saved.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])
        assert_refused(saved, "identity")


def test_foreign_safetensors(tmp_path):
    path = tmp_path / "lora.safetensors"
    save_file({"lora.up": torch.ones(2)}, path)
    assert_refused(path, "not an identity")
    save_file({"lora.up": torch.ones(2)}, path, metadata={"format": "pt"})
    assert_refused(path, "not an identity")


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x03\x04", b"\x80\x02", bytes(100)])
def test_other_files(content, tmp_path):
    (tmp_path / "file").write_bytes(content)
    assert_refused(tmp_path / "file", "[Nn]ot a readable identity file")


def test_truncated(saved):
    content = saved.read_bytes()
    for length in [7, 8, 9, 300, *random.Random(0).sample(range(len(content)), 8), len(content) - 1]:
        saved.write_bytes(content[:length])
        assert_refused(saved, "(?i)identity.*(encode|save).* again")


CHANGES = {
    "photo missing": ({}, {"photo_features": None}),
    "zero misshaped": ({}, {"zero_features": torch.ones(257, 1024)}),
    "region misshaped": ({}, {"region.Nose": torch.ones(1, 257, 1280)}),
    "region missing": ({}, {"region.Nose": None}),
    "region not listed": ({"regions": ["Face", "Right_Eye"]}, {}),
    "embedding misshaped": ({}, {"id_embedding": torch.ones(1, 512)}),
    "extra tensor": ({}, {"other": torch.ones(1)}),
    "whole numbers": ({}, {"photo_features": torch.ones(257, 1280, dtype=torch.int64)}),
    "thumbnail of numbers": ({}, {"thumbnail": torch.ones(8, 8, 3)}),
    "thumbnail too large": ({}, {"thumbnail": torch.ones(8, 200, 3, dtype=torch.uint8)}),
}


def rewrite_person(path, **fields):
    """The file again, with changed fields of its description."""
    person = json.loads(read_metadata(path)["person"]) | fields
    rewrite(path, {"person": json.dumps({key: value for key, value in person.items() if value is not ...})})


@pytest.mark.parametrize(("fields", "tensors"), CHANGES.values(), ids=CHANGES)
def test_wrong_tensors(fields, tensors, saved):
    rewrite(saved, tensors=tensors)
    rewrite_person(saved, **fields)
    assert_refused(saved, r"(?i)damaged.*\[257, 1280\]")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("regions", ["Face", "Right_Eye", "Nose", "Hat"]),
        ("regions", "Face"),
        ("regions", 3),
        ("caption", None),
        ("quality", "good"),
        ("quality", -0.1),
        ("quality", 1e400),
        ("strengths", {"Nose": -1}),
        ("strengths", {"Hat": 1}),
        ("strengths", []),
        ("sources", "abc"),
        ("sources", [1]),
        ("notes", {"a": {}}),
        ("notes", None),
        ("more", "unknown"),
    ],
)
def test_wrong_description(name, value, saved):
    rewrite_person(saved, **{name: value})
    assert_refused(saved, "damaged")


@pytest.mark.parametrize("person", ["", "[]", "null", "{}", "{"])
def test_description_that_is_none(person, saved):
    rewrite(saved, {"person": person})
    assert_refused(saved, "damaged")


def test_thumbnail_is_where_comfyui_looks_for_it(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (128, 96, 3), dtype=np.uint8)
    path = save_identity(make_identity(thumbnail=picture), tmp_path / "a")
    address = read_metadata(path)["modelspec.thumbnail"]
    content = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    assert np.array_equal(np.array(Image.open(io.BytesIO(content), formats=["PNG"])), picture)
    assert np.array_equal(load_identity(path).thumbnail, picture)
    assert load_identity(save_identity(make_identity(), tmp_path / "b")).thumbnail is None


@pytest.mark.parametrize("size", [(129, 20), (20, 4000)])
def test_large_thumbnail_is_refused(saved, size):
    file = io.BytesIO()
    Image.new("RGB", size).save(file, "PNG")
    rewrite(saved, {"modelspec.thumbnail": "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()})
    assert_refused(saved, "thumbnail")


@pytest.mark.parametrize("text", ["", "data:image/png;base64,", "data:image/png;base64,AAAA", "http://x/y.png", "é"])
def test_thumbnail_that_is_none(saved, text):
    rewrite(saved, {"modelspec.thumbnail": text})
    assert_refused(saved, "thumbnail")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_features_that_are_no_numbers(tmp_path, value):
    identity = make_identity()
    identity.photo_features[3, 5] = value
    with pytest.raises(IdentityFileError, match="photo_features"):
        save_identity(identity, tmp_path / "a")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["Ada", " Ada.safetensors ", "Zoë 山水", "a.b", "console", "x" * 200, "com10"])
def test_usable_names(name, tmp_path):
    path = save_new_identity(make_identity(caption="first"), tmp_path, name)
    assert path.parent == tmp_path and path.suffix == ".safetensors"
    again = save_new_identity(make_identity(caption="second"), tmp_path, name)
    assert again.name == f"{path.stem} 2.safetensors"
    assert [load_identity(file).caption for file in (path, again)] == ["first", "second"]
    assert set(tmp_path.iterdir()) == {path, again}


BAD_NAMES = [
    "",
    " ",
    "..",
    "../escape",
    "a/b",
    "a\\b",
    "/etc/a",
    "C:a",
    ".hidden",
    "what?",
    "nul\0",
    "bell\a",
    "x" * 201,
]
BAD_NAMES += [
    "山" * 67,
    "con",
    "NUL",
    "Com1.safetensors",
    "aux.b",
    "LPT9",
    "nul .x",
    "end.",
    "end. ",
    "\u202egpj",
    "\ud800",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_stay_in_their_folder_on_every_system(name, tmp_path):
    with pytest.raises(IdentityFileError, match="not a usable file name"):
        list_paths(tmp_path, name)
    assert not list(tmp_path.iterdir())


def test_thumbnail_shows_the_head(astronaut):
    before = astronaut.copy()
    assert make_thumbnail(astronaut).shape == (128, 128, 3)
    assert make_thumbnail(astronaut[:, :256]).shape == (128, 64, 3)
    head = make_thumbnail(astronaut, np.array([175.0, 70, 268, 163]))
    assert head.shape == (128, 128, 3)
    # The square of twice the box around its middle is x 128..314, y 23..210: scaled down by itself it looks the same.
    patch = astronaut[23:209, 128:314].reshape(2, 93, 2, 93, 3).mean((1, 3))
    assert np.abs(head.reshape(2, 64, 2, 64, 3).mean((1, 3)) - patch).max() < 4
    assert np.array_equal(astronaut, before)


def test_regions_are_in_one_order_however_they_were_given():
    identity = make_identity(regions=("Hair", "Nose", "Right_Eye", "Face"))
    assert identity.regions == ("Face", "Right_Eye", "Nose", "Hair")
    assert identity.find_region("eyes") == "Right_Eye" and identity.find_region("mouth") is None


def test_description_for_people():
    identity = make_identity(strengths={"Nose": 0.5}, quality=0.5, sources=("a", "b"), notes={"recogniser": "w.onnx"})
    text = identity.describe()
    for part in ("Photos: 2", "0.50", "nose (0.5)", "eyes (1)", "the fixed sentence", "recogniser: w.onnx"):
        assert part in text
    assert "ID embedding: none" in make_identity(id_embedding=None, regions=()).describe()


def test_stacked_regions_end_with_zero_features():
    identity = make_identity()
    stack = identity.stack_regions(("Nose", "Face"))
    expected = [identity.region_features["Nose"], identity.region_features["Face"], identity.zero_features]
    assert torch.equal(stack, torch.stack(expected))
