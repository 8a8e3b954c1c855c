"""Texts that people and files bring: none takes long, none ends a log, and none is an error without a sentence."""

import base64
import io
import itertools
import json
import random
import struct
import sys
import time
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from consistentid.adapter.config import SD15
from consistentid.caption.clauses import find_missing, normalise_caption
from consistentid.errors import CaptionError, ConsistentIDError, IdentityFileError, make_encodable
from consistentid.face.region_words import read_region_words
from consistentid.face2diffusion.expression import parse_expression
from consistentid.face2diffusion.word import normalise_word, split_words
from consistentid.identity.file import list_paths, load_identity
from consistentid.identity.person import LONGEST_CAPTION, check_caption
from consistentid.prompt.align import compose_prompt
from consistentid.prompt.group import compose_group, split_people
from consistentid.prompt.mark import mark_matched, mark_published, split_last_word

REGIONS = ("Face", "Left_Eye", "Left_Ear", "Nose", "Upper_Lip", "Hair", "Brows")
READERS = {
    "normalise": normalise_caption,
    "missing": find_missing,
    "matched": lambda text: mark_matched(text, REGIONS),
    "published": lambda text: mark_published(text, REGIONS),
    "prompt": lambda text: compose_prompt(text, text, REGIONS, SD15, len),
    "group": lambda text: compose_group(text, ["face"], [REGIONS], SD15),
    "people": lambda text: split_people(text, 26),
    "last word": split_last_word,
    "word": normalise_word,
    "words": lambda text: split_words(text, ["f l", "anna maria"]),
    "expression": parse_expression,
    "left out": read_region_words,
    "file name": lambda text: next(list_paths(Path("/none"), text)),
}
UNITS = [
    "a",
    "1",
    "(",
    " ",
    ",",
    ".",
    "-",
    "a-",
    "a ",
    "face ",
    "face-",
    "eye ",
    "eye brow ",
    "embedding:",
    "embedding:a ",
]
UNITS += [":1.", ": ", "<A>", "<", "\n", "'s ", "a,", "eyes, ", "and ", "eyes are ", "large, ", "\\(", "²", "_", "f  "]
LONG = 20_000
BOUND_S = 4.0
"""For all texts; a quadratic expression takes a minute for a single one."""


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_no_text_takes_long(read):
    began = time.process_time()
    for unit in UNITS:
        with suppress(ConsistentIDError):
            read((unit * LONG)[:LONG])
    assert time.process_time() - began < BOUND_S


@pytest.mark.parametrize("text", ["", "a", " ", "her blue eyes, ", "naïve_1 山水…", "½ ²x", "a\nb\t"])
def test_the_last_word_is_what_the_expression_finds(text):
    import re

    assert split_last_word(text) == re.fullmatch(r"(.*?)(\w*)(\W*)", text, re.DOTALL).groups()


def test_a_caption_has_an_end():
    check_caption("a" * LONGEST_CAPTION)
    with pytest.raises(CaptionError, match="100,001 letters, at most 100,000"):
        check_caption("a" * (LONGEST_CAPTION + 1))


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii", None])
@pytest.mark.parametrize("text", ["half \ud83d", "山水 ü", "\udcff.bin", "plain"])
def test_an_error_can_always_be_logged(text, encoding, monkeypatch):
    class Log:
        pass

    log = Log()
    log.encoding = encoding
    monkeypatch.setattr(sys, "stderr", log)
    shown = str(ConsistentIDError(f"'{text}' was not found"))
    shown.encode(encoding or "utf-8")
    assert make_encodable("plain") == "plain" and ("山" in shown or encoding in ("cp1252", "ascii") or "山" not in text)


PERSON = {"caption": "c", "quality": 0.5, "regions": [], "strengths": {}, "sources": [], "notes": {}}
DEEP = "[" * 200_000


def write_identity(path, person=None, tensors=None, **metadata):
    features = torch.zeros(257, 1280, dtype=torch.float16)
    tensors = {"photo_features": features, "zero_features": features.clone()} | (tensors or {})
    metadata = {"format": "consistentid-identity", "version": "1", "person": json.dumps(PERSON)} | metadata
    save_file(tensors, path, metadata | ({"person": person} if person is not None else {}))
    return path


def make_bomb() -> str:
    """A PNG of 60,000 x 60,000 px in a few bytes."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    return base64.b64encode(png).decode()


HOSTILE = {
    "deep": {"person": DEEP},
    "deep inside": {"person": json.dumps(PERSON).replace("[]", "[" * 5000 + "]" * 5000, 1)},
    "huge number": {"person": json.dumps({**PERSON, "quality": 10**400})},
    "5,000 digits": {"person": json.dumps(PERSON).replace("0.5", "9" * 5000)},
    "infinite": {"person": json.dumps(PERSON).replace("0.5", "1e999")},
    "huge strength": {"person": json.dumps({**PERSON, "strengths": {"Face": 10**400}})},
    "long caption": {"person": json.dumps({**PERSON, "caption": "a" * (LONGEST_CAPTION + 1)})},
    "version ²": {"version": "²"},
    "version of 5,000 digits": {"version": "1" * 5000},
    "float8": {"tensors": {"photo_features": torch.zeros(257, 1280).to(torch.float8_e4m3fn)}},
    "bomb": {"modelspec.thumbnail": make_bomb()},
    "no base64": {"modelspec.thumbnail": "山水"},
    "half an emoji": {"person": json.dumps({**PERSON, "strengths": {"\ud83d": 1}})},
}


@pytest.mark.parametrize("fault", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_identity_is_refused_in_words(fault, tmp_path):
    with pytest.raises(IdentityFileError, match=r"x\.safetensors"):
        load_identity(write_identity(tmp_path / "x.safetensors", **fault))


def test_a_half_emoji_that_a_caption_was_saved_with_is_read(tmp_path):
    person = json.dumps({**PERSON, "caption": "\ud83d", "notes": {"\ud83d": "\udcff"}})
    identity = load_identity(write_identity(tmp_path / "x.safetensors", person))
    assert identity.caption == "\ud83d" and identity.notes == {"\ud83d": "\udcff"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strengths": {"Hat": 1}}, "damaged: strengths.Hat is 'Hat', not a region"),
        ({"strengths": {"Nose": 3}}, "damaged: strengths.Nose is 3, not a number of at most 2"),
        ({"regions": ["Nose", "Hat"]}, r"damaged: regions\[1\] is 'Hat', not a region"),
        ({"quality": True}, "damaged: quality is True, not a float"),
        ({"more": 1}, "damaged: it has unknown more"),
    ],
)
def test_a_damaged_identity_names_the_place(change, message, tmp_path):
    with pytest.raises(IdentityFileError, match=message):
        load_identity(write_identity(tmp_path / "x.safetensors", json.dumps(PERSON | change)))


def test_a_deep_header_is_refused_in_words(tmp_path):
    header = b'{"a":' + DEEP.encode()
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(IdentityFileError, match="deeply nested"):
        load_identity(tmp_path / "x.safetensors")


def test_mutated_identities(tmp_path):
    whole = write_identity(tmp_path / "x.safetensors").read_bytes()
    seed, path = random.Random(0), tmp_path / "y.safetensors"
    end = 8 + int.from_bytes(whole[:8], "little")
    for _, place in itertools.product(range(40), (8, 40, end)):
        content = bytearray(whole)
        for _ in range(seed.randint(1, 6)):
            content[seed.randrange(place)] = seed.randrange(256)
        path.write_bytes(content[: seed.choice([len(content), seed.randrange(len(content))])])
        try:
            load_identity(path)
        except IdentityFileError as error:
            assert path.name in str(error)


def test_a_picture_of_a_person_that_is_large_is_refused(tmp_path):
    file = io.BytesIO()
    Image.new("RGB", (2000, 10)).save(file, "PNG")
    text = base64.b64encode(file.getvalue()).decode()
    with pytest.raises(IdentityFileError, match="thumbnail"):
        load_identity(write_identity(tmp_path / "x.safetensors", **{"modelspec.thumbnail": text}))
