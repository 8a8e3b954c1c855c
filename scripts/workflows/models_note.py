"""What a workflow says of its model files, from the manifest."""

from pathlib import PurePosixPath

from consistentid.model_files.manifest import Model, read_manifest
from consistentid.model_files.table import describe_for_workflow

DOWNLOADS = (
    "The *ID models* tab of the sidebar gets them, or says how. ComfyUI's own list of missing models shows no folders, "
    "and has a button for some of the files only."
)


def describe_models(twin: dict) -> dict[str, dict]:
    """The note "models": the model files of the workflow's loaders, where they go, and what their licences say.

    No note for a workflow of which no loader has a file.
    """
    models = find_models([value for node in twin.values() for value in node["inputs"].values()])
    return {"models": {"title": "Which model goes where", "text": _write_note(models)}} if models else {}


def _write_note(models: list[Model]) -> str:
    rows = "\n".join(f"| {_link(model)} | **{_find_folder(model)}** |" for model in models)
    terms = "\n".join(f"- {model.name}: {model.consequence}" for model in models)
    return (
        f"Choose your files in the loaders. The folders are below **ComfyUI/models**.\n\n| file | folder |\n|---|---|\n"
        f"{rows}\n\n{DOWNLOADS} Press **R** to see new files in the loaders.\n\n**Licences**\n{terms}\n"
    )


def list_files(values: list) -> list[dict]:
    """`properties.models` of a node with these widget values, for the editor's list of missing models.

    It has a button for those that it downloads, and names the others. Folders are not among them: newer editors look at
    names of files only, and that of ComfyUI 0.3.64 would call a folder missing that is there.
    """
    return [entry for model in find_models(values) if (entry := describe_for_workflow(model))]


def find_models(values: list) -> list[Model]:
    """The manifest's models among the values of widgets, in that order."""
    named = {model.name: model for model in read_manifest().values()}
    return [named[value] for value in dict.fromkeys(v for v in values if isinstance(v, str)) if value in named]


def _link(model: Model) -> str:
    source = model.sources[0]
    text = f"[{model.name}]({source})"
    if model.archive:
        return f"{text}, unpacked"
    if model.is_folder:
        return f"{text}, all files"
    stored = PurePosixPath(source).name
    text += f" (downloads as {stored}; rename it)" if stored not in model.names else ""
    return f"{text}, or another checkpoint of its kind" if model.folder == "checkpoints" else text


def _find_folder(model: Model) -> str:
    return f"{model.folder}/{model.name}" if model.is_folder else model.folder
