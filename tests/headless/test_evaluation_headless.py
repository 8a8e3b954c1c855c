"""The headless engine of evaluations draws what `portrait` draws, and loads its models once."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from golden_data.face2diffusion import write_package
from PIL import Image

from consistentid.evaluation import headless
from consistentid.evaluation.engine import DrawingError
from consistentid.evaluation.gallery import Gallery
from consistentid.headless import person
from consistentid.headless.portrait import draw_portrait
from consistentid.headless.portrait_settings import PortraitSettings


@pytest.fixture
def settings(files):
    paths = {name: str(path) for name, path in files.items()}
    return PortraitSettings(**paths, negative="blurry", steps=3, width=64, height=96, weight=0.7, merge_at=0.4)


def test_an_engine_draws_what_portrait_draws(settings, photo, tmp_path, monkeypatch):
    settings = replace(settings, change=("age=old",))  # which weighs and schedules the ID tokens
    engine, loads = headless.Headless(settings, photo), []
    named = {"load_adapter": "adapter", "load_clip_vision": "clip_vision", "load_face_parser": "face_parser"}
    named |= {"load_face_analysis": "face_package"}
    for name in named:
        load = getattr(person, name)
        monkeypatch.setattr(person, name, lambda path, *more, load=load: (loads.append(path), load(path, *more))[1])
    other = engine.draw(photo, "a man in a hat", 6)
    Image.new("RGB", (256, 256)).save(tmp_path / "nobody.png")
    with pytest.raises(DrawingError, match="No face found"):
        engine.draw(tmp_path / "nobody.png", "a woman", 1)
    drawing = engine.draw(photo, "a photo of a woman", 5)
    shutil.copy(photo, tmp_path / "somebody.png")
    engine.draw(tmp_path / "somebody.png", "a man", 1)
    assert sorted(loads) == sorted(getattr(settings, part) for part in named.values()), "once for three people"
    expected = draw_portrait(replace(settings, face=str(photo), prompt="a photo of a woman", seed=5)).images[0]
    assert np.array_equal(np.asarray(drawing.image), np.asarray(expected)), "whatever was drawn before"
    assert not np.array_equal(np.asarray(drawing.image), np.asarray(other.image))
    assert drawing.seconds > 0


def test_the_time_is_without_loading(settings, photo, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(headless.time, "perf_counter", lambda: now[0])

    def take(module, name, seconds):
        made = getattr(module, name)

        def call(*args, **options):
            now[0] += seconds
            return made(*args, **options)

        monkeypatch.setattr(module, name, call)

    for name in ("load_adapter", "load_clip_vision", "load_face_parser", "load_face_analysis"):
        take(person, name, 100)
    take(headless, "prepare_pipeline", 100)
    take(headless, "read_identity", 10)
    take(headless, "sample", 1)
    engine = headless.Headless(settings, photo)
    assert [engine.draw(photo, "a man", seed).seconds for seed in (1, 2)] == [11, 1]
    assert now == [512]


def test_the_record_tells_files_by_content(settings, photo, files, tmp_path):
    record = headless.Headless(settings, photo).describe()
    moved = tmp_path / "other.bin"
    shutil.copy(files["adapter"], moved)
    same = headless.Headless(replace(settings, adapter=str(moved)), photo).describe()
    assert record["settings"]["adapter"].pop("file") != same["settings"]["adapter"].pop("file")
    assert record == same, "the same file elsewhere is the same"
    assert "hair" not in record["settings"], "as in galleries of earlier versions"
    assert headless.Headless(replace(settings, hair=True), photo).describe()["settings"]["hair"] is True
    for _ in range(2):  # and goes on
        Gallery(tmp_path / "drawn").claim(headless.Headless(replace(settings, change=("age=old",)), photo).describe())
    assert record["settings"]["steps"] == 3 and "seed" not in record["settings"] and "face" not in record["settings"]


def test_a_word_alone_draws_what_portrait_draws(files, photo, tmp_path):
    """Face2Diffusion, without the files of ConsistentID."""
    write_package(tmp_path / "f2d")
    paths = {name: str(files[name]) for name in ("checkpoint", "face_package")}
    words = {"word": "anna", "consistentid": False, "face2diffusion": str(tmp_path / "f2d")}
    settings = PortraitSettings(**paths, **words, steps=2, width=64, height=64)
    engine = headless.Headless(settings, photo)
    engine.draw(photo, "Anna in a hat", 6)
    drawing = np.asarray(engine.draw(photo, "a photo of Anna", 5).image)
    expected = draw_portrait(replace(settings, face=str(photo), prompt="a photo of Anna", seed=5)).images[0]
    assert np.array_equal(drawing, np.asarray(expected))
    (person_known,) = engine._people.values()
    assert person_known[0] is None and "anna" in person_known[1]


def test_a_word_is_in_the_prompts_of_the_plan(settings, photo, tmp_path):
    (tmp_path / "run.json").write_text('{"word": "anna"}')
    assert headless.read_run_settings(tmp_path / "run.json").word == "anna"
    named = replace(settings, word="anna", face2diffusion=str(tmp_path))
    engine = headless.Headless(named, photo)
    engine._loaded = headless.Loaded(None, None, None, None, None, None, engine.settings)
    with pytest.raises(DrawingError, match="does not hold 'anna'"):
        engine.draw(photo, "a photo of a woman", 1)


def test_a_plans_captions_and_both_of_a_pair_act(settings, photo):
    """As `portrait` draws them; a photo without a caption has that of the settings."""

    def draw(changed: PortraitSettings, captions=None):
        return np.asarray(headless.Headless(changed, photo, captions).draw(photo, "a woman", 5).image)

    def draw_alone(**changes):
        chosen = replace(settings, face=str(photo), prompt="a woman", seed=5, **changes)
        return np.asarray(draw_portrait(chosen).images[0])

    plain, words = draw_alone(), "narrow face, brown eyes"
    assert np.array_equal(draw(settings, {photo: words}), draw_alone(caption=words))
    assert not np.array_equal(draw_alone(caption=words), plain)
    assert np.array_equal(draw(settings), plain)
    assert np.array_equal(draw(replace(settings, pairs="both")), draw_alone(pairs="both"))
    described = headless.Headless(settings, photo, {photo: words}).describe()
    assert list(described["captions"].values()) == [words]
    assert "captions" not in headless.Headless(settings, photo).describe()
