"""models_manifest.json as data: complete, safe, in one format, and in step with what is written elsewhere."""

import copy
import json
from pathlib import Path

import pytest

from consistentid.model_files.manifest import MANIFEST, ManifestError, Source, parse_manifest, read_manifest
from consistentid.model_files.paths import PathError, require_safe_path
from consistentid.model_files.table import MARKS, describe_for_workflow, format_size, render_markdown

ROOT = Path(__file__).resolve().parents[2]
MODELS = list(read_manifest().values())
CONTENT = json.loads(MANIFEST.read_text(encoding="utf-8"))

every_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)


def test_the_file_is_formatted_as_json_writes_it():
    assert MANIFEST.read_bytes().decode() == json.dumps(CONTENT, indent=2, ensure_ascii=False) + "\n"


def test_what_every_feature_needs_is_there():
    needed = {use for model in MODELS for use in model.needed_for}
    optional = {"captions", "captions_qwen", "face2diffusion", "likeness", "example_sd15", "example_sdxl"}
    assert needed == {"sd15", "sdxl"} | optional
    assert [m.id for m in MODELS if "captions" in m.needed_for] == ["captioner"], "one captioner is enough"
    assert {m.id for m in MODELS if "sd15" in m.needed_for} == {
        "adapter_sd15",
        "face_parser",
        "clip_vision",
        "face_analysis",
    }


def test_no_two_models_have_a_place_or_a_name_in_common():
    targets = [model.target.casefold() for model in MODELS]
    names = [name.casefold() for model in MODELS for name in model.names]
    assert len(set(targets)) == len(targets) and len(set(names)) == len(names)


@every_model
def test_a_model_tells_its_licence_and_where_it_comes_from(model):
    assert model.title and model.purpose.endswith(".") and model.consequence.endswith(".") and model.licence
    assert all(source.startswith("https://") for source in model.sources) and model.sources
    assert all(source in model.advice for source in model.sources)
    assert model.licence in model.advice and model.target in model.advice


def test_buffalo_l_is_known_to_the_last_file():
    model = read_manifest()["face_analysis"]
    assert model.size == 288621354 and model.archive.sha256.startswith("80ffe37d")
    assert [file.path for file in model.files if file.sha256] == [
        "det_10g.onnx",
        "w600k_r50.onnx",
        "1k3d68.onnx",
        "2d106det.onnx",
        "genderage.onnx",
    ]


def change(path: str, value) -> str:
    """The manifest with one value changed, or removed when it is None; path: 'models.0.files.0.sha256'."""
    content = copy.deepcopy(CONTENT)
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    place = content
    for key in parents:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return json.dumps(content)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("version", 1, "version is 1"),
        ("models.0.licence", None, r"models\[0\] lacks licence"),
        ("models.0.license", "MIT", r"models\[0\] has unknown license"),
        ("models.0.title", 3, r"models\[0\]\.title is 3, not a str"),
        ("models.0.needed_for", "sd15", r"models\[0\]\.needed_for is not a list"),
        ("models.0.files.0.sha256", "ABC", "sha256 of ConsistentID-v1.bin is 'ABC'"),
        ("models.0.files.0.sha256", "4" * 63 + "A", "64 lowercase"),
        ("models.0.files.0.size", "12", r"files\[0\]\.size is '12', not a int"),
        ("models.0.files.0.size", True, "size is True"),
        ("models.0.files.0.size", -1, "size of ConsistentID-v1.bin is -1"),
        ("models.0.files.0.path", "../up.bin", r"unsafe path '\.\./up\.bin'"),
        ("models.0.folder", "/models", "unsafe path '/models'"),
        ("models.0.alternatives", ["a\\b"], "unsafe path"),
        ("models.0.files.0.source.revision", None, "needs revision and path"),
        ("models.0.files.0.source", {}, "one of repository, url and page"),
        ("models.0.files.0.source", {"url": "http://x.y/z"}, "is not https"),
        ("models.0.files.0.source", {"url": "https://x.y/z", "page": "https://x.y"}, "one of"),
        ("models.0.files", [], "files is not just ConsistentID-v1.bin"),
        ("models.1.id", "adapter_sd15", "'adapter_sd15' is there twice"),
        ("models.4.archive", None, "face_analysis: each file needs one source"),
    ],
)
def test_a_wrong_manifest_is_refused_by_name(path, value, message):
    with pytest.raises((ManifestError, PathError), match=message):
        parse_manifest(change(path, value))


@pytest.mark.parametrize(
    "path",
    [
        *("", ".", "..", "/a", "a/../b", "a//b", "a/", "./a", "C:a", "a\\b", "a\x00", "a\n", "~?"),
        *("NUL", "con.onnx", "a/Aux.tar.gz/b", "com1", "LPT9.bin", "nul .txt", "CONIN$", "com¹.x", "a.", "a./b", "a "),
    ],
)
def test_unsafe_paths(path):
    with pytest.raises(PathError, match="unsafe path"):
        require_safe_path(path)


@pytest.mark.parametrize("path", ["console.onnx", "nullable", "com10.bin", "a.con", ".hidden", "a b.c", "模型.bin"])
def test_safe_paths(path):
    require_safe_path(path)


def test_files_of_a_model_differ_in_more_than_case():
    files = copy.deepcopy(CONTENT["models"][4]["files"])
    with pytest.raises(PathError, match=r"'det_10g\.onnx' is there twice"):
        parse_manifest(change("models.4.files", [*files, {**files[0], "path": "DET_10G.onnx"}]))


def test_addresses():
    assert Source("a/b", "main", "c/d.bin").address == "https://huggingface.co/a/b/resolve/main/c/d.bin"
    assert read_manifest()["captioner"].sources == ("https://huggingface.co/llava-hf/llava-1.5-7b-hf",)
    assert read_manifest()["face2diffusion"].is_manual


@pytest.mark.parametrize(
    ("size", "text"),
    [(None, "not stated"), (9, "9 bytes"), (53289463, "53 MB"), (2528373448, "2.5 GB"), (1500, "2 kB")],
)
def test_sizes(size, text):
    assert format_size(size) == text


def test_the_page_of_models_shows_this_manifest():
    """`python -m consistentid models list --markdown` prints what belongs between the marks."""
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert all(page.count(mark) == 1 for mark in MARKS)
    between = page.split(MARKS[0])[1].split(MARKS[1])[0]
    assert between.strip() == render_markdown().strip()


def test_the_table_has_a_whole_row_for_every_model():
    rows = render_markdown().splitlines()
    assert len({row.count("|") for row in rows}) == 1 and len(rows) == len(MODELS) + 2
    for model, row in zip(MODELS, rows[2:], strict=True):
        assert f"`{model.id}`" in row and model.licence in row and all(source in row for source in model.sources)


def test_what_a_workflow_says_of_a_missing_file():
    assert describe_for_workflow(read_manifest()["clip_vision"]) == {
        "name": "CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors",
        "url": "https://huggingface.co/h94/IP-Adapter/resolve/main/models/image_encoder/model.safetensors",
        "hash": "6ca9667da1ca9e0b0f75e46bb030f7e011f44f86cbfb8d5a36590fcd7507b030",
        "hash_type": "SHA256",
        "directory": "clip_vision",
    }
    unknown = describe_for_workflow(read_manifest()["checkpoint_sdxl"])
    assert unknown == {
        "name": "RealVisXL_V4.0.safetensors",
        "url": "https://huggingface.co/SG161222/RealVisXL_V4.0/resolve/main/RealVisXL_V4.0.safetensors",
        "directory": "checkpoints",
    }
    described = {model.id for model in MODELS if describe_for_workflow(model)}
    assert described == {model.id for model in MODELS if not model.is_folder}
