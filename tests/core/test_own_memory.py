"""No file stays mapped into memory behind what is loaded from it: writing over a mapped file ends the process."""

import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from consistentid.adapter.checkpoint import load_adapter
from consistentid.adapter.config import ZOO
from consistentid.caption.describe import load_captioner
from consistentid.face.parsing import load_face_parser
from consistentid.headless.clip_vision import load_clip_vision
from consistentid.headless.pipeline import load_pipeline
from consistentid.weights import own_memory, read_weights

needs_maps = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux which files are mapped")

LOADERS = {
    "adapter": ("consistentid_zoo.safetensors", load_adapter),
    "parser": ("face_parsing.safetensors", load_face_parser),
    "image encoder": ("image_encoder", lambda path: load_clip_vision(path, ZOO)),
    "base model": ("base", lambda path: load_pipeline(path, ZOO)),
}


def list_mapped(folder: Path) -> list[str]:
    return [line for line in Path("/proc/self/maps").read_text().splitlines() if str(folder) in line]


@needs_maps
@pytest.mark.parametrize(("name", "load"), LOADERS.values(), ids=LOADERS)
def test_a_file_may_be_written_over_while_it_is_in_use(name, load, zoo_models, tmp_path):
    source, copy = zoo_models / name, tmp_path / name
    shutil.copytree(source, copy) if source.is_dir() else shutil.copy(source, copy)
    loaded = load(copy)
    assert loaded is not None and not list_mapped(tmp_path)


@needs_maps
def test_so_may_a_captioner(llava_folder):
    loaded = load_captioner(llava_folder, torch.float32)
    assert loaded is not None and not list_mapped(llava_folder)


@needs_maps
def test_a_mapped_module_is_copied(tmp_path):
    from safetensors.torch import load_file

    save_file({"weight": torch.ones(2, 3), "bias": torch.zeros(2)}, tmp_path / "x.safetensors")
    module = torch.nn.Linear(3, 2, device="meta")
    module.load_state_dict(load_file(tmp_path / "x.safetensors"), assign=True)
    assert list_mapped(tmp_path)
    own_memory(module)
    assert not list_mapped(tmp_path) and module.weight.sum() == 6


@needs_maps
def test_reading_takes_no_more_memory_than_the_file_has(tmp_path):
    size = 256 << 20
    save_file({"a": torch.zeros(size // 4), "b": torch.zeros(size // 4)}, tmp_path / "x.safetensors")
    Path("/proc/self/clear_refs").write_text("5")
    before = _read_peak()
    tensors = read_weights(tmp_path / "x.safetensors")
    assert len(tensors) == 2 and _read_peak() - before < 2 * size * 1.1


def _read_peak() -> int:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10


def test_every_type_of_the_format_is_read(tmp_path):
    names = [name for name in ("float8_e4m3fn", "float8_e5m2", "float64", "bfloat16", "int8", "uint16", "bool")]
    tensors = {name: torch.ones(3, 2).to(getattr(torch, name)) for name in names} | {"none": torch.empty(0, 4)}
    tensors["one"] = torch.tensor(2.5)
    save_file(tensors, tmp_path / "x.safetensors")
    read = read_weights(tmp_path / "x.safetensors")
    for name, tensor in tensors.items():
        assert read[name].dtype == tensor.dtype and read[name].shape == tensor.shape
        assert torch.equal(read[name].float(), tensor.float())


def test_metadata_of_nothing(tmp_path):
    """As some writers say that there is none; the format's own library takes it."""
    header = b'{"__metadata__":null,"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}'
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\x01\x02")
    assert read_weights(path)["a"].tolist() == [1, 2]
