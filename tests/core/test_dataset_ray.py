"""Photos prepared by Ray: the set of one machine, byte for byte, also where a process is killed or a disk fails."""

import argparse
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from consistentid.dataset.command import add_command
from consistentid.dataset.pack import pack_records
from consistentid.dataset.prepare import Preparation
from consistentid.dataset.ray_run import Task, Worker, prepare_on_ray
from consistentid.dataset.records import DatasetError, read_records
from consistentid.errors import ConsistentIDError
from consistentid.ray_session import Cluster, RayError, ray_session
from consistentid.storage import Storage
from zoo import drawn_faces

ray = pytest.importorskip("ray", reason='ray is not installed: pip install "ray[data]"')
pytest.importorskip("ray.data", reason='ray.data is not installed: pip install "ray[data]"')


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def face_package(zoo_models):
    return zoo_models / "face"


@pytest.fixture(scope="module")
def face_parser(zoo_models):
    """As the other small models, for drawn people: fast."""
    return zoo_models / "face_parsing.safetensors"


@pytest.fixture(scope="module")
def cluster():
    with ray_session(Cluster(workers=2)):
        yield


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Eight people, of whom two have captions, and two photos of no use."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "more").mkdir()
    for number in range(8):
        who, where = drawn_faces.sample_person(number), drawn_faces.choose_scene(number, 4, 0)
        photo = drawn_faces.draw_portrait(who, where, 256).image
        Image.fromarray(photo).save(folder / f"{'more/' * (number % 2)}{number}.png")
    Image.new("RGB", (256, 256)).save(folder / "nobody.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    for name in ("0", "more/1"):
        (folder / f"{name}.txt").write_text("An astronaut.")
    (folder / "0_face.txt").write_text("Her face is friendly, her nose small.")
    return folder


@pytest.fixture(scope="module")
def expected(photos, face_package, face_parser, tmp_path_factory):
    """The set of one machine, without Ray."""
    out = tmp_path_factory.mktemp("threads") / "set"
    prepare(photos, out, face_package, face_parser)
    return out


def prepare(photos, out, package, parser, *words) -> int:
    main = argparse.ArgumentParser()
    add_command(main.add_subparsers())
    models = ["--face-package", package, "--face-parser", parser, "--fixed-captions", "--workers", 2, "--size", 128]
    arguments = main.parse_args(["dataset", "prepare", *map(str, (photos, out, *models, *words))])
    return arguments.run(arguments)


def read_set(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".consistentid.lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_set_is_that_of_one_machine(cluster, photos, expected, face_package, face_parser, tmp_path, capsys):
    """In a folder and at an address; what is there is left alone; shards of both are the same."""
    here, there = tmp_path / "here", tmp_path / "there"
    assert prepare(photos, here, face_package, face_parser, "--ray") == 0
    assert "Records made: 8; there before: 0." in capsys.readouterr().out
    assert prepare(photos.as_uri(), there.as_uri(), face_package, face_parser, "--ray") == 0
    assert read_set(here) == read_set(expected)
    made = read_set(there)
    reasons = made.pop("rejected.json")
    assert made == {name: content for name, content in read_set(expected).items() if name != "rejected.json"}
    assert b"broken.jpg cannot be read as a picture" in reasons and b"No face found" in reasons
    capsys.readouterr()
    shutil.rmtree(there / "all_JSON" / "more")
    assert prepare(photos.as_uri(), there.as_uri(), face_package, face_parser, "--ray") == 0
    assert "Records made: 4; there before: 4." in capsys.readouterr().out
    assert read_set(there) == made | {"rejected.json": reasons}
    remote = read_records(there.as_uri())
    assert [record.name for record in remote] == [record.name for record in read_records(expected)]
    for name, records in (("a", remote), ("b", read_records(expected))):
        pack_records(records, Storage(str(tmp_path / name)))
    assert (tmp_path / "a/000000.tar").read_bytes() == (tmp_path / "b/000000.tar").read_bytes()


def test_a_killed_process_loses_nothing(cluster, photos, expected, face_package, face_parser, tmp_path, kill_worker):
    counts = []

    def kill(done, total):
        counts.append((done, total))
        kill_worker()

    files = str(face_package), str(face_parser), "cpu"
    task = Task(str(photos), str(tmp_path / "set"), *files, Preparation(128))
    outcome = prepare_on_ray(task, Cluster(workers=2), kill)
    assert (
        kill_worker.killed
        and counts[-1] == (10, 10)
        and (outcome.made, len(outcome.rejected), outcome.failed) == (8, 2, {})
    )
    made, undisturbed = read_set(tmp_path / "set"), read_set(expected)
    pictures = {name for name in undisturbed if "JSON" not in name}
    assert {name: made[name] for name in pictures} == {name: undisturbed[name] for name in pictures}
    assert {name for name in made if "JSON" in name} == {name for name in undisturbed if name.startswith("all_JSON/")}


def test_a_photo_that_could_not_be_written_is_left_for_the_next_run(photos, face_package, face_parser, tmp_path):
    """As where a disk is full: it is not among the rejected. One process of Ray, called as Ray calls it."""
    (tmp_path / "set" / "resize_IMG").mkdir(parents=True)
    (tmp_path / "set" / "resize_IMG" / "more").touch()  # where a folder should be
    task = Task(str(photos), str(tmp_path / "set"), str(face_package), str(face_parser), "cpu", Preparation(128))
    batch = {"photo": np.array(["more/1.png", "0.png", "nobody.png", "gone.png"]), "captions": np.array([""] * 4)}
    lines = Worker(task)(batch)
    assert lines["kind"] == ["failed", "made", "rejected", "failed"]
    assert "resize_IMG/more" in lines["reason"][0] and "gone.png is not there" in lines["reason"][3]
    assert not (tmp_path / "set/all_JSON/more/1.png.json").exists()


def test_many_failures_end_the_run(cluster, photos, face_package, face_parser, tmp_path, monkeypatch):
    monkeypatch.setattr("consistentid.dataset.ray_run.GIVE_UP", 3)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "resize_IMG").touch()
    with pytest.raises(ConsistentIDError, match=r"photos failed one after another, the last with.*resize_IMG"):
        prepare(photos, tmp_path / "set", face_package, face_parser, "--ray")


def test_models_that_are_not_there_are_named(cluster, photos, face_package, tmp_path):
    with pytest.raises(RayError, match=r"gave up .*nowhere\.pth"):
        prepare(photos, tmp_path / "set", face_package, "nowhere.pth", "--ray")


def test_a_cluster_that_is_not_there_is_said_at_once(photos, tmp_path):
    start = time.monotonic()
    with pytest.raises(RayError, match=r"Ray cannot be reached at 127\.0\.0\.1:9 \(ConnectionRefusedError"):
        prepare(photos, tmp_path / "set", "x", "x", "--ray", "127.0.0.1:9")
    assert time.monotonic() - start < 10


def test_what_needs_ray(photos, tmp_path):
    with pytest.raises(ConsistentIDError, match="is an address, which only --ray reads and writes"):
        prepare(photos.as_uri(), tmp_path, "x", "x")
    with pytest.raises(ConsistentIDError, match="--captioner writes into a set on this machine"):
        prepare(photos, tmp_path.as_uri(), "x", "x", "--ray", "--captioner", "x")
    with pytest.raises(DatasetError, match="No photos in"):
        prepare("memory://nothing", tmp_path.as_uri(), "x", "x", "--ray")
