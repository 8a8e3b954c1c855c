"""Reading weight files without executing anything in them, and loading them strictly.

The container is told by its first bytes, not by its name: safetensors, or a torch file (zip or legacy pickle)
read with `weights_only`, which refuses code.
"""

import pickle
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from .errors import CheckpointError
from .finite import list_not_finite
from .safetensors_file import METADATA, is_safetensors, read_header, read_tensors
from .whole_file import replace_file

Network = TypeVar("Network", bound=nn.Module)

_SHOWN_KEYS = 5
_ADVICE = "Use the file named in models_manifest.json, or download it again."


def read_weights(path: str | Path) -> dict:
    """The content of a `.safetensors`, `.bin`, `.pt`, `.pth` or `.ckpt` file: tensors, or dicts of tensors.

    All is memory of our own: whatever becomes of the file, the tensors stay as they are.
    Raises CheckpointError for a missing, truncated, foreign or code-carrying file.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"Weights file not found: {path}")
    with path.open("rb") as file:
        head = file.read(64)
    try:
        if is_safetensors(head):
            return read_tensors(path)
        if head[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=False)
        else:
            raise CheckpointError(
                f"{_describe(path)} is not a weights file: {_guess_content(head)} Delete it and download it again."
            )
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{_describe(path)} was refused: it is damaged, or holds Python code instead of plain tensors "
            f"({str(error).splitlines()[0]}). Download it again from the source named in models_manifest.json."
        ) from error
    except CheckpointError:
        raise
    except Exception as error:
        raise CheckpointError(
            f"{_describe(path)} cannot be read; the download is probably incomplete. Delete it and download it "
            f"again. ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no details'})"
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{_describe(path)} holds a {type(content).__name__}, not a dictionary of weights.")
    if nameless := [key for key in content if not isinstance(key, str)]:
        raise CheckpointError(
            f"{_describe(path)} has {nameless[0]!r:.200} where the name of a tensor should be. {_ADVICE}"
        )
    return content


def write_weights(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a `.safetensors` file that is whole or not there; its folder exists."""
    with replace_file(path) as part:
        write_bare_weights(part, tensors, metadata)


def write_bare_weights(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a `.safetensors` file that other users can read, bit by bit under its own name."""
    from safetensors.torch import save

    # safetensors' save_file would keep it from other users
    path.write_bytes(save({key: tensor.contiguous() for key, tensor in tensors.items()}, metadata))


def load_strictly(module: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Give `module` (built on the meta device) the tensors of `state`, in the file's own dtype.

    Every key and shape must match, and floating point be floating point, without NaN and infinity; CheckpointError
    names what is otherwise.
    """
    wrong = _list_differences(module.state_dict(), state)
    parts = [f"{len(keys)} {kind} ({_shorten(keys)})" for kind, keys in wrong.items() if keys]
    if parts:
        raise CheckpointError(f"{source} does not fit {type(module).__name__}: tensors {'; '.join(parts)}. {_ADVICE}")
    module.load_state_dict(state, assign=True)
    module.eval().requires_grad_(False)


def own_memory(module: Network) -> Network:
    """The module with its weights in memory of our own: the loaders of transformers and diffusers map their files."""
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.device.type == "cpu":
            tensor.data = tensor.data.clone()
    return module


def _list_differences(expected: dict[str, Tensor], state: dict) -> dict[str, list[str]]:
    """{what is wrong: with which keys}, for whatever a file may hold."""
    found = {key: state[key] for key in expected if key in state}
    tensors = {key: value for key, value in found.items() if isinstance(value, Tensor)}
    return {
        "missing": [key for key in expected if key not in state],
        "unexpected": [str(key) for key in state if key not in expected],
        "that are no tensors": [f"{key}: {type(found[key]).__name__}" for key in found if key not in tensors],
        "of another shape": [
            f"{key}: {list(tensor.shape)} instead of {list(expected[key].shape)}"
            for key, tensor in tensors.items()
            if tensor.shape != expected[key].shape
        ],
        "of another type": [
            f"{key}: {tensor.dtype}"
            for key, tensor in tensors.items()
            if expected[key].is_floating_point() and not tensor.is_floating_point()
        ],
        "with values that are no numbers (NaN or infinite)": list_not_finite(tensors),
    }


def _shorten(items: list[str]) -> str:
    return f"{', '.join(items[:_SHOWN_KEYS])}{', ...' if len(items) > _SHOWN_KEYS else ''}"


def _describe(path: Path) -> str:
    return f"{path} ({path.stat().st_size:,} bytes)"


def _guess_content(head: bytes) -> str:
    text = head.decode("utf-8", errors="replace").lstrip().lower()
    if not head:
        return "it is empty."
    if text.startswith("version https://git-lfs"):
        return "it is a Git LFS pointer; fetch the real file (git lfs pull, or download it in a browser)."
    if text.startswith(("<!doctype", "<html", "{")):
        return "it is a web page or an error message saved by a failed download."
    return f"it starts with {head[:8]!r}."


def read_metadata(path: str | Path) -> dict[str, str]:
    """The string metadata in a safetensors header; empty when there is none. Reads only the header."""
    path = Path(path)
    with path.open("rb") as file:
        head = file.read(9)
        if not is_safetensors(head):
            raise CheckpointError(f"{_describe(path)} is not a safetensors file.")
        file.seek(0)
        try:
            return read_header(file).get(METADATA, {})
        except ValueError as error:
            raise CheckpointError(f"{_describe(path)} is truncated or damaged: {error}.") from error
