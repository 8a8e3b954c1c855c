"""`evaluate ablate`: what the parts of the method and its settings do, on one plan."""

import argparse
from pathlib import Path

from ..command_line import give_examples
from ..ray_session import read_cluster, share_session
from ..whole_file import claim_folder
from .ablation import NAMES
from .engine_choice import add_ray


def add_ablation(actions, add_plan, add_models) -> None:
    """Add it to the actions of `evaluate`. add_plan, add_models: give a parser the options of `evaluate run`."""
    ablate = actions.add_parser(
        "ablate",
        help="draw a plan with one thing changed at a time, headless, and compare",
        **give_examples(
            "python -m consistentid evaluate ablate plan.json RUNS/ablation --settings portrait.json --rows tokens"
        ),
    )
    ablate.set_defaults(run=_ablate)
    add_plan(ablate)
    ablate.add_argument("--rows", nargs="+", choices=NAMES, required=True, help="what to change")
    ablate.add_argument("--settings", type=Path, required=True, help="of portrait: JSON, or a PNG that it made")
    add_ray(ablate, "draw and score")
    add_models(ablate)


def _ablate(arguments: argparse.Namespace) -> int:
    with claim_folder(arguments.out), share_session(read_cluster(arguments)):
        return _draw_rows(arguments)


def _draw_rows(arguments: argparse.Namespace) -> int:
    from ..terminal import hide_loading_bars, show_progress
    from .ablation import list_rows
    from .command import compare_runs, prepare, write_reports
    from .engine_choice import make_headless
    from .gallery import Gallery
    from .headless import read_run_settings
    from .outcome import score_gallery

    hide_loading_bars()
    plan, scorer = prepare(arguments)
    rows = list_rows(arguments.rows, read_run_settings(arguments.settings), plan)
    scorer.learn(plan)
    failed = 0
    for row in rows:
        folder = arguments.out / row.name
        engine = make_headless(arguments, row.settings, plan, plan.captions_by_photo if row.with_captions else {})
        gallery = Gallery(folder)
        gallery.draw_missing(plan, engine, arguments.template, show_progress(row.name, "picture"))
        outcome = score_gallery(plan, gallery, scorer, arguments.real, show_progress(f"Scored {row.name}", "picture"))
        write_reports(folder, [outcome], [folder], outcome)
        failed += outcome["failures"]["not_drawn"]
    compare_runs([arguments.out / row.name for row in rows], arguments.out)
    return 1 if failed else 0
