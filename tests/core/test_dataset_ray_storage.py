"""Photos prepared by Ray on an S3 server, and onto a disk that becomes full: nothing is lost, the run goes on after."""

import shutil
import subprocess

import numpy as np
import pytest

pytest.importorskip("ray", reason='ray is not installed: pip install "ray[data]"')

from test_dataset_ray import expected, face_package, face_parser, photos, prepare, read_set  # noqa: F401

from consistentid.dataset.pack import pack_records
from consistentid.dataset.prepare import Preparation
from consistentid.dataset.ray_run import Task, Worker, prepare_on_ray
from consistentid.dataset.records import read_records
from consistentid.ray_session import Cluster, ray_session
from consistentid.storage import Storage, StorageError

pytestmark = pytest.mark.slow


def test_photos_and_set_on_a_server(bucket, photos, expected, face_package, face_parser, tmp_path, kill_worker):  # noqa: F811
    """The set of one machine, though a process is killed; then packed from the server to the server."""
    source, out = Storage(f"{bucket}/photos"), Storage(f"{bucket}/set")
    for path in photos.rglob("*.*"):
        source.write(path.relative_to(photos).as_posix(), path.read_bytes())
    words = source.place, out.place, face_package, face_parser, "--ray"
    task = Task(*words[:2], str(face_package), str(face_parser), "cpu", Preparation(128), fixed_captions=True)
    with ray_session(Cluster(workers=2)):  # whose processes know the server
        outcome = prepare_on_ray(task, Cluster(workers=2), lambda done, total: kill_worker())
        assert kill_worker.killed and (outcome.made, len(outcome.rejected), outcome.failed) == (8, 2, {})
        assert prepare(*words) == 0
        with pytest.raises(StorageError, match=r"s3://nowhere/set/preparation\.json cannot be written: there is no"):
            prepare(source.place, "s3://nowhere/set", face_package, face_parser, "--ray")
    made = {name: out.read(name) for name in out.list_sizes()}
    assert b"No face found" in made.pop("rejected.json")
    assert made == {name: content for name, content in read_set(expected).items() if name != "rejected.json"}
    pack_records(read_records(out.place), Storage(f"{bucket}/packed"), 3)
    pack_records(read_records(expected), Storage(str(tmp_path)), 3)
    assert Storage(f"{bucket}/packed").read("000001.tar") == (tmp_path / "000001.tar").read_bytes()


@pytest.fixture
def small_disk(tmp_path):
    """A function that mounts a file system of so many kB as a folder, or gives it another size."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def resize(size: int):
        how = "remount," if folder.is_mount() else ""
        command = ["mount", "-t", "tmpfs", "-o", f"{how}size={size}k", "tmpfs", folder]
        if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("no file system can be mounted here: it takes Linux and root")
        return folder

    yield resize
    if folder.is_mount():
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_becomes_full(small_disk, photos, expected, face_package, face_parser):  # noqa: F811
    """One process of Ray, called as Ray calls it: whole records and none of the others; they are made when there is
    room."""
    whole = read_set(expected)
    folder = small_disk(sum(map(len, whole.values())) // 2048 + 40)
    files = str(face_package), str(face_parser), "cpu", Preparation(128)
    worker = Worker(Task(str(photos), str(folder / "set"), *files, fixed_captions=True))
    names = [name.removesuffix(".json").removeprefix("all_JSON/") for name in whole if name.startswith("all_JSON/")]
    batch = {"photo": np.array(names), "captions": np.array([""] * len(names))}
    lines = worker(batch)
    made = {name for name, kind in zip(lines["photo"], lines["kind"], strict=True) if kind == "made"}
    assert 0 < len(made) < len(names) and set(lines["kind"]) == {"made", "failed"}
    reasons = [reason for reason in lines["reason"] if reason]
    assert all("No space left on device" in reason and str(folder) in reason for reason in reasons), reasons
    there = read_set(folder / "set")
    assert {name for name in there if name.startswith("all_JSON/")} == {f"all_JSON/{name}.json" for name in made}
    assert all(whole[name] == content for name, content in there.items() if "JSON" not in name)
    small_disk(64 * 1024)
    assert set(worker(batch)["kind"]) == {"made"}
    there = read_set(folder / "set")
    assert {name: there[name] for name in there if "JSON" not in name} == {
        name: content for name, content in whole.items() if name in there and "JSON" not in name
    }
