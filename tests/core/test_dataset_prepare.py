"""Photos as people bring them -> a training set: what is kept, what is rejected and why, and going on after a stop."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

sys.path.append(str(Path(__file__).parent))

from photo_set import FACE_BOX, make_photo

import consistentid.dataset.run as run
from consistentid.dataset.check import CELL_PX, draw_record
from consistentid.dataset.command import add_command
from consistentid.dataset.prepare import (
    FaceModels,
    Preparation,
    PreparedPhoto,
    choose_square,
    count_people,
    prepare_photo,
)
from consistentid.dataset.records import DatasetError, read_records
from consistentid.errors import FaceNotFoundError, MissingPackageError
from consistentid.face.package import load_face_analysis
from consistentid.face.search import detect_faces


@pytest.fixture(scope="module")
def face_parser(tmp_path_factory, face_package):
    import standins  # its folder is on sys.path once the package was written

    path = tmp_path_factory.mktemp("parser") / "face_parsing.pth"
    standins.write_face_parser(path)
    return path


@pytest.fixture(scope="module")
def models(analysis, face_parser):
    from consistentid.face.parsing import load_face_parser

    return FaceModels(analysis, load_face_parser(face_parser))


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for name in ("portrait", "nobody", "twice"):
        Image.fromarray(make_photo(name)).save(folder / f"{name}.png")
    Image.fromarray(np.pad(make_photo("portrait"), ((0, 0), (0, 200), (0, 0)))).save(
        folder / "more/wide.jpg", quality=95
    )
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "portrait.txt").write_text("An astronaut.")
    (folder / "portrait_face.txt").write_text("Her face is friendly, her nose small.")
    return folder


def test_a_prepared_photo_is_square_and_its_labels_lie_on_the_face(models):
    photo = np.pad(make_photo("portrait"), ((0, 0), (0, 200), (0, 0)))
    prepared = prepare_photo(photo, models, Preparation())
    assert prepared.image.shape == (512, 512, 3) and prepared.labels.shape == (512, 512)
    assert np.array_equal(prepared.image, photo[:, :512])
    x0, y0, x1, y1 = FACE_BOX
    assert (prepared.labels[y0 + 20 : y1 - 20, x0 + 20 : x1 - 20] > 0).mean() > 0.95
    rows, columns = np.nonzero(prepared.labels == 10)
    assert x0 < np.median(columns) < x1 and y0 < np.median(rows) < y1
    assert (prepared.labels[300:, 100:300] == 16).mean() > 0.8, "the person mask needs the clothes"
    (face,) = detect_faces(models.analysis, photo)
    assert np.array_equal(prepared.embedding, face.id_embedding)
    (other,) = detect_faces(models.analysis, photo, channel_order="RGB")
    assert not np.allclose(prepared.embedding, other.id_embedding), "BGR, as in the published data"


@pytest.mark.parametrize(
    ("shape", "box", "wanted", "square"),
    [
        ((800, 600), (250, 300, 350, 420), Preparation(), (0, 60, 600, 660)),
        ((600, 800), (650, 200, 770, 350), Preparation(), (200, 0, 800, 600)),
        ((2000, 2000), (900, 900, 1000, 1000), Preparation(), (700, 700, 1200, 1200)),
        ((2000, 2000), (900, 900, 1000, 1000), Preparation(face_share=0.1), (450, 450, 1450, 1450)),
    ],
)
def test_the_square_is_as_large_as_it_goes(shape, box, wanted, square):
    assert choose_square(np.zeros((*shape, 3), dtype=np.uint8), np.array(box, dtype=float), wanted) == square


@pytest.mark.parametrize(
    ("wanted", "name", "message"),
    [
        (Preparation(), "nobody", "No face found .512x512|No face found .600x400"),
        (Preparation(), "twice", "2 faces, without small or blurred ones; at most 1"),
        (Preparation(quality=0.99), "portrait", r"Quality 0\.\d+ .* below 0.99"),
        (
            Preparation(size_px=1200),
            "portrait",
            r"photo is too small \(512x512\).* to 1200 px. Use one of at least 600 px",
        ),
        (Preparation(size_px=1024, face_share=0.5), "far away", "face has 118 px, so only a square of 23. px would be"),
    ],
)
def test_what_is_rejected(models, wanted, name, message):
    with pytest.raises(FaceNotFoundError, match=message):
        prepare_photo(make_photo(name), models, wanted)


def test_passers_by_are_not_people(models):
    """Behind her in focus she is counted; half as wide, or blurred, she is not, and her labels go too."""
    photo = make_photo("portrait")
    beside = Image.fromarray(photo)
    people = {
        "in focus": beside,
        "small": ImageOps.pad(beside.resize((200, 200)), (512, 512)),
        "blurred": beside.filter(ImageFilter.GaussianBlur(3)),
    }
    for name, other in people.items():
        two = np.hstack([photo, np.asarray(other)])
        faces = detect_faces(models.analysis, two)
        chosen = max(faces, key=lambda face: face.sharpness * face.area)
        assert count_people([chosen], chosen) == 1
        assert (len(faces), count_people(faces, chosen)) == (2, 2 if name == "in focus" else 1), name


@pytest.mark.parametrize("wrong", [{"face_share": 0.0}, {"face_share": 1.5}, {"size_px": 0}, {"people": 0}])
def test_wishes_that_make_no_sense(wrong):
    with pytest.raises(DatasetError, match="must be above 0"):
        Preparation(**wrong)


def test_every_photo_has_a_record_of_its_own(tmp_path, monkeypatch):
    """Of one stem, and of a stem that looks like another's name; and captions nobody can read reject one photo."""
    names = ["a.jpg", "a.png", "a_jpg.png", "sub/Zoë.png"]
    for level, name in enumerate(names, 1):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (50 * level,) * 3).save(tmp_path / "photos" / name)
    Image.new("RGB", (32, 32)).save(tmp_path / "photos/odd.png")
    (tmp_path / "photos/odd.txt").write_bytes("Zoë".encode("latin-1"))
    labels, embedding = np.ones((32, 32), np.uint8), np.eye(512)[0]
    monkeypatch.setattr(run, "prepare_photo", lambda photo, *_: PreparedPhoto(photo, labels, embedding))
    outcome = run.prepare_folder(tmp_path / "photos", tmp_path / "set", None, Preparation(), workers=3)
    assert outcome.made == 4 and outcome.rejected.keys() == {"odd.png"}
    levels = {record.name: record.read_image()[0, 0, 0] for record in read_records(tmp_path / "set")}
    assert levels.keys() == set(names)
    assert all(abs(int(levels[name]) - 50 * level) < 3 for level, name in enumerate(names, 1))


def test_a_stopped_run_goes_on(models, photos, tmp_path, monkeypatch):
    out, read = tmp_path / "set", []
    monkeypatch.setattr(run, "BUNDLE", 1)
    monkeypatch.setattr(
        run, "open_photo", lambda path, open_photo=run.open_photo: read.append(path) or open_photo(path)
    )

    def stop(done, total):
        assert total == 5
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.prepare_folder(photos, out, models, Preparation(), watch=stop)
    assert len(read) == 3
    outcome = run.prepare_folder(photos, out, models, Preparation(), workers=3)
    assert len(read) == 5 and outcome.made + outcome.kept == 2 and outcome.kept >= 1
    assert outcome.rejected.keys() == {"broken.jpg", "nobody.png", "twice.png"}
    assert json.loads((out / "rejected.json").read_text()) == outcome.rejected
    again = run.prepare_folder(photos, out, models, Preparation())
    assert (again.made, again.kept, len(read)) == (0, 2, 5) and again.rejected == outcome.rejected
    with pytest.raises(DatasetError, match=r"size_px was 512, now 256"):
        run.prepare_folder(photos, out, models, Preparation(size_px=256))
    assert not list(out.rglob("*.part"))


def command(*words) -> int:
    parser = argparse.ArgumentParser()
    add_command(parser.add_subparsers())
    arguments = parser.parse_args(["dataset", *map(str, words)])
    return arguments.run(arguments)


def test_the_command(photos, tmp_path, face_package, face_parser, capsys):
    out = tmp_path / "set"
    words = ("prepare", photos, out, "--face-package", face_package, "--face-parser", face_parser)
    assert command(*words) == 1
    printed = capsys.readouterr()
    assert "Records made: 2; there before: 0." in printed.out and "twice.png: 2 faces" in printed.out
    assert f"Complete records in {out}: 1." in printed.out and "Without a caption: 1." in printed.err
    assert command("check", out) == 1 and "more/wide.jpg: It lacks a caption" in capsys.readouterr().out
    assert command(*words, "--fixed-captions") == 0 and command("check", out) == 0
    assert "nose: seen in 2, named too in 2" in capsys.readouterr().out
    wide, portrait = read_records(out / "JSON_all.json")
    assert portrait.facial_caption.startswith("Her face is friendly") and wide.caption == "A photo of a person."
    (face,) = detect_faces(load_face_analysis(face_package, "CPU"), make_photo("portrait"))
    assert np.array_equal(portrait.read_embedding().numpy(), face.id_embedding)
    assert command("show", out, "--out", tmp_path / "sheet.png", "--names", "portrait.png") == 0
    assert Image.open(tmp_path / "sheet.png").width == len(draw_record(portrait)) * (CELL_PX + 8) + 8
    capsys.readouterr()
    assert command("show", out, "--out", tmp_path / "sheet.png", "--names", "more") == 0
    assert capsys.readouterr().out.startswith("more/wide.jpg: "), "a folder of records"
    with pytest.raises(DatasetError, match="No record nobody"):
        command("show", out, "--names", "nobody")


def test_ray_that_is_not_installed_is_said(photos, tmp_path, face_parser, face_package, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    words = ["--face-package", face_package, "--face-parser", face_parser, "--ray"]
    with pytest.raises(MissingPackageError, match=r"--ray needs the Python package 'ray\[data\]'"):
        command("prepare", photos, tmp_path / "set", *words)
