"""Loads `zoo` by path: the repository root is never put on sys.path.

pytest may have taken this folder of tests for a package of that name; the real one replaces it.
"""

import importlib.util
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "zoo"
spec = importlib.util.spec_from_file_location("zoo", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)])
sys.modules["zoo"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["zoo"])
