"""Identity files: what is saved is what is loaded, and nothing else is accepted."""

import json
import random
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from consistentid.errors import ConsistentIDError, IdentityFileError
from consistentid.face.regions import REGION_LABELS
from consistentid.identity import Identity, load_identity, save_identity
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
    texts = [(i.caption, i.source, i.notes) for i in (found, expected)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    "identity",
    [
        make_identity(),
        make_identity(id_embedding=None),
        make_identity(regions=()),
        make_identity(regions=tuple(REGION_LABELS)),
        make_identity(dtype=torch.float16, source="0f" * 32, notes={"made by": "a test", "empty": ""}),
        make_identity(dtype=torch.bfloat16),
    ],
    ids=["usual", "no embedding", "no regions", "all regions", "fp16 with notes", "bf16"],
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
    identity = make_identity(caption=caption, source=caption, notes={caption: caption})
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

    def write_half(_tensors, filename, metadata=None):
        with open(filename, "wb") as file:
            file.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", write_half)
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


def test_only_what_can_be_loaded_is_saved(tmp_path):
    for bad in (make_identity(regions=("Hat",)), make_identity(id_embedding=torch.ones(128))):
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


@pytest.mark.parametrize("version", ["2", "1.5", "", "x", "-1"])
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
    "region not listed": ({"regions": "Face,Right_Eye"}, {}),
    "unknown region": ({"regions": "Face,Right_Eye,Nose,Hat"}, {"region.Hat": torch.ones(257, 1280)}),
    "embedding misshaped": ({}, {"id_embedding": torch.ones(1, 512)}),
    "extra tensor": ({}, {"other": torch.ones(1)}),
    "whole numbers": ({}, {"photo_features": torch.ones(257, 1280, dtype=torch.int64)}),
}


@pytest.mark.parametrize(("metadata", "tensors"), CHANGES.values(), ids=CHANGES)
def test_wrong_tensors(metadata, tensors, saved):
    rewrite(saved, metadata, tensors)
    assert_refused(saved, r"(?i)damaged.*\[257, 1280\]")


def test_stacked_regions_end_with_zero_features():
    identity = make_identity()
    stack = identity.stack_regions(("Nose", "Face"))
    expected = [identity.region_features["Nose"], identity.region_features["Face"], identity.zero_features]
    assert torch.equal(stack, torch.stack(expected))
