"""The 8-bit and 4-bit precisions: what stops them, and what transformers is asked for. Nothing is quantised here."""

import importlib
import json
import sys
import types

import pytest
import torch

from consistentid.caption.describe import check_captioner, load_captioner
from consistentid.caption.quantisation import PRECISIONS, estimate_size
from consistentid.errors import CheckpointError, ConsistentIDError, MissingPackageError

pytestmark = pytest.mark.parametrize("llava_folder", [None], indirect=True, ids=["plain"])
quantised = pytest.mark.parametrize("precision", PRECISIONS[1:])


@pytest.fixture
def packages(monkeypatch):
    """Empty modules in place of the packages, as far as the check before loading looks."""
    for name in ("bitsandbytes", "accelerate"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))


@pytest.fixture
def asked(monkeypatch):
    """The options transformers is asked to load the model with; it then fails for lack of memory."""
    import transformers

    seen = {}

    def from_pretrained(folder, **options):
        seen.update(options, folder=folder)
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(transformers.AutoModelForImageTextToText, "from_pretrained", from_pretrained)
    return seen


@quantised
def test_no_cuda_device(llava_folder, precision, packages):
    with pytest.raises(ConsistentIDError, match=rf"{precision} captioner needs a CUDA device.*'cpu'.*'full'"):
        load_captioner(llava_folder, precision=precision)


@quantised
@pytest.mark.parametrize("package", ["bitsandbytes", "accelerate"])
def test_missing_package(llava_folder, precision, package, packages, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=rf"{precision} captioner.*pip install {package}$"):
        check_captioner(llava_folder, precision, "cuda")


def test_a_package_that_breaks_at_import_is_named_too(llava_folder, packages, monkeypatch):
    real = importlib.import_module

    def import_module(name, *rest):
        if name == "bitsandbytes":
            raise RuntimeError("no CUDA library")
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", import_module)
    with pytest.raises(MissingPackageError, match="RuntimeError: no CUDA library"):
        check_captioner(llava_folder, "4-bit", "cuda")


@quantised
def test_what_transformers_is_asked_for(llava_folder, precision, packages, asked):
    with pytest.raises(torch.cuda.OutOfMemoryError):
        load_captioner(llava_folder, torch.bfloat16, precision, "cuda:1")
    config = asked["quantization_config"]
    assert (config.load_in_8bit, config.load_in_4bit) == (precision == "8-bit", precision == "4-bit")
    assert asked["device_map"] == {"": torch.device("cuda:1")} and asked["dtype"] == torch.bfloat16
    assert asked["local_files_only"] and asked["use_safetensors"] and not asked["trust_remote_code"]
    if precision == "4-bit":
        assert config.bnb_4bit_quant_type == "nf4" and config.bnb_4bit_compute_dtype == torch.bfloat16
        assert config.bnb_4bit_use_double_quant


def test_full_precision_asks_for_nothing_more(llava_folder, asked):
    with pytest.raises(torch.cuda.OutOfMemoryError):
        load_captioner(llava_folder, device="cuda")
    assert not {"quantization_config", "device_map"} & asked.keys()


def test_unknown_precision(llava_folder):
    with pytest.raises(ConsistentIDError, match=r"'2-bit'.*full, 8-bit, 4-bit"):
        load_captioner(llava_folder, precision="2-bit")


def test_quantised_weights_are_not_taken_for_full_ones(llava_folder, tmp_path, packages):
    config = json.loads((llava_folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"quantization_config": {"load_in_4bit": True}}))
    with pytest.raises(CheckpointError, match="quantised weights"):
        check_captioner(tmp_path)
    check_captioner(tmp_path, "4-bit", "cuda")


def test_size_of_packed_weights(llava_folder, tmp_path):
    """Two 4-bit weights are one byte; counted by their shapes they would be too few."""
    from safetensors.torch import save_file

    tensors = {"model.weight": torch.zeros(5000, 1, dtype=torch.uint8), "model.norm": torch.zeros(40)}
    for name in ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"):
        save_file(tensors, tmp_path / name)
    config = json.loads((llava_folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"quantization_config": {"load_in_4bit": True}}))
    for precision in PRECISIONS[1:]:
        assert 2 * (5000 + 160) < estimate_size(tmp_path, precision) < 2 * (5000 + 160) + 1000


def test_size(llava_folder):
    weights = sum(parameter.numel() for parameter in load_captioner(llava_folder).model.parameters())
    assert weights < estimate_size(llava_folder, "8-bit") < 2 * weights
    assert weights / 2 < estimate_size(llava_folder, "4-bit") < weights
