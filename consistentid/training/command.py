"""`python -m consistentid train`: train an adapter; `accelerate launch path/to/consistentid train` on several GPUs."""

import argparse


def add_command(subparsers) -> None:
    """Add `train` to the command line; `run` of the parsed arguments does it and returns the exit code."""
    train = subparsers.add_parser(
        "train",
        help="train an adapter on a training set",
        description="Trains an adapter, going on from the newest checkpoint in its output. Keys: docs/training.md.",
    )
    train.add_argument("--config", required=True, metavar="FILE", help="YAML file with the configuration")
    train.set_defaults(run=_train)


def _train(arguments: argparse.Namespace) -> int:
    from ..terminal import hide_loading_bars
    from .config import read_config
    from .loop import train

    config = read_config(arguments.config)
    hide_loading_bars()
    print(f"Adapter  {train(config)}")
    return 0
