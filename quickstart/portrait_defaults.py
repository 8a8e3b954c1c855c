"""Where both engines find what to draw when nothing else is asked for."""

from project_environment import REPO

WORKFLOWS = REPO / "workflows" / "api"
