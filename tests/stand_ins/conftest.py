"""Stand-ins import each other as plain modules: their folder goes to the end of sys.path."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))
