"""The README's two commands: portraits of a person, and all tests, each in an environment that it makes itself.

Until it is made only Python's standard library is there; what needs more is imported after `enter_environment`.
"""

from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
