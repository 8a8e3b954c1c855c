"""`python -m consistentid evaluate`: draw a plan, measure the pictures, compare runs."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..command_line import give_examples
from ..ray_session import read_cluster, share_session
from ..whole_file import claim_folder, replace_file
from .ablation_command import add_ablation
from .engine_choice import add_comfyui, add_ray, choose_engine
from .plan_command import add_plan_maker
from .study_command import add_study

if TYPE_CHECKING:
    from .plan import Plan
    from .scoring import Scorer

EXAMPLES = (
    "python -m consistentid evaluate run plan.csv RUNS/ours --settings portrait.json --clip CLIP_FOLDER",
    "python -m consistentid evaluate run plan.csv RUNS/other --workflow other_api.json --clip CLIP_FOLDER",
    "python -m consistentid evaluate compare RUNS/ours RUNS/other --out RUNS/both",
)


def add_command(subparsers) -> None:
    """Add `evaluate` to the command line; `run` of the parsed arguments does it and returns the exit code."""
    evaluate = subparsers.add_parser(
        "evaluate", help="draw a plan of pictures, measure them, compare runs", **give_examples(*EXAMPLES)
    )
    actions = evaluate.add_subparsers(dest="action", required=True)
    run = actions.add_parser(
        "run", help="draw what is missing of a plan, score all, write the report", **give_examples(*EXAMPLES[:2])
    )
    run.set_defaults(run=_run)
    _add_plan(run)
    run.add_argument("--no-draw", action="store_true", help="score what is there")
    run.add_argument(
        "--settings", type=Path, help="draw with the headless engine: JSON or PNG with the options of portrait"
    )
    add_ray(run, "score, and with --settings draw,")
    add_comfyui(run)
    _add_models(run)
    compare = actions.add_parser(
        "compare", help="runs side by side; differences from the first", **give_examples(EXAMPLES[2])
    )
    compare.set_defaults(run=_compare)
    compare.add_argument("runs", type=Path, nargs="+", help="two or more folders of evaluate run")
    compare.add_argument("--out", type=Path, required=True, help="folder of the report")
    add_ablation(actions, _add_plan, _add_models)
    add_study(actions)
    add_plan_maker(actions)


def _add_plan(run: argparse.ArgumentParser) -> None:
    run.add_argument("plan", type=Path, help="CSV with photo and prompt (or Image_Name and Prompt), or JSON")
    run.add_argument("out", type=Path, help="folder of pictures and report; its name is the run's")
    run.add_argument("--photos", type=Path, help="folder of the plan's photos (default: where the plan is)")
    run.add_argument("--seeds", type=int, nargs="+", default=[0], help="where the plan has none (default: 0)")
    run.add_argument("--drop-word", default="", help="word to take out of the prompts, such as img")
    run.add_argument("--template", default="{prompt}", help="text to draw; scored is the prompt (default: {prompt})")


def _add_models(run: argparse.ArgumentParser) -> None:
    group = run.add_argument_group("models that measure; what is not named is not measured")
    group.add_argument("--clip", default="", help="CLIP folder of transformers: CLIP-T, CLIP-I")
    group.add_argument("--second-clip", default="", help="another one, for a second CLIP-T and CLIP-I")
    group.add_argument("--dino", default="", help="DINO folder of transformers: DINO, FGIS")
    group.add_argument("--face-package", default="", help="InsightFace folder that conditions the pictures: FaceSim")
    group.add_argument(
        "--second-package",
        default="",
        help="another one, or a folder with dlib's, which does not: an independent FaceSim",
    )
    group.add_argument(
        "--third-package", default="", help="a third one, such as a folder with FaceNet's file: one more FaceSim"
    )
    group.add_argument("--face-parser", default="", help="BiSeNet file: FGIS")
    group.add_argument("--inception", default="", help="pt_inception-2015-12-05-6726825d.pth: FID")
    group.add_argument("--real", default="", help="folder of real photos for FID (default: the plan's)")
    group.add_argument("--device", default="cpu", help="of these models (default: cpu)")


def _run(arguments: argparse.Namespace) -> int:
    with claim_folder(arguments.out):
        return _draw_and_score(arguments)


def _draw_and_score(arguments: argparse.Namespace) -> int:
    from ..terminal import hide_loading_bars, show_progress
    from .gallery import Gallery
    from .outcome import score_gallery

    hide_loading_bars()
    plan, scorer = prepare(arguments)
    gallery = Gallery(arguments.out)
    engine = None if arguments.no_draw else choose_engine(arguments, plan)
    with share_session(read_cluster(arguments)):
        scorer.learn(plan)
        if engine:
            gallery.draw_missing(plan, engine, arguments.template, show_progress("Drawn", "picture"))
        else:
            gallery.keep_plan(plan)
        outcome = score_gallery(plan, gallery, scorer, arguments.real, show_progress("Scored", "picture"))
    print_report(write_reports(arguments.out, [outcome], [arguments.out], outcome), arguments.out)
    return 1 if outcome["failures"]["not_drawn"] else 0


def prepare(arguments: argparse.Namespace) -> tuple["Plan", "Scorer"]:
    """The plan, and what scores it; what is wrong is said before hours of drawing."""
    from .plan import list_pictures, read_plan
    from .scoring import Scorer
    from .scoring_models import ScoringModels

    plan = read_plan(arguments.plan, arguments.photos, arguments.seeds, arguments.drop_word)
    models = ScoringModels(**{name: getattr(arguments, name) for name in asdict(ScoringModels())})
    models.check()
    if arguments.real:
        list_pictures(arguments.real)
    cluster = read_cluster(arguments)
    if cluster is None:
        return plan, Scorer(models, arguments.workers)
    from .ray_scoring import RayScorer

    return plan, RayScorer(models, cluster)


def _compare(arguments: argparse.Namespace) -> int:
    from ..errors import ConsistentIDError

    if len(arguments.runs) < 2:
        raise ConsistentIDError("Name two or more folders to compare.")
    compare_runs(arguments.runs, arguments.out)
    return 0


def compare_runs(folders: list[Path], out: Path) -> None:
    """Write and print a report of runs side by side; the first is what the others are compared with."""
    from .outcome import compare_outcomes, read_outcome

    first, *others = outcomes = [read_outcome(folder) for folder in folders]
    pairs = [{"first": first["title"], "second": one["title"], **compare_outcomes(first, one)} for one in others]
    print_report(write_reports(out, outcomes, folders, {"comparisons": pairs, "runs": outcomes}), out)


def write_reports(out: Path, outcomes: list[dict], folders: list[Path], record: dict) -> str:
    """report.json, report.md and report.html; the second is returned."""
    from .outcome import FILE
    from .page import write_markdown, write_page

    out.mkdir(parents=True, exist_ok=True)
    markdown = write_markdown(outcomes)
    texts = {
        FILE: json.dumps(record, ensure_ascii=False, indent=1),
        "report.md": markdown,
        "report.html": write_page(outcomes, folders),
    }
    for name, text in texts.items():
        with replace_file(out / name) as part:
            part.write_text(text, encoding="utf-8")
    return markdown


def print_report(markdown: str, out: Path) -> None:
    print(markdown.partition("## Made with")[0])
    print(f"Report  {out / 'report.html'}")
