"""What the votes of a study say: which run people prefer, and how sure that is."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ValidationError

from ..checked import STRICT, describe, parse_json
from .study import StudyError
from .summary import CONFIDENCE, RESAMPLES
from .tables import Table

NORMAL_QUANTILE = 1.959964
"""Of 97.5%, for CONFIDENCE."""


class _Vote(BaseModel):
    model_config = STRICT
    pair: str
    question: int
    winner: str | None
    seconds: float


class Ballot(BaseModel):
    """The file that one person saved."""

    model_config = STRICT
    format: Literal[1]
    study: str
    voter: str
    votes: list[_Vote]


class _KeyPair(BaseModel):
    id: str
    runs: tuple[str, str]
    pictures: tuple[str, str]


class Key(BaseModel):
    """The file beside the page, which tells what the page does not."""

    format: Literal[1]
    study: str
    questions: list[str]
    pairs: list[_KeyPair]


@dataclass(frozen=True)
class Preference:
    """How often the second run is preferred to the first. share: equal votes count half. interval: 95%, when voters and
    pairs are drawn anew; None where there is one vote, or where all say the same. wilson: 95%, as if no vote had to do
    with another."""

    question: str
    runs: tuple[str, str]
    first: int
    equal: int
    second: int
    voters: int
    pairs: int
    share: float
    interval: tuple[float, float] | None
    wilson: tuple[float, float]


def read_key(path: str | Path) -> Key:
    return _read(Key, path, "the key that 'evaluate study' wrote beside its page")


def read_ballots(paths: list[Path], key: Key) -> list[Ballot]:
    """One of each voter, the longest where there are several. StudyError for votes of another study or an unknown
    picture."""
    ballots: dict[str, Ballot] = {}
    known = {pair.id: pair for pair in key.pairs}
    for path in paths:
        ballot = _read(Ballot, path, "votes that the page of a study saved")
        if ballot.study != key.study:
            raise StudyError(f"{path} holds votes of the study {ballot.study}; the key is that of {key.study}.")
        for number, vote in enumerate(ballot.votes, 1):
            pair = known.get(vote.pair)
            is_known = pair and (vote.winner is None or vote.winner in pair.pictures)
            if not is_known or not 0 <= vote.question < len(key.questions):
                raise StudyError(f"{path}: vote {number} is of a picture or a question that the study does not have.")
        before = ballots.get(ballot.voter)
        if before is None or len(ballot.votes) > len(before.votes):
            ballots[ballot.voter] = ballot
    return list(ballots.values())


def count_votes(key: Key, ballots: list[Ballot]) -> list[Preference]:
    """For each question and each two runs that were compared and voted on."""
    runs = {pair.id: pair for pair in key.pairs}
    found = []
    for number, question in enumerate(key.questions):
        for titles in dict.fromkeys(pair.runs for pair in key.pairs):
            votes = {
                (ballot.voter, vote.pair): _value(vote.winner, runs[vote.pair])
                for ballot in ballots
                for vote in ballot.votes
                if vote.question == number and runs[vote.pair].runs == titles
            }
            if votes:
                found.append(_measure(question, titles, votes))
    return found


def make_table(preferences: list[Preference]) -> Table:
    head = ["Question", "Runs", "Second", "Equal", "First", "Prefers the second", "95% interval", "95%, Wilson"]
    rows = [
        [
            *(one.question, f"{one.runs[1]} against {one.runs[0]}", str(one.second), str(one.equal), str(one.first)),
            *(f"{one.share:.1%}", _show(one.interval), _show(one.wilson), f"{one.voters}, {one.pairs}"),
        ]
        for one in preferences
    ]
    note = (
        "Equal votes count half. The first interval is that when voters and pairs are drawn anew, the second as if no "
        "vote had to do with another, which is narrower than the truth. While an interval holds 50%, no preference is "
        "shown."
    )
    return Table("Votes", note, [*head, "Voters, pairs"], rows)


def _read(kind, path, what: str):
    try:
        return kind.model_validate(parse_json(Path(path).read_text(encoding="utf-8-sig")))
    except (OSError, ValueError) as error:
        problem = describe(error) if isinstance(error, ValidationError) else error
        raise StudyError(f"{path} cannot be read ({problem}). Name {what}.") from error


def _value(winner: str | None, pair: _KeyPair) -> float:
    """1 where the second run won."""
    return 0.5 if winner is None else float(pair.pictures.index(winner))


def _measure(question: str, titles: tuple[str, str], votes: dict[tuple[str, str], float]) -> Preference:
    values = list(votes.values())
    voters, pairs = (list(dict.fromkeys(names)) for names in zip(*votes, strict=True))
    table = np.full((len(voters), len(pairs)), np.nan)
    for (voter, pair), value in votes.items():
        table[voters.index(voter), pairs.index(pair)] = value
    share = float(np.mean(values))
    return Preference(
        question,
        titles,
        *(values.count(0.0), values.count(0.5), values.count(1.0)),
        voters=len(voters),
        pairs=len(pairs),
        share=share,
        interval=resample_crossed(table),
        wilson=measure_wilson(share, len(values)),
    )


def resample_crossed(table: np.ndarray) -> tuple[float, float] | None:
    """Percentile interval of the mean of a table [voters, pairs], NaN where nobody voted, when both are drawn anew.

    One voter, or one pair, stays as it is. None where all values are the same: nothing can be drawn that differs.
    """
    there = ~np.isnan(table)
    values = np.where(there, table, 0.0)
    if np.ptp(table[there]) == 0:
        return None
    chance = np.random.default_rng(0)
    rows, columns = (
        chance.multinomial(n, np.full(n, 1 / n), RESAMPLES) if n > 1 else np.ones((RESAMPLES, 1), int)
        for n in table.shape
    )
    sums, counts = (np.einsum("rv,vp,rp->r", rows, one, columns) for one in (values, there))
    low, high = np.quantile((sums[counts > 0] / counts[counts > 0]), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def measure_wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's score interval of a share.

    >>> [round(end, 3) for end in measure_wilson(0.8, 10)], [round(end, 3) for end in measure_wilson(1, 10)]
    ([0.49, 0.943], [0.722, 1.0])
    """
    square = NORMAL_QUANTILE**2 / count
    middle = (share + square / 2) / (1 + square)
    half = math.sqrt(share * (1 - share) * square + square**2 / 4) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def _show(interval: tuple[float, float] | None) -> str:
    return f"[{interval[0]:.1%}, {interval[1]:.1%}]" if interval else "-"
