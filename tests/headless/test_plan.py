"""A plan of portraits: the pictures of single runs, models loaded once, failures of their own rows alone."""

import csv
import shutil

import numpy as np
import pytest
import torch
from headless_models import run_command
from PIL import Image

from consistentid.errors import ConsistentIDError
from consistentid.face.photo import open_photo
from consistentid.headless import kept_people, plan_run, studio
from consistentid.headless.model_choice import find_files
from consistentid.headless.person import load_photo_models, prepare_adapter, read_identity
from consistentid.headless.plan import read_rows
from consistentid.headless.portrait_settings import PortraitSettings
from consistentid.identity.file import load_identity, save_identity
from zoo import drawn_faces


@pytest.fixture(scope="module")
def options():
    """With the small models, which load fast."""
    return ["--base", "zoo", "--steps", 3]


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Two people and a picture of nobody."""
    folder = tmp_path_factory.mktemp("people")
    who, where = (drawn_faces.sample_person(8, held_out=True), drawn_faces.choose_scene(8, 4, 0, held_out=True))
    Image.fromarray(drawn_faces.draw_portrait(who, where, 256).image).save(folder / "ada.png")
    Image.new("RGB", (256, 256)).save(folder / "nobody.png")
    settings = find_files(PortraitSettings(base="zoo", face="x", device="cpu"))
    adapter, settings = prepare_adapter(settings)
    photo = open_photo(folder / "ada.png")[:, ::-1].copy()
    identity, _ = read_identity(photo, settings, adapter, load_photo_models(settings, adapter))
    save_identity(identity, folder / "ben.safetensors")
    return folder


@pytest.fixture
def folder(people, tmp_path):
    shutil.copytree(people, tmp_path / "plan")
    return tmp_path / "plan"


def write_plan(folder, text):
    (folder / "people.csv").write_text(text, encoding="utf-8")
    return folder / "people.csv"


def read_pixels(path):
    return np.asarray(Image.open(path)).astype(int)


def read_table(out):
    with (out / "portraits.csv").open(encoding="utf-8") as file:
        return {int(row["line"]): (row["picture"], row["problem"]) for row in csv.DictReader(file)}


PLAN = """name,photo,identity,prompt,seed,change
first,ada.png,,a man in a hat,5,
aged,ada.png,,a woman,6,age=old; eyes=blue
gone,missing.png,,a man,1,
,nobody.png,,a man,1,
wrong,ada.png,,a man,x,
ben,,ben.safetensors,a man,7,
"""


@pytest.fixture(scope="module")
def singles(people, options, tmp_path_factory):
    """Rows of PLAN, drawn one by one by the command."""
    words = {
        "first": ["--face", people / "ada.png", "--prompt", "a man in a hat", "--seed", 5],
        "aged": ["--face", people / "ada.png", "--prompt", "a woman", "--seed", 6],
        "ben": ["--identity", people / "ben.safetensors", "--prompt", "a man", "--seed", 7],
    }
    words["aged"] += ["--change", "age=old", "--change", "eyes=blue"]
    out = tmp_path_factory.mktemp("singles")
    for name, own in words.items():
        run_command("--out", out / f"{name}.png", *own, *options)
    return {name: read_pixels(out / f"{name}.png") for name in words}


@pytest.mark.parametrize("at_once", [1, 4])
def test_a_plan_draws_what_single_runs_draw(folder, options, singles, at_once, capsys, monkeypatch):
    """Bit by bit one at a time, else but for rounding; each model is loaded once, each photo read once."""
    loads = []
    for module, name in ((kept_people, "load_photo_models"), (studio, "prepare_pipeline")):
        load = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given, name=name, load=load: (loads.append(name), load(*given))[1])
    plan, out = write_plan(folder, PLAN), folder / "out"
    assert run_command("--plan", plan, "--out", out, "--at-once", at_once, *options) == 1
    said = capsys.readouterr().out
    assert "Pictures drawn: 3" in said and "Rows without a picture: 3." in said
    assert loads == ["load_photo_models", "prepare_pipeline"]
    table = read_table(out)
    assert [table[line][0] for line in (2, 3, 7)] == ["first.png", "aged.png", "ben.png"]
    assert "missing.png" in table[4][1] and "No face found" in table[5][1] and "The seed is 'x'" in table[6][1]
    for name, single in singles.items():
        difference = np.abs(single - read_pixels(out / f"{name}.png")).max()
        assert difference <= (at_once > 1), f"{name}: {difference}"
    if at_once > 1:
        run_command("--from-png", out / "first.png", "--out", folder / "again.png")
        assert np.array_equal(read_pixels(folder / "again.png"), singles["first"])


def test_a_plan_goes_on(folder, options, capsys, monkeypatch):
    """Pictures and people that are there are kept: nothing reads a photo twice, and chance is no difference."""
    plan, out = write_plan(folder, "photo,prompt\nada.png,one\nada.png,two\nada.png,one\n"), folder / "out"
    run_command("--plan", plan, "--out", out, *options)
    assert "line 2" in read_table(out)[4][1], "a row twice"
    first, second = (out / read_table(out)[line][0] for line in (2, 3))
    stamps = [path.stat().st_mtime_ns for path in (first, second)]
    (kept,) = (out / "identities").iterdir()
    assert kept.name.startswith("ada_") and "face" in load_identity(kept).describe()
    second.unlink()
    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(kept_people, "load_photo_models", None)
        run_command("--plan", plan, "--out", out, *options)
    assert "Pictures drawn: 1" in capsys.readouterr().out
    assert first.stat().st_mtime_ns == stamps[0] and second.stat().st_mtime_ns > stamps[1]
    kept.write_bytes(kept.read_bytes()[:1000])  # a disk that lost some of it
    second.unlink()
    run_command("--plan", plan, "--out", out, *options)
    assert second.exists() and load_identity(kept)
    monkeypatch.setattr(plan_run, "_draw_rows", None)
    run_command("--plan", plan, "--out", out, *options)
    assert "Pictures drawn: 0; there before: 2." in capsys.readouterr().out


def test_what_was_drawn_otherwise_stays(folder, options, capsys):
    plan, out = write_plan(folder, "name,identity,prompt,seed\nben,ben.safetensors,a man,1\n"), folder / "out"
    run_command("--plan", plan, "--out", out, *options)
    before = read_pixels(out / "ben.png")
    assert run_command("--plan", plan, "--out", out, *options, "--negative", "hat") == 1
    assert "ben.png is there already and was drawn otherwise" in read_table(out)[2][1]
    assert np.array_equal(read_pixels(out / "ben.png"), before)
    assert run_command("--plan", plan, "--out", out, *options, "--negative", "hat", "--overwrite") == 0
    assert not np.array_equal(read_pixels(out / "ben.png"), before)
    plan = write_plan(folder, "name,photo,prompt\nada,ada.png,a man\n")
    assert run_command("--plan", plan, "--out", folder, *options, "--overwrite") == 1
    assert "written over a file that this plan reads" in read_table(folder)[2][1]


def test_a_row_is_batch_pictures_and_a_full_gpu_draws_fewer(folder, options, monkeypatch):
    rows = "".join(f"r{number},ben.safetensors,a man,{number}0\n" for number in range(3))
    plan = write_plan(folder, f"name,identity,prompt,seed\n{rows}")
    sizes, draw = [], studio.sample

    def sample(pipeline, told, sampling, installed):
        sizes.append(len(sampling.seeds))
        if len(sampling.seeds) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return draw(pipeline, told, sampling, installed)

    monkeypatch.setattr(studio, "sample", sample)
    words = ["--out", folder / "out", *options, "--batch", 2]
    assert run_command("--plan", plan, "--at-once", 6, *words) == 0
    assert sizes == [6, 2, 4, 2, 2]
    names = {path.name for path in (folder / "out").glob("*.png")}
    assert names == {f"r{number}{more}.png" for number in range(3) for more in ("", "_2")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("photo,promt\na.png,x\n", "has the columns promt, which are none"),
        ("photo,prompt\n", "has no row"),
        ("photo,prompt\na.png,x,y\n", "line 2: more cells than columns"),
        ("photo,prompt\na.png,\ufeff\xff\n".encode("latin-1", "replace"), "cannot be read"),
    ],
)
def test_what_is_no_plan(text, message, tmp_path):
    plan = tmp_path / "people.csv"
    plan.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConsistentIDError, match=message):
        run_command("--plan", plan, "--out", tmp_path / "out")


def test_rows_that_cannot_be(folder, files):
    text = (
        "name,photo,identity,prompt\na,,,x\nb,ada.png,ben.safetensors,x\nc/d,ada.png,,x\ne,ada.png,,x\nE,ada.png,,x\n"
    )
    common = PortraitSettings(**{name: str(path) for name, path in files.items()})
    rows, _ = read_rows(write_plan(folder, text), common)
    problems = [row.problem for row in rows]
    assert "Name one of --face PHOTO and --identity" in problems[0] and "Name one of" in problems[1]
    assert "'c/d' is not a usable file name" in problems[2] and not problems[3]
    assert problems[4] == "It asks for the same picture, E.png, as line 5."
    rows, _ = read_rows(
        write_plan(folder, "prompt\nx\n"), PortraitSettings(**common.__dict__ | {"face": str(folder / "ada.png")})
    )
    assert not rows[0].problem and rows[0].settings.face.endswith("ada.png"), "one person, many prompts"


def test_options_that_do_not_go_with_a_plan(folder):
    plan = write_plan(folder, "photo,prompt\nada.png,x\n")
    for words in (["--attention", "x.png"], ["--person", "a.png=left"], ["--at-once", 0]):
        with pytest.raises(ConsistentIDError, match="--plan draws one person in each row"):
            run_command("--plan", plan, *words)
