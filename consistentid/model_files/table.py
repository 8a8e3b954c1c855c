"""The manifest as other files show it: the table in docs/models.md, and the download hints in workflows."""

from collections.abc import Iterable

from ..plural import count
from .manifest import Model, read_manifest

MARKS = ("<!-- models -->", "<!-- /models -->")
_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def format_size(size: int | None) -> str:
    """Bytes in the largest fitting decimal unit: 2.5 GB, 289 MB, 12 bytes."""
    if size is None:
        return "not stated"
    for unit, factor in _UNITS:
        if size >= factor:
            return f"{size / factor:.{1 if unit == 'GB' else 0}f} {unit}"
    return f"{size} bytes"


def describe_total(models: Iterable[Model]) -> str:
    """What a download of models brings: "5 files, at least 2.8 GB, 4 folders". "At least" where a source alone knows.

    Those that a person has to fetch do not count.
    """
    models = [model for model in models if not model.is_manual]
    files = count(sum(len(model.downloads) or 1 for model in models), "file")
    sizes = [model.size for model in models]
    size = format_size(sum(size or 0 for size in sizes)) if any(sizes) else ""
    size = f"at least {size}" if size and not all(sizes) else size or "size not stated"
    folders = {f"{model.folder}/{model.name}" if model.is_folder else model.folder for model in models}
    least = "at least " if any(model.snapshot for model in models) else ""
    return f"{least}{files}, {size}, {count(len(folders), 'folder')}"


def render_markdown() -> str:
    """The table in docs/models.md, without the marks around it, ending in a line break."""
    rows = ["| id | file | from | size | folder | licence | needed for |", "|---|---|---|---|---|---|---|"]
    rows += [f"| {' | '.join(_list_cells(model))} |" for model in read_manifest().values()]
    return "\n".join(rows) + "\n"


def describe_for_workflow(model: Model) -> dict[str, str] | None:
    """What a workflow's loader carries in `properties.models`, so that ComfyUI can offer a missing file.

    None for folders and for files that a person has to fetch. The loader's value must equal "name". ComfyUI shows a
    download button for addresses of huggingface.co and civitai.com whose "name" ends in a weights suffix other than
    .bin; others it names.
    """
    if model.is_folder or model.is_manual:
        return None
    entry = {"name": model.name, "url": model.sources[0]}
    if model.files[0].sha256:
        entry |= {"hash": model.files[0].sha256, "hash_type": "SHA256"}
    return {**entry, "directory": model.folder}


def _list_cells(model: Model) -> list[str]:
    names = f"`{model.name}`"
    if model.alternatives:
        names += f", also known as {' or '.join(f'`{name}`' for name in model.alternatives)}"
    places = [f"{model.folder}/{model.name}" if model.is_folder else model.folder, *model.other_folders]
    links = [f"[{source.split('/')[2]}]({source})" for source in model.sources]
    return [
        f"`{model.id}`",
        f"{model.title}: {names}{', unpacked' if model.archive else ''}",
        ", ".join(links),
        format_size(model.size),
        " or ".join(f"`{place}`" for place in places),
        model.licence,
        ", ".join(model.needed_for),
    ]
