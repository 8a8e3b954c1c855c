"""Command lines: examples in the help, and what a mistyped command, option or value was meant to be."""

import argparse
from typing import Any

from .suggestion import suggest


class CommandParser(argparse.ArgumentParser):
    """An ArgumentParser that says what was meant; its subcommands are parsers of the same kind."""

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[override]
        found, strange = super().parse_known_args(args, namespace)
        if strange:
            options = [option for action in self._actions for option in action.option_strings]
            meant = suggest(strange[0].partition("=")[0], options)
            self.error(f"unrecognized arguments: {' '.join(map(str, strange))}.{meant}")
        return found, strange

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            error.message += f".{suggest(str(value), map(str, action.choices or ()))}"
            raise


class HelpFormatter(argparse.HelpFormatter):
    """Keeps the lines of examples; other texts are wrapped."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return indent + text.replace("\n", f"\n{indent}") if "\n" in text else super()._fill_text(text, width, indent)


def give_examples(*commands: str) -> dict[str, Any]:
    """Arguments of a parser whose help ends with these commands."""
    return {"epilog": "\n  ".join(["examples:", *commands]), "formatter_class": HelpFormatter}
