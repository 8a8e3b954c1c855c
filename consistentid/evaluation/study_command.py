"""`evaluate study` and `evaluate votes`: pictures shown to people, who do not know what drew them."""

import argparse
from pathlib import Path

from ..command_line import give_examples
from ..plural import count
from ..whole_file import replace_file


def add_study(actions) -> None:
    """Add both to the actions of `evaluate`."""
    study = actions.add_parser(
        "study",
        help="a page that asks people which of two pictures they prefer, blindly",
        **give_examples("python -m consistentid evaluate study RUNS/ours RUNS/other --out study.html --pairs 40"),
    )
    study.set_defaults(run=_make_study)
    study.add_argument("runs", type=Path, nargs="+", help="two or more folders of evaluate run; the first is compared")
    study.add_argument("--out", type=Path, required=True, help="HTML file to write; its key comes beside it")
    study.add_argument("--pairs", type=int, default=40, help="at most so many pairs, 0 for all (default: 40)")
    study.add_argument("--seed", type=int, default=0, help="of the choice of pairs (default: 0)")
    study.add_argument("--question", action="append", help="in place of the two about person and text; may be repeated")
    study.add_argument("--title", default="Portraits", help="of the page (default: Portraits)")
    study.add_argument("--side", type=int, default=640, help="longer side of its pictures, at most (default: 640)")
    votes = actions.add_parser(
        "votes",
        help="what the people of a study prefer, with intervals",
        **give_examples("python -m consistentid evaluate votes study.key.json votes_*.json"),
    )
    votes.set_defaults(run=_count)
    votes.add_argument("key", type=Path, help="the .key.json that evaluate study wrote")
    votes.add_argument("votes", type=Path, nargs="+", help="files that the people saved")


def _make_study(arguments: argparse.Namespace) -> int:
    from .outcome import read_outcome
    from .study import QUESTIONS, StudyError, choose_pairs, write_study

    if len(arguments.runs) < 2:
        raise StudyError("Name two or more folders to compare.")
    if arguments.side < 64 or arguments.pairs < 0:
        raise StudyError(f"--side {arguments.side} is at least 64, --pairs {arguments.pairs} at least 0.")
    pairs = choose_pairs([read_outcome(run) for run in arguments.runs], arguments.runs, arguments.pairs, arguments.seed)
    questions = arguments.question or QUESTIONS
    page, key = write_study(pairs, arguments.title, questions, arguments.side)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    key_file = arguments.out.with_suffix(".key.json")
    for path, text in ((arguments.out, page), (key_file, key)):
        with replace_file(path) as part:
            part.write_text(text, encoding="utf-8")
    size = arguments.out.stat().st_size / 1e6
    asked = f"{count(len(pairs), 'pair')}, {count(len(questions), 'question')} each"
    print(f"Page  {arguments.out} ({size:.1f} MB): {asked}. Send it.")
    print(f"Key   {key_file}: keep it to yourself; it tells which run drew which picture.")
    return 0


def _count(arguments: argparse.Namespace) -> int:
    from .page import write_table
    from .votes import count_votes, make_table, read_ballots, read_key

    key = read_key(arguments.key)
    ballots = read_ballots(arguments.votes, key)
    total = len(key.pairs) * len(key.questions)
    print(write_table(make_table(count_votes(key, ballots))))
    for ballot in ballots:
        seconds = sorted(vote.seconds for vote in ballot.votes)
        pace = f", {seconds[len(seconds) // 2]:.1f} s each (median)" if seconds else ""
        print(f"Voter {ballot.voter}: {len(ballot.votes)} of {total} answers{pace}")
    return 0
