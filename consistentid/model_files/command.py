"""`python -m consistentid models`: list, get, verify and licences."""

import sys
from collections.abc import Sequence
from pathlib import Path

from ..command_line import give_examples
from ..errors import ConsistentIDError, describe_os_error
from ..plural import count
from ..suggestion import suggest
from .find import (
    VARIABLE,
    Places,
    choose_models_folder,
    describe_missing,
    list_search_folders,
    search_by_hash,
    search_model,
)
from .manifest import Model, read_manifest
from .table import describe_total, format_size, render_markdown

CHECKPOINTS = {"sd15": "example_sd15", "sdxl": "example_sdxl"}
"""What a use needs besides, and where people have their own."""
EXAMPLES = {
    "list": ("python -m consistentid models list", "python -m consistentid models list --markdown"),
    "get": (
        "python -m consistentid models get sd15                    # all for SD1.5 but a checkpoint",
        "python -m consistentid models get sdxl example_sdxl       # all for SDXL, and a checkpoint",
        "python -m consistentid models get adapter_sd15 face_parser --accept-licence",
    ),
    "verify": ("python -m consistentid models verify", "python -m consistentid models verify sd15"),
    "licences": ("python -m consistentid models licences sd15",),
}


def add_command(subparsers) -> None:
    """Add `models` to the command line; `run` of the parsed arguments does it and returns the exit code."""
    examples = (commands[0] for commands in EXAMPLES.values())
    models = subparsers.add_parser(
        "models", help="model files: list, get, verify, licences", **give_examples(*examples)
    )
    actions = models.add_subparsers(dest="action", required=True)
    for name, run, text in (
        ("list", _list, "what is there and what is missing; downloads nothing"),
        ("get", _get, "download models, after their licences were accepted"),
        ("verify", _verify, "compare files with the known hashes; one under an unknown name is found by its hash"),
        ("licences", _show_licences, "licences, what follows from them, and which were accepted"),
    ):
        about = {"help": text, "description": f"{text[0].upper()}{text[1:]}."}
        action = actions.add_parser(name, **about, **give_examples(*EXAMPLES[name]))
        action.set_defaults(run=run)
        action.add_argument(
            "--models-folder", help=f"like ComfyUI/models; else {VARIABLE}, else that of the ComfyUI around this pack"
        )
        if name == "list":
            action.add_argument("--markdown", action="store_true", help="the table of docs/models.md, and nothing else")
            continue
        what = f"what for: {', '.join(_list_uses())}; or one of {', '.join(read_manifest())}"
        action.add_argument("names", nargs="+" if name == "get" else "*", metavar="NAME", help=what)
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
    print("To download, `python -m consistentid models get` with names of the first column, or with a use:")
    for use in _list_uses():
        needed = [model for model in read_manifest().values() if use in model.needed_for]
        by_hand = [model.id for model in needed if model.is_manual]
        total = describe_total(needed) if len(by_hand) < len(needed) else ""
        told = [*([total] if total else []), *([f"by hand: {', '.join(by_hand)}"] if by_hand else [])]
        print(f"  {use:<15} {'; '.join(told)}")
    print("Files that ComfyUI finds through extra_model_paths.yaml are not looked for here.")
    return 0


def _get(arguments) -> int:
    from .records import Records
    from .state import INCOMPLETE, MISSING, tell_state

    folder = choose_models_folder(arguments.models_folder)
    records = Records(folder)
    chosen = _choose_models(arguments.names)
    states = {model.id: tell_state(model, Places.below(model, folder), records).kind for model in chosen}
    missing = [model for model in chosen if states[model.id] in (MISSING, INCOMPLETE) and not model.is_manual]
    _print_plan(arguments.names, missing, len(chosen), folder)
    for model in missing:
        _ask_for_licence(model, records, arguments.accept_licence)
    declined = [model for model in missing if not records.has_accepted(model)]
    failed = [model for model in chosen if model not in declined and not _fetch(model, folder, records.path)]
    for model in declined:
        advice = (
            "declined, not downloaded." if sys.stdin.isatty() else "not downloaded; accept it with --accept-licence."
        )
        print(f"{model.id}: {advice}", file=sys.stderr)
    if failed and len(chosen) > 1:
        ids = ", ".join(model.id for model in failed)
        print(f"{len(failed)} of {len(chosen)} models failed: {ids}.", file=sys.stderr)
    return 1 if failed or declined else 0


def _print_plan(names: Sequence[str], missing: Sequence[Model], chosen: int, folder: Path) -> None:
    """What there is to download, before anything is asked or fetched."""
    if missing:
        others = f" ({len(missing)} of {count(chosen, 'model')})" if len(missing) < chosen else ""
        print(f"To download{others}: {describe_total(missing)} below {folder}.")
    for use in dict.fromkeys(names):
        if (needed := CHECKPOINTS.get(use)) and needed not in names and not any((folder / "checkpoints").rglob("*.*")):
            print(f"No checkpoint in {folder / 'checkpoints'}: `models get {needed}` brings one.")


def _fetch(model: Model, folder: Path, records: Path) -> bool:
    """Whether the model is in place now."""
    from ..terminal import ProgressBar
    from .download import get_model

    try:
        with ProgressBar() as bar:
            fetched = get_model(model, folder, bar.watch)
    except (ConsistentIDError, OSError) as error:
        text = describe_os_error(error) if isinstance(error, OSError) else error
        print(f"{model.id}: {text}", file=sys.stderr)
        return False
    except KeyboardInterrupt:
        print("Unfinished downloads go on where they stopped.", file=sys.stderr)
        raise
    print(f"{model.id}: {'now' if fetched.new else 'already'} at {fetched.path}")
    if fetched.unstated:
        print(
            f"  The manifest has no hash of {', '.join(fetched.unstated)}. What came was recorded in {records}; "
            "`verify` compares with that."
        )
    return True


def _verify(arguments) -> int:
    from .records import Records
    from .verify import verify_model

    folder = choose_models_folder(arguments.models_folder)
    records = Records(folder)
    bad = seen = 0
    for model in _choose_models(arguments.names):
        folders = list_search_folders(model, folder)
        found = search_model(model, folders) or search_by_hash(model, folders)
        if not found:
            bad += bool(arguments.names)
            print(f"{model.id}: {describe_missing(model, model.name, folders) if arguments.names else 'missing'}")
            continue
        seen += 1
        for verdict in verify_model(model, found, records):
            bad += verdict.is_bad
            print(f"{model.id}: {verdict.state}: {verdict.path}{_show_hash(verdict)}")
    if not seen:
        print(f"Nothing to verify: none of these models is in {folder}.", file=sys.stderr)
    return 1 if bad or not seen else 0


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


def _list_uses() -> list[str]:
    """What models are needed for, in the order of the manifest."""
    return list(dict.fromkeys(use for model in read_manifest().values() for use in model.needed_for))


def _choose_models(names: Sequence[str]) -> list[Model]:
    """Models by id or by what they are needed for; all without names."""
    models = read_manifest()
    chosen: dict[str, Model] = {}
    for name in names:
        group = {id: model for id, model in models.items() if name == id or name in model.needed_for}
        if not group:
            known = [*_list_uses(), *models]
            raise ConsistentIDError(f"There is no model '{name}'.{suggest(name, known)} There are: {', '.join(known)}.")
        chosen |= group
    return list((chosen if names else models).values())


def _ask_for_licence(model: Model, records, accepted: bool) -> None:
    """Show the licence once."""
    if records.has_accepted(model):
        return
    print(f"{model.title}\n  Licence: {model.licence}. {model.consequence}\n  From: {', '.join(model.sources)}")
    if not accepted and sys.stdin.isatty():
        accepted = input("  Accept it? Type yes: ").strip().casefold() == "yes"
    if accepted:
        records.accept(model)
