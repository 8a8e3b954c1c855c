"""`python -m consistentid train`: train an adapter or a mapping network.

On several GPUs `accelerate launch path/to/consistentid train`.
"""

import argparse

from ..command_line import give_examples


def add_command(subparsers) -> None:
    """Add `train` to the command line; `run` of the parsed arguments does it and returns the exit code."""
    train = subparsers.add_parser(
        "train",
        help="train an adapter, or a Face2Diffusion mapping, on a training set",
        description="Trains an adapter or a mapping network, on from the newest checkpoint. Keys: docs/training.md.",
        **give_examples(
            "python -m consistentid train --config train.yaml",
            "accelerate launch --multi_gpu --num_processes 4 path/to/consistentid train --config train.yaml",
        ),
    )
    train.add_argument("--config", required=True, metavar="FILE", help="YAML file with the configuration")
    train.set_defaults(run=_train)


def _train(arguments: argparse.Namespace) -> int:
    from ..terminal import hide_loading_bars
    from .config import METHODS, read_config
    from .loop import train

    config = read_config(arguments.config)
    hide_loading_bars()
    print(f"{'Mapping' if config.method == METHODS[1] else 'Adapter'}  {train(config)}")
    return 0
