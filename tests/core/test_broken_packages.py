"""A package that is there and fails is told from one that is missing, with what failed, why, and what helps."""

import importlib
import subprocess
import sys
import types
from pathlib import Path

import pytest

from consistentid.errors import MissingPackageError
from consistentid.face.package import load_face_analysis
from consistentid.packages import needed

ROOT = Path(__file__).resolve().parents[2]

# What real packages said, and words of the step that helps.
BROKEN = {
    "libGL": ('ImportError("libGL.so.1: cannot open shared object file: No such file or directory")', "headless"),
    "DLL": ('ImportError("DLL load failed while importing x: The specified module could not be found.")', "Visual C"),
    "ml_dtypes": ("AttributeError(\"module 'ml_dtypes' has no attribute 'float4_e2m1fn'\")", "--upgrade ml_dtypes"),
    "protobuf": (
        'TypeError("Descriptors cannot be created directly.\\n\\nIf this call")',
        "protobuf",
    ),
    "numpy 2": ('AttributeError("_ARRAY_API not found")', "another NumPy"),
    "numpy dtype": ('ValueError("numpy.dtype size changed, may indicate binary incompatibility")', "another NumPy"),
    "multiarray": ('ImportError("numpy.core.multiarray failed to import")', "another NumPy"),
    "cuda": ('OSError("libcudart.so.12: cannot open shared object file")', "--force-reinstall --no-deps"),
    "anything": ('RuntimeError("CUDA Setup failed despite GPU being available.")', "--force-reinstall --no-deps"),
}


def write_package(folder: Path, name: str, source: str) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "__init__.py").write_text(source)


def load(module: str, package: str) -> None:
    with needed(package, "This step"):
        importlib.import_module(module)


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_is_not_missing(kind, tmp_path, monkeypatch):
    error, step = BROKEN[kind]
    write_package(tmp_path, "brokenlibrary", f"raise {error}\n")
    write_package(tmp_path, "ownerlibrary", "import brokenlibrary\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for module in ("brokenlibrary", "ownerlibrary"):
        with pytest.raises(MissingPackageError) as caught:
            load(module, module)
        message = str(caught.value)
        assert f"needs the Python package '{module}', which is installed but does not work" in message
        assert ("because of 'brokenlibrary'" in message) == (module == "ownerlibrary")
        assert step in message and "\n" not in message
        assert f"pip install {module}" not in message, "that would change nothing"
        assert type(caught.value.__cause__).__name__ in message


def test_a_package_that_lacks_another(tmp_path, monkeypatch):
    write_package(tmp_path, "ownerlibrary", "import library_not_there\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingPackageError, match=r"needs 'ownerlibrary', and that.*pip install library_not_there"):
        load("ownerlibrary", "ownerlibrary>=2")
    with pytest.raises(MissingPackageError, match=r"could not be imported.*pip install \"nothing_there>=2\"$"):
        load("nothing_there", "nothing_there>=2")


def test_a_package_that_lacks_a_part_of_itself(tmp_path, monkeypatch):
    """pip would call it installed: it is broken, not missing."""
    write_package(tmp_path, "halflibrary", "import halflibrary.part\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingPackageError, match=r"installed but does not work.*--force-reinstall"):
        load("halflibrary", "halflibrary")


def test_a_folder_that_an_uninstalled_onnxruntime_left(tmp_path, monkeypatch):
    """It imports as a package without anything in it."""
    monkeypatch.setitem(sys.modules, "onnxruntime", types.ModuleType("onnxruntime"))
    with pytest.raises(MissingPackageError, match="'onnxruntime', which is installed but does not work"):
        load_face_analysis(tmp_path)


LOADERS = {
    "onnxruntime": "from consistentid.face.package import load_face_analysis as f; f('x')",
    "skimage": "from consistentid.face.cascade import load_face_cascade as f; f()",
    "transformers": "from consistentid.caption.describe import check_captioner as f; f('x')",
    "diffusers": "from consistentid.headless.pipeline import import_diffusers as f; f()",
    "peft": "from consistentid.headless.pipeline import load_loras as f; f(None, [])",
    "requests": "from consistentid.evaluation.comfyui import ComfyUI as f; f('http://x', None)",
    "huggingface_hub": "from consistentid.model_files.hub import is_offline as f; f()",
    "yaml": "from consistentid.training.config import read_config as f; f('x')",
    "jinja2": "from consistentid.evaluation.page import write_page as f; f([], [])",
}


@pytest.mark.parametrize("package", LOADERS)
def test_every_optional_package_goes_through_one_place(package, tmp_path):
    """In a process of its own, where the package fails as it does without a display library."""
    write_package(tmp_path, package, "raise ImportError('libGL.so.1: cannot open shared object file')\n")
    script = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; {LOADERS[package]}"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    last = run.stderr.strip().splitlines()[-1]
    assert "MissingPackageError" in last and "installed but does not work" in last and "libGL.so.1" in last, run.stderr
