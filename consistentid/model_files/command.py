"""`python -m consistentid models`: list, get, verify and licences."""

import sys
from collections.abc import Sequence

from ..errors import ConsistentIDError, describe_os_error
from .find import VARIABLE, choose_models_folder, describe_missing, list_search_folders, search_by_hash, search_model
from .manifest import Model, read_manifest
from .table import format_size, render_markdown


def add_command(subparsers) -> None:
    """Add `models` to the command line; `run` of the parsed arguments does it and returns the exit code."""
    models = subparsers.add_parser("models", help="model files: list, get, verify, licences")
    actions = models.add_subparsers(dest="action", required=True)
    for name, run, text in (
        ("list", _list, "what is there and what is missing; downloads nothing"),
        ("get", _get, "download models, after their licences were accepted"),
        ("verify", _verify, "compare files with the known hashes; one under an unknown name is found by its hash"),
        ("licences", _show_licences, "licences, what follows from them, and which were accepted"),
    ):
        action = actions.add_parser(name, help=text, description=text.capitalize() + ".")
        action.set_defaults(run=run)
        action.add_argument(
            "--models-folder", help=f"like ComfyUI/models; else {VARIABLE}, else that of the ComfyUI around this pack"
        )
        if name == "list":
            action.add_argument("--markdown", action="store_true", help="the table of docs/models.md, and nothing else")
            continue
        ids = ", ".join(read_manifest())
        groups = ", ".join(_list_groups())
        action.add_argument("names", nargs="+" if name == "get" else "*", help=f"of {ids}; or what for: {groups}")
        if name == "get":
            action.add_argument("--accept-licence", action="store_true", help="accept the licences without being asked")


def _list(arguments) -> int:
    if arguments.markdown:
        print(render_markdown(), end="")
        return 0
    folder = choose_models_folder(arguments.models_folder)
    print(f"Models folder: {folder}")
    for model in read_manifest().values():
        found = search_model(model, list_search_folders(model, folder))
        state = found.relative_to(folder) if found else f"missing, size {format_size(model.size)}"
        print(f"  {model.id:<17} {', '.join(model.needed_for):<15} {model.title}: {state}")
    print(
        "To download: `python -m consistentid models get` with these names, or with sd15 or sdxl for all of one kind."
    )
    print("Files that ComfyUI finds through extra_model_paths.yaml are not looked for here.")
    return 0


def _get(arguments) -> int:
    from ..terminal import ProgressBar
    from .download import get_model
    from .records import Records

    folder = choose_models_folder(arguments.models_folder)
    records = Records(folder)
    failed = []
    chosen = _choose_models(arguments.names)
    for model in chosen:
        try:
            _ask_for_licence(model, records, arguments.accept_licence)
            with ProgressBar() as bar:
                fetched = get_model(model, folder, bar.watch)
        except (ConsistentIDError, OSError) as error:
            text = describe_os_error(error) if isinstance(error, OSError) else error
            print(f"{model.id}: {text}", file=sys.stderr)
            failed.append(model.id)
            continue
        except KeyboardInterrupt:
            print("Unfinished downloads go on where they stopped.", file=sys.stderr)
            raise
        print(f"{model.id}: {'now' if fetched.new else 'already'} at {fetched.path}")
        if fetched.unstated:
            print(
                f"  The manifest has no hash of {', '.join(fetched.unstated)}. What came was recorded in "
                f"{records.path}; `verify` compares with that."
            )
    if failed and len(chosen) > 1:
        print(f"{len(failed)} of {len(chosen)} models failed: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


def _verify(arguments) -> int:
    from .records import Records
    from .verify import verify_model

    folder = choose_models_folder(arguments.models_folder)
    records = Records(folder)
    bad = 0
    for model in _choose_models(arguments.names):
        folders = list_search_folders(model, folder)
        found = search_model(model, folders) or search_by_hash(model, folders)
        if not found:
            bad += bool(arguments.names)
            print(f"{model.id}: {describe_missing(model, model.name, folders) if arguments.names else 'missing'}")
            continue
        for verdict in verify_model(model, found, records):
            bad += verdict.is_bad
            print(f"{model.id}: {verdict.state}: {verdict.path}{_show_hash(verdict)}")
    return 1 if bad else 0


def _show_hash(verdict) -> str:
    from .verify import CHANGED, UNKNOWN

    return f" (sha256 {verdict.sha256})" if verdict.state in (CHANGED, UNKNOWN) else ""


def _show_licences(arguments) -> int:
    from .records import Records

    records = Records(choose_models_folder(arguments.models_folder))
    for model in _choose_models(arguments.names):
        state = "accepted" if records.has_accepted(model) else "not accepted"
        print(f"{model.id} ({model.title}): {model.licence}. {model.consequence} [{state}]")
    return 0


def _list_groups() -> list[str]:
    """What models are needed for."""
    return sorted({group for model in read_manifest().values() for group in model.needed_for})


def _choose_models(names: Sequence[str]) -> list[Model]:
    """Models by id or by what they are needed for; all without names."""
    models = read_manifest()
    chosen: dict[str, Model] = {}
    for name in names:
        group = {id: model for id, model in models.items() if name == id or name in model.needed_for}
        if not group:
            raise ConsistentIDError(f"There is no model '{name}'. There are: {', '.join([*models, *_list_groups()])}.")
        chosen |= group
    return list((chosen if names else models).values())


def _ask_for_licence(model: Model, records, accepted: bool) -> None:
    """Show the licence once; without an answer it stays open, and the download says what to do."""
    if model.is_manual or records.has_accepted(model):
        return
    print(f"{model.title}\n  Licence: {model.licence}. {model.consequence}\n  From: {', '.join(model.sources)}")
    if not accepted and sys.stdin.isatty():
        accepted = input("  Accept it? Type yes: ").strip().casefold() == "yes"
    if accepted:
        records.accept(model)
