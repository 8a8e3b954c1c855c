"""What draws a plan, as the command line says: the headless engine, here or with Ray, or running ComfyUIs."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..ray_session import add_ray_options, read_cluster
from .engine import Engine, EngineError
from .workflow import Places

if TYPE_CHECKING:
    from ..headless.portrait_settings import PortraitSettings
    from .plan import Plan

ADDRESS = "http://127.0.0.1:8188"


def add_ray(run: argparse.ArgumentParser, work: str) -> None:
    add_ray_options(run, work, workers="pictures scored at once, or processes of Ray")


def add_comfyui(run: argparse.ArgumentParser) -> None:
    group = run.add_argument_group("draw with a running ComfyUI")
    group.add_argument("--workflow", type=Path, help="any workflow in API format")
    group.add_argument(
        "--address", action="append", help=f"of several the free one draws; may be repeated (default: {ADDRESS})"
    )
    for name, (default,) in (("photo", Places.photo), ("prompt", Places.prompt), ("seed", Places.seed)):
        group.add_argument(
            f"--{name}-input",
            action="append",
            metavar="NODE.INPUT",
            help=f"where the {name} goes; NODE is an id, title or class; may be repeated (default: {default})",
        )
    group.add_argument("--output-node", default=Places.output, metavar="NODE", help="(default: titled output)")
    group.add_argument("--timeout", type=float, default=1800, help="seconds for one picture (default: 1800)")


def choose_engine(arguments: argparse.Namespace, plan: "Plan") -> Engine:
    if arguments.workflow and arguments.settings:
        raise EngineError("Name one of --settings (draw with the headless engine) and --workflow (draw with ComfyUI).")
    if arguments.workflow:
        from .comfyui import ComfyUI
        from .servers import Servers
        from .workflow import read_workflow

        given = {name: getattr(arguments, f"{name}_input") for name in ("photo", "prompt", "seed")}
        places = Places(**{name: tuple(value) for name, value in given.items() if value}, output=arguments.output_node)
        workflow = read_workflow(arguments.workflow, places)
        addresses = dict.fromkeys(address.rstrip("/") for address in arguments.address or [ADDRESS])
        servers = [ComfyUI(address, workflow, arguments.timeout) for address in addresses]
        return Servers(servers, lambda text: print(text, file=sys.stderr)) if len(servers) > 1 else servers[0]
    if not arguments.settings:
        raise EngineError(
            "Name --settings FILE to draw with the headless engine, --workflow FILE for ComfyUI, or --no-draw."
        )
    from .headless import read_run_settings

    return make_headless(arguments, read_run_settings(arguments.settings), plan, plan.captions_by_photo)


def make_headless(
    arguments: argparse.Namespace, settings: "PortraitSettings", plan: "Plan", captions: Mapping[Path, str]
) -> Engine:
    """The headless engine, here or in processes of Ray."""
    from .headless import Headless
    from .ray_headless import RayHeadless

    cluster = read_cluster(arguments)
    if cluster is None:
        return Headless(settings, plan.first_photo, captions)
    return RayHeadless(settings, plan.first_photo, captions, cluster)
