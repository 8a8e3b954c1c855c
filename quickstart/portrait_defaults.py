"""What both engines draw when nothing else is asked for."""

from project_environment import REPO

WORKFLOWS = REPO / "workflows" / "api"
STANDIN_RUN = {"width": 256, "height": 384, "steps": 8}
