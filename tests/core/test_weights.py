"""Weight files that are damaged, hostile or not what their name says."""

import os
import pickle
import random
import re
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from consistentid.errors import CheckpointError
from consistentid.weights import load_strictly, read_metadata, read_weights

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.float16)}


@pytest.fixture
def zipped(tmp_path):
    torch.save(TENSORS, tmp_path / "weights.bin")
    return tmp_path / "weights.bin"


@pytest.fixture
def legacy(tmp_path):
    torch.save(TENSORS, tmp_path / "weights.pth", _use_new_zipfile_serialization=False)
    return tmp_path / "weights.pth"


@pytest.fixture
def safetensors(tmp_path):
    save_file(TENSORS, tmp_path / "weights.safetensors", metadata={"format": "pt", "note": "ü\n"})
    return tmp_path / "weights.safetensors"


def assert_same(found: dict):
    assert found.keys() == TENSORS.keys()
    assert all(torch.equal(found[key], TENSORS[key]) and found[key].dtype == TENSORS[key].dtype for key in TENSORS)


@pytest.mark.parametrize("container", ["zipped", "legacy", "safetensors"])
@pytest.mark.parametrize("name", [None, "renamed.bin", "renamed.safetensors", "renamed", "ü x.ckpt"])
def test_content_counts_and_not_the_name(container, name, request, tmp_path):
    path = request.getfixturevalue(container)
    assert_same(read_weights(path.rename(tmp_path / name) if name else path))
    if not name:
        assert_same(read_weights(str(path)))


def assert_refused(path, advice: str, reader=read_weights):
    with pytest.raises(CheckpointError) as caught:
        reader(path)
    message = str(caught.value)
    assert path.name in message, "the file is named"
    assert re.search(advice, message, re.IGNORECASE), message


FOREIGN = {
    "empty": (b"", "empty.*download"),
    "web page": (b"\n<!DOCTYPE html><html><head><title>Sign in</title>", "web page"),
    "web page without doctype": (b"<html>", "web page"),
    "json": (b'{"error":"Access denied"}', "web page or an error message"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 368066048\n", "LFS.*git lfs pull"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a weights file.*PNG.*download"),
    "zeros": (bytes(1000), "not a weights file.*download"),
    "short": (b"\x05", "not a weights file.*download"),
    "zip magic only": (b"PK", "download it again"),
    "pickle magic only": (b"\x80\x02", "download it again"),
}


@pytest.mark.parametrize(("content", "advice"), FOREIGN.values(), ids=FOREIGN)
def test_foreign_files(content, advice, tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    assert_refused(path, advice)


def test_missing_file_and_folder(tmp_path):
    assert_refused(tmp_path / "absent.bin", "not found")
    assert_refused(tmp_path, "not found")


def test_zip_of_something_else(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.bin", "w") as file:
        file.writestr("readme.txt", "hello")
    assert_refused(tmp_path / "model.bin", "download it again")


@pytest.mark.parametrize("container", ["zipped", "legacy", "safetensors"])
def test_truncated_anywhere(container, request):
    path = request.getfixturevalue(container)
    content = path.read_bytes()
    for length in {1, 2, 5, 8, 9, 60, *random.Random(0).sample(range(len(content)), 60), len(content) - 1}:
        path.write_bytes(content[:length])
        assert_refused(path, "download")


@pytest.mark.parametrize("container", ["zipped", "legacy", "safetensors"])
def test_damaged_anywhere_is_an_error_of_ours_or_harmless(container, request):
    path, rng = request.getfixturevalue(container), random.Random(1)
    content = path.read_bytes()
    for _ in range(250):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            assert isinstance(read_weights(path), dict)
        except CheckpointError as error:
            assert path.name in str(error)


class Malice:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("container", ["zip", "legacy", "plain pickle", "protocol 4"])
def test_code_in_a_pickle_is_not_run(container, tmp_path):
    path, trap = tmp_path / "model.bin", tmp_path / "trap"
    content = {"FacialEncoder": TENSORS, "extra": Malice(trap)}
    if container in ("zip", "legacy"):
        torch.save(content, path, _use_new_zipfile_serialization=container == "zip")
    else:
        path.write_bytes(pickle.dumps(content, protocol=2 if container == "plain pickle" else 4))
    assert_refused(path, "Python code instead of plain tensors.*Download it again")
    assert not trap.exists()
    Malice(trap).__reduce__()[0](str(trap))
    assert trap.exists(), "the trap works where it is run"


def test_content_that_is_no_dictionary(tmp_path):
    torch.save([torch.ones(1)], tmp_path / "list.bin")
    assert_refused(tmp_path / "list.bin", "holds a list, not a dictionary")
    np.savez(tmp_path / "arrays.npz", a=np.ones(3))  # a zip too
    assert_refused(tmp_path / "arrays.npz", "download it again")


def test_metadata(safetensors, zipped, tmp_path):
    assert read_metadata(safetensors) == {"format": "pt", "note": "ü\n"}
    save_file(TENSORS, tmp_path / "plain.safetensors")
    assert read_metadata(tmp_path / "plain.safetensors") == {}
    assert_refused(zipped, "not a safetensors file", read_metadata)
    safetensors.write_bytes(safetensors.read_bytes()[:40])
    assert_refused(safetensors, "truncated or damaged", read_metadata)


def make_linear() -> nn.Linear:
    with torch.device("meta"):
        return nn.Linear(3, 2)


def test_strict_load_keeps_dtype_and_freezes():
    state = {"weight": torch.rand(2, 3, dtype=torch.float16), "bias": torch.rand(2, dtype=torch.float16)}
    module = make_linear().train()
    load_strictly(module, state, "file.bin")
    assert torch.equal(module.weight, state["weight"]) and module.weight.dtype == torch.float16
    assert not module.training and not any(p.requires_grad for p in module.parameters())


def test_strict_load_names_what_does_not_fit():
    with pytest.raises(CheckpointError) as caught:
        load_strictly(make_linear(), {"weight": torch.rand(2, 4), "scale": torch.rand(1)}, "file.bin")
    message = str(caught.value)
    for part in ("file.bin", "Linear", "1 missing (bias)", "1 unexpected (scale)", "weight: [2, 4] instead of [2, 3]"):
        assert part in message
    with pytest.raises(CheckpointError, match=r"12 unexpected \(k0, k1, k2, k3, k4, \.\.\.\)"):
        load_strictly(nn.Identity(), {f"k{i}": torch.ones(1) for i in range(12)}, "file.bin")


CRAFTED = {
    "number": ({"weight": 3, "bias": torch.rand(2)}, "1 that are no tensors (weight: int)"),
    "dictionary": ({"weight": {"shape": (2, 3)}, "bias": torch.rand(2)}, "no tensors (weight: dict)"),
    "nothing": ({"weight": None, "bias": torch.rand(2)}, "no tensors (weight: NoneType)"),
    "key": ({"weight": torch.rand(2, 3), "bias": torch.rand(2), 7: torch.rand(1)}, "1 unexpected (7)"),
    "integers": ({"weight": torch.ones(2, 3, dtype=torch.int8), "bias": torch.rand(2)}, "type (weight: torch.int8)"),
    "complex": ({"weight": torch.rand(2, 3) * 1j, "bias": torch.rand(2)}, "type (weight: torch.complex64)"),
}


@pytest.mark.parametrize(("state", "found"), CRAFTED.values(), ids=CRAFTED)
def test_strict_load_says_what_is_no_tensor(state, found):
    module = make_linear()
    with pytest.raises(CheckpointError) as caught:
        load_strictly(module, state, "file.bin")
    assert "file.bin" in str(caught.value) and found in str(caught.value) and "download it again" in str(caught.value)
    assert module.weight.is_meta, "nothing was loaded"


def test_nameless_content_is_refused(tmp_path):
    torch.save({3: torch.ones(1)}, tmp_path / "model.bin")
    assert_refused(tmp_path / "model.bin", "has 3 where the name of a tensor should be.*download")
