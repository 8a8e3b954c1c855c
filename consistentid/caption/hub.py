"""Vision-language models that other programs left in the Hugging Face cache. Nothing is downloaded."""

from functools import cache
from pathlib import Path

from ..checked import parse_json

_ANSWERS = ("ForConditionalGeneration", "ForCausalLM")


def find_cached() -> dict[str, Path]:
    """Vision-language models of the Hugging Face cache: {hub id: folder of its newest files}, sorted by id.

    Only models with their weights in safetensors. HF_HOME and HF_HUB_CACHE are honoured; no cache, no models.
    """
    try:
        from huggingface_hub.constants import HF_HUB_CACHE
    except ImportError:
        return {}
    found = {}
    for repository in sorted(Path(HF_HUB_CACHE).glob("models--*")):
        snapshot = _find_snapshot(repository)
        if snapshot and _is_vision_language(snapshot) and any(snapshot.glob("model*.safetensors")):
            found[repository.name.removeprefix("models--").replace("--", "/")] = snapshot
    return found


def _find_snapshot(repository: Path) -> Path | None:
    """The version called main, else the newest; None without files."""
    try:
        main = repository / "snapshots" / (repository / "refs" / "main").read_text().strip()
        if (main / "config.json").is_file():
            return main
    except (OSError, ValueError):
        pass
    configs = [path for path in repository.glob("snapshots/*/config.json") if path.is_file()]
    return max(configs, key=lambda path: path.stat().st_mtime).parent if configs else None


def _is_vision_language(folder: Path) -> bool:
    """Whether the model looks and answers; CLIP, for one, has a vision_config and does not answer."""
    config = folder / "config.json"
    try:
        return _read_config(config, config.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


@cache
def _read_config(path: Path, _mtime_ns: int) -> bool:
    """Read once, and again when the file has changed: ComfyUI asks each time it lists its nodes."""
    config = parse_json(path.read_text(encoding="utf-8"))
    return "vision_config" in config and any(name.endswith(_ANSWERS) for name in config["architectures"])
