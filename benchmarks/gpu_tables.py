"""Tables of what `python -m benchmarks.gpu` measured, and their places in the docs."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BASES = {"sd15": "SD1.5", "sdxl": "SDXL"}
PAPER_SECONDS = {"sd15": 16, "sdxl": 18}
COMMAND = "    python -m benchmarks.gpu FOLDER"
ESTIMATED = "[estimated](docs/models.md#what-a-graphics-card-needs), not measured"
MEASURED = "[measured](docs/benchmarks.md#gpu)"


def make_tables(report: dict) -> str:
    """All that is in a report, as Markdown; what a part did not measure is a dash."""
    parts = [describe(report), COMMAND, make_steps(report), make_pictures(report), make_memory(report)]
    parts += [make_rest(report), list_unfinished(report)]
    return "\n\n".join(part for part in parts if part) + "\n"


def write_docs(report: dict, root: Path = ROOT) -> list[str]:
    """Put the tables between the marks of docs/benchmarks.md and docs/models.md; names of the changed files.

    Raises ValueError for a trial on the CPU or in small, and where a mark is missing.
    """
    device = read(report, "packages", "device")
    if report["small"] or device in (None, "CPU"):
        raise ValueError(f"These figures are of a trial on {device} (small: {report['small']}), not for the docs.")
    texts = {"docs/benchmarks.md": ("gpu", make_tables(report))}
    texts["docs/models.md"] = ("gpu memory", f"{describe(report)}\n\n{make_memory(report)}\n")
    for name, (mark, text) in texts.items():
        replace_marked(root / name, mark, text)
    readme = root / "README.md"
    readme.write_text(readme.read_text(encoding="utf-8").replace(ESTIMATED, MEASURED), encoding="utf-8")
    return [*texts, "README.md"]


def replace_marked(file: Path, mark: str, text: str) -> None:
    """The lines between <!-- mark --> and <!-- /mark -->."""
    old = file.read_text(encoding="utf-8")
    between = re.compile(rf"(<!-- {mark} -->\n).*(<!-- /{mark} -->)", re.DOTALL)
    if not between.search(old):
        raise ValueError(f"{file} has no <!-- {mark} --> and <!-- /{mark} -->, between which the tables go.")
    file.write_text(between.sub(lambda found: f"{found[1]}{text}{found[2]}", old), encoding="utf-8")


def describe(report: dict) -> str:
    told = report["parts"].get("packages", {}).get("figures", {})
    device, size = told.get("device", "no device"), told.get("device_bytes", 0)
    memory = f" ({size / 1e9:.0f} GB)" if size else ""
    small = " Tiny sizes, to try the command out: the figures say nothing." if report["small"] else ""
    versions = f"torch {told.get('torch', '?')}, ComfyUI {told.get('comfyui', '?')}"
    return f"{device}{memory}, {versions}, seeded weights of full size, float16.{small}"


def make_steps(report: dict) -> str:
    def compare(part: str, kind: str, way: str, other: str) -> Callable[[str], str]:
        return lambda base: tell(read(report, f"{part}_{base}", kind, way, f"to_{other}"), "{:.3f}")

    def switch(way: str) -> Callable[[str], str]:
        def cell(base: str) -> str:
            told = read(report, f"step_{base}", "switching", way)
            return f"{told['to_load']:.2f} ({told['seconds']:.3f} s)" if told else "-"

        return cell

    def seconds(base: str) -> str:
        return tell(read(report, f"step_{base}", "step", "adapter", "seconds"), "{:.4f} s")

    rows = {
        "one step of two rows, with the person": (seconds, ""),
        "the same / plain": (compare("step", "step", "adapter", "plain"), "1.02"),
        "ipadapter_plus / plain": (compare("step", "step", "ipadapter_plus", "plain"), ""),
        "adapter / authors": (compare("step", "step", "adapter", "authors"), "0.87"),
        "applying the adapter / reading its file": (switch("apply"), "1.0"),
        "another weight: the node and loading / reading": (switch("another_weight"), "1.0"),
        "another lora_weight: the node and merging / reading": (switch("another_lora_weight"), ""),
        "bytes kept while sampling / ID keys and values": (lambda base: tell_kept(report, base), "1.1"),
    }
    head = ["figure", *BASES.values(), "goal"]
    return make_table(head, {name: [*map(cell, BASES), goal] for name, (cell, goal) in rows.items()})


def make_pictures(report: dict) -> str:
    def seconds(key: str) -> Callable[[str], str]:
        return lambda base: tell(read(report, f"picture_{base}", key, "seconds"), "{:.2f} s")

    def ratio(base: str) -> str:
        with_person, plain = (read(report, f"picture_{base}", key, "seconds") for key in ("person", "plain"))
        return f"{with_person / plain:.3f}" if with_person and plain else "-"

    def size(base: str) -> str:
        px, steps = (read(report, f"picture_{base}", key) for key in ("size_px", "steps"))
        return f"{px[0]}x{px[1]}, {steps} steps" if px else "-"

    rows = {
        "size": size,
        "a picture, from prompt to pixels": seconds("person"),
        "the first of a session, photo read before": seconds("first"),
        "without the person": seconds("plain"),
        "with / without": ratio,
        "the paper's, on its own GPU": lambda base: f"{PAPER_SECONDS[base]} s",
    }
    return make_table(["picture", *BASES.values()], {name: [*map(cell, BASES)] for name, cell in rows.items()})


def make_memory(report: dict) -> str:
    """Peaks of each kind of workflow, and how a portrait fares on smaller cards."""
    kinds = dict.fromkeys(kind for base in BASES for kind in read(report, f"memory_{base}") or {})
    rows = {}
    for kind in kinds:
        name = f"portrait on a card of {kind}" if kind.endswith(" GB") else kind
        rows[name] = [tell_peak(read(report, f"memory_{base}", kind)) for base in BASES]
    return make_table(["peak of PyTorch's memory", *BASES.values()], rows)


def make_rest(report: dict) -> str:
    rows = {}
    for dtype in ("float16", "bfloat16"):
        told = read(report, "precision_sd15", dtype)
        words = f"{told['adapter']:.1e}, without the person {told['plain']:.1e}" if told else "-"
        rows[f"SD1.5 in {dtype}, difference to float32"] = [words]
    told = read(report, "training") or {}
    if pace := told.get("step_seconds"):
        losses = " to ".join(f"{loss:.3f}" for loss in told.get("losses", []))
        words = f"{pace:.3f} s a step of {told['batch']}, {told['batch'] / pace:.1f} pictures a second"
        rows[f"training of the small models, {told['steps']} steps"] = [f"{words}, loss {losses or '-'}"]
    return make_table(["also", "result"], rows)


def list_unfinished(report: dict) -> str:
    """Parts that are not whole, and why."""
    lines = [f"- {name}: {told['state']}" for name, told in report["parts"].items() if told["state"] != "done"]
    if lacking := read(report, "packages", "missing"):
        lines.insert(0, f"- packages that lack for ComfyUI or this pack: {', '.join(lacking)}")
    return "Not whole:\n\n" + "\n".join(lines) if lines else ""


def tell_peak(told: dict | None) -> str:
    if not told:
        return "-"
    if "error" in told:
        return told["error"]
    return f"{told['peak_bytes'] / 1e9:.1f} GB, {told['seconds']:.1f} s{', loaded in parts' * told['in_parts']}"


def tell_kept(report: dict, base: str) -> str:
    told = read(report, f"step_{base}", "memory")
    return f"{told['owned'] / told['needed']:.2f}" if told else "-"


def tell(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def read(report: dict, part: str, *keys: str) -> Any:
    """A figure of a part; None where it has none."""
    value = report["parts"].get(part, {}).get("figures", {})
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def make_table(head: list[str], rows: dict[str, list[str]]) -> str:
    """Empty where there is no row."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join([name, *cells])} |" for name, cells in rows.items()]
    return "\n".join(lines) if rows else ""
