"""`python -m scripts.traditional`: write the Traditional Chinese of names, tooltips and help pages from the Simplified.

Both this and the editor (js/traditional.js) go by js/zh/traditional.json: words that Taiwan has others for, and letter
by letter for the rest. Letters that the table has not yet are asked of OpenCC (`pip install opencc`), which nothing
else needs. A letter that can be written in two ways needs a word for the rarer one: see that the new texts are right.
"""

import json
import re
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "js" / "zh" / "traditional.json"
PANELS = ("js/models_texts.js", "js/node_texts.js")
LETTER = re.compile("[“”\u3400-\u9fff]")


def read_table() -> dict:
    return json.loads(TABLE.read_text(encoding="utf-8"))


@cache
def read_sources() -> dict[Path, str]:
    """All Chinese of the pack by its file: Simplified, written by people."""
    paths = [*ROOT.glob("locales/zh/*.json"), *ROOT.glob("js/docs/*/zh.md"), *ROOT.glob("js/zh/*.json")]
    paths += [ROOT / name for name in PANELS]
    return {path: path.read_text(encoding="utf-8") for path in sorted(paths) if path != TABLE}


def convert(text: str, table: dict) -> str:
    """The longest words first, then letters; what the table has not stays.

    >>> convert("加载头发", {"words": {"加载": "載入"}, "simplified": "头发", "traditional": "頭髮"})
    '載入頭髮'
    """
    known = dict(zip(table["simplified"], table["traditional"], strict=True)) | table["words"]
    words = sorted(table["words"], key=len, reverse=True)
    return re.sub("|".join([*words, LETTER.pattern]), lambda found: known.get(found[0], found[0]), text)


def list_unknown(table: dict) -> str:
    """Letters of the sources that the table does not have, in order."""
    return "".join(sorted(set(LETTER.findall("".join(read_sources().values()))) - set(table["simplified"])))


def write_files(table: dict) -> dict[Path, str]:
    """What the script writes, by its path: locales/zh-TW, and zh-TW.md beside each zh.md."""
    folder = ROOT / "locales" / "zh-TW"
    files = {}
    for path, text in read_sources().items():
        if path.name == "zh.md":
            files[path.with_name("zh-TW.md")] = convert(text, table)
        elif path.parent.name == "zh" and path.parent.parent.name == "locales":
            files[folder / path.name] = convert(text, table)
    return files


def extend(table: dict, unknown: str) -> None:
    """Add letters by OpenCC's standard for Taiwan, and write the table."""
    import opencc  # pyright: ignore[reportMissingImports]

    table["simplified"] += unknown
    table["traditional"] += "".join(map(opencc.OpenCC("s2tw").convert, unknown))
    TABLE.write_text(json.dumps(table, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def main() -> int:
    """Returns the exit code."""
    table = read_table()
    if unknown := list_unknown(table):
        try:
            extend(table, unknown)
        except ImportError:
            print(f"{TABLE.name} lacks {unknown}. Add them, or install opencc and run this again.", file=sys.stderr)
            return 1
    for path, text in write_files(table).items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
