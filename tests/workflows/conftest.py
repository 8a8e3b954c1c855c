"""The files here import each other as plain modules."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))
