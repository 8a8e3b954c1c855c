"""Rows of an ablation: one plan drawn again and again, with one thing changed each time."""

from dataclasses import dataclass, replace

from ..choices import PAIRS
from ..headless.portrait_settings import PortraitSettings
from ..headless.schedulers import SCHEDULERS
from .engine import EngineError
from .plan import Plan


@dataclass(frozen=True)
class Row:
    """name: of its folder, and its run. with_captions: the people's descriptions act, where the plan has any."""

    name: str
    settings: PortraitSettings
    with_captions: bool = True


def _vary(setting: str, values) -> dict[str, dict]:
    return {f"{setting.replace('_', '-')}-{value}".replace(" ", "-"): {setting: value} for value in values}


ABLATIONS: dict[str, dict[str, dict]] = {
    "tokens": {
        "base-model": {"weight": 0.0, "lora_weight": 0.0, "merge_at": 1.0},
        "without-id-tokens": {"weight": 0.0},
        "without-facial-tokens": {"merge_at": 1.0},
    },
    "merge": _vary("merge_at", (0.0, 0.3, 0.6, 1.0)),
    "pairs": _vary("pairs", PAIRS),
    "sampler": _vary("scheduler", SCHEDULERS),
}
"""{what one ablates: {name of a row: settings that differ}}; "description" is made of the plan's captions."""
DESCRIPTION = "description"
NAMES = (DESCRIPTION, *ABLATIONS)


def list_rows(names: list[str], settings: PortraitSettings, plan: Plan) -> list[Row]:
    """The settings as given, then what each ablation changes; a change that is as given is no row.

    EngineError for the ablation of descriptions with a plan that has none.
    """
    rows = [Row("as-given", settings)]
    for name in names:
        if name == DESCRIPTION:
            if len(plan.captions) < len(plan.people):
                lacking = [person for person in plan.people if person not in plan.captions]
                raise EngineError(
                    f"The ablation of descriptions needs a facial description of everybody; {', '.join(lacking[:5])} "
                    "has none. Give the plan a column caption, or 'captions' in JSON."
                )
            rows.append(Row("fixed-sentence", replace(settings, caption=""), with_captions=False))
        rows += [Row(title, replace(settings, **changes)) for title, changes in ABLATIONS.get(name, {}).items()]
    return [row for row in rows if row is rows[0] or (row.settings, row.with_captions) != (settings, True)]
