"""Several processes that write the same names: nothing is lost or half, and a killed one leaves nobody stuck."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from consistentid import whole_file
from consistentid.errors import ConsistentIDError
from consistentid.whole_file import claim_folder, create_files, replace_file

ROOT = Path(__file__).resolve().parents[2]
SAVES, BYTES = 40, 100_000
LOAD = f"""
import itertools, os, sys, time, types
from pathlib import Path
sys.modules["consistentid"] = types.ModuleType("consistentid")
sys.modules["consistentid"].__path__ = [{str(ROOT / "consistentid")!r}]
from consistentid.whole_file import claim_folder, create_files, replace_file
folder, mark = Path(sys.argv[1]), sys.argv[2]
def write(path):
    path.write_bytes(mark.encode() * {BYTES})
def names(stem):
    return [folder / f"{{stem}}.bin", folder / f"{{stem}}_sheet.bin"]
print("ready", flush=True)
sys.stdin.readline()
"""


def start(folder, mark, task):
    """A process that does the task when told to."""
    command = [sys.executable, "-c", LOAD + task, str(folder), mark]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def go(*processes):
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()


def list_files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read_names(writer):
    return writer.communicate(timeout=60)[0].replace(".bin ", ".bin\n").splitlines()


def assert_whole(content):
    assert len(content) == BYTES and len(set(content)) == 1


@pytest.mark.parametrize("links", [True, False])
def test_no_save_of_several_writers_is_lost(tmp_path, links):
    """Pairs of files, also where the disk knows no hard links; a pair is of one writer."""
    no_links = "" if links else "def refuse(*_): raise OSError(1, 'no links here')\nos.link = refuse\n"
    task = f"""{no_links}
for _ in range({SAVES}):
    paths = create_files((names("x") if n < 2 else names(f"x {{n}}") for n in itertools.count(1)), [write, write])
    print(*[path.name for path in paths], flush=True)
"""
    writers = [start(tmp_path, mark, task) for mark in "abcd"]
    go(*writers)
    told = [(mark, name) for mark, writer in zip("abcd", writers, strict=True) for name in read_names(writer)]
    files = list_files(tmp_path)
    assert len(told) == 2 * 4 * SAVES and {name for _, name in told} == files.keys()
    for mark, name in told:
        assert_whole(files[name])
        assert files[name][:1] == mark.encode()


def test_a_reader_sees_no_half_of_a_file_that_is_replaced(tmp_path):
    task = """
for _ in range(100):
    with replace_file(folder / "x.bin") as part:
        write(part)
"""
    writers = [start(tmp_path, mark, task) for mark in "abc"]
    go(*writers)
    seen = 0
    while any(writer.poll() is None for writer in writers):
        if (tmp_path / "x.bin").exists():
            assert_whole((tmp_path / "x.bin").read_bytes())
            seen += 1
    assert seen and all(writer.wait() == 0 for writer in writers)
    assert list_files(tmp_path).keys() == {"x.bin"}


@pytest.mark.skipif(os.name == "nt", reason="kill -9")
def test_a_killed_writer_leaves_no_half_file_and_takes_no_name(tmp_path):
    task = """
for n in itertools.count(1):
    create_files([names(f"x {n}")], [write, write])
    with replace_file(folder / "same.bin") as part:
        write(part)
"""
    for number in range(8):
        writer = start(tmp_path, "a", task)
        go(writer)
        time.sleep(0.01 + 0.015 * number)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        for path in list(tmp_path.iterdir()):
            if path.name.endswith(whole_file.PART):
                continue
            assert_whole(path.read_bytes())
            path.unlink()
    (path,) = create_files([[tmp_path / "same.bin"]], [lambda part: part.write_bytes(b"new")])
    assert path.read_bytes() == b"new"


def test_a_folder_is_of_one_run_at_a_time_and_free_when_it_dies(tmp_path):
    folder = tmp_path / "run"
    holder = start(folder, "a", "with claim_folder(folder):\n    print('held', flush=True)\n    time.sleep(60)\n")
    go(holder)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(ConsistentIDError, match="run is being written by another run"), claim_folder(folder):
        pass
    holder.kill()
    holder.communicate()
    with claim_folder(folder):
        pass


def test_a_set_is_taken_whole_or_not_at_all(tmp_path):
    (tmp_path / "b").write_text("mine")
    sets = [[tmp_path / "a", tmp_path / "b"], [tmp_path / "c", tmp_path / "d"]]
    writers = [lambda part, text=text: part.write_text(text) for text in ("first", "second")]
    assert create_files(sets, writers) == sets[1]
    assert list_files(tmp_path) == {"b": b"mine", "c": b"first", "d": b"second"}
    with pytest.raises(FileExistsError):
        create_files(sets, writers)
    assert list_files(tmp_path).keys() == {"b", "c", "d"}


def test_names_of_parts_are_by_chance_and_never_too_long(tmp_path):
    """Process numbers are the same in two containers."""
    path = tmp_path / ("ä" * 127)
    with replace_file(path) as one, replace_file(path) as other:
        assert one != other
        one.write_text("1")
        other.write_text("2")
    assert list_files(tmp_path).keys() == {path.name}


@pytest.mark.parametrize("stop", [OSError("disk full"), KeyboardInterrupt()])
def test_a_writer_that_fails_leaves_nothing(tmp_path, stop):
    def fail(part):
        part.write_bytes(b"half")
        raise stop

    with pytest.raises(type(stop)):
        create_files([[tmp_path / "a", tmp_path / "b"]], [lambda part: part.write_bytes(b"whole"), fail])
    with pytest.raises(type(stop)), replace_file(tmp_path / "a") as part:
        fail(part)
    assert not list(tmp_path.iterdir())
