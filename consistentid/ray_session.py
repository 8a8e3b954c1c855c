"""Ray: started on this machine for one run, or the cluster at an address; what runs on it, and files it is sent."""

import os
import re
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from .errors import ConsistentIDError
from .packages import needed

PACKAGE = Path(__file__).resolve().parent
CONNECT_S = 5
OBJECT_STORE_BYTES = 256 * 1024**2
"""For names, photos and pictures on their way; what does not fit goes to the disk."""


class RayError(ConsistentIDError):
    """A cluster that cannot be reached, or work on it that failed for good."""


class Cluster(NamedTuple):
    """address: "" is this machine. workers: processes, at most. gpu_share: of a GPU, for each."""

    address: str = ""
    workers: int = 4
    gpu_share: float = 0.0

    def require_gpu(self, device: str) -> None:
        """RayError for a device that its processes do not get."""
        if device != "cpu" and not self.gpu_share:
            raise RayError(f"Processes of Ray see no GPU for --device {device} without --gpu-share, such as 1.")


def add_ray_options(parser, work: str, more: str = "", workers: str = "processes of Ray") -> None:
    """--ray, --workers and --gpu-share. work, more, workers: what the help says."""
    parser.add_argument(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help=f"{work} with Ray: in processes on this machine, or on the cluster at an address{more}",
    )
    parser.add_argument("--workers", type=int, default=4, metavar="N", help=f"{workers} (default: 4)")
    parser.add_argument(
        "--gpu-share", type=float, default=0.0, metavar="SHARE", help="of a GPU for each process of Ray (default: 0)"
    )


def read_cluster(arguments) -> Cluster | None:
    """What the options say; None without --ray."""
    if arguments.workers < 1 or arguments.gpu_share < 0:
        raise RayError(
            f"--workers is a number from 1 and --gpu-share one from 0; they are {arguments.workers} and "
            f"{arguments.gpu_share:g}."
        )
    return None if arguments.ray is None else Cluster(arguments.ray, arguments.workers, arguments.gpu_share)


@contextmanager
def ray_session(cluster: Cluster) -> Iterator[Any]:
    """Ray's module, connected, or started here for so many processes. It ends with the block, as does the
    connection; one that the caller has made stays.

    The machines of a cluster get this package sent; they need its requirements, and models at the same paths.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DATA_LOG_LEVEL", "ERROR")
    with needed("ray[data]", "--ray"):
        import ray
        import ray.data
    address = cluster.address
    _check_address(address)
    if ray.is_initialized():
        yield ray
        return
    options: dict[str, Any] = {"address": address, "runtime_env": {"py_modules": [str(PACKAGE)]}}
    if not address:
        options = {"address": "local", "num_cpus": cluster.workers, "object_store_memory": OBJECT_STORE_BYTES}
        options |= {"include_dashboard": False, "runtime_env": {"env_vars": {"PYTHONPATH": _join_path()}}}
    try:
        ray.init(logging_level="ERROR", log_to_driver=False, **options)
    except Exception as error:
        raise _say_unreachable(address, error) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def share_session(cluster: Cluster | None) -> AbstractContextManager:
    """One session for all `ray_session`s inside the block; nothing without a cluster."""
    return ray_session(cluster) if cluster else nullcontext()


def map_rows(ray, rows: list[dict], worker: type, given: tuple, cluster: Cluster, at_once: int) -> Iterator[dict]:
    """Blocks of rows through objects of a class, one in each process; what they make of a block, as soon as it is made.

    worker: its objects are made by `worker(*given)` and called with {name: values}, and so is what they return.
    at_once: most rows of a block, of which there are four for each process where the rows suffice. A process that dies
    is started again with what it had not finished. RayError when Ray cannot go on.
    """
    blocks = max(-(-len(rows) // at_once), min(len(rows), 4 * cluster.workers))
    ray.data.DataContext.get_current().enable_progress_bars = False
    pool = ray.data.ActorPoolStrategy(min_size=1, max_size=cluster.workers)
    lines = ray.data.from_items(rows, override_num_blocks=blocks).map_batches(
        worker,
        fn_constructor_args=given,
        compute=pool,
        num_gpus=cluster.gpu_share or None,
        batch_size=None,
    )
    try:
        yield from lines.iter_batches(batch_size=None, prefetch_batches=0)
    except ray.exceptions.RayError as error:
        raise RayError(
            f"Ray gave up ({_find_reason(error)}). What is done is kept: the same command goes on."
        ) from error


def _find_reason(error: Exception) -> str:
    """The last line that says something of what happened in a process."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def make_column(values: list) -> Any:
    """Objects as numpy keeps them: one in each place, whatever they hold."""
    import numpy as np

    column = np.empty(len(values), object)
    for place, value in enumerate(values):  # at once, arrays would be taken apart
        column[place] = value
    return column


class SentFiles:
    """Files of this machine for processes on any: each is sent once, and written there when it is asked for."""

    def __init__(self, ray, files: Iterable[str]):
        self._sent = {file: ray.put(Path(file).read_bytes()) for file in dict.fromkeys(files)}
        self._written: dict[str, str] = {}

    def fetch(self, file: str) -> str:
        """Where a file is in this process, under its own name."""
        if file not in self._written:
            import ray

            path = Path(tempfile.mkdtemp(prefix="consistentid-")) / Path(file).name
            path.write_bytes(ray.get(self._sent[file]))
            self._written[file] = str(path)
        return self._written[file]


def _check_address(address: str) -> None:
    """RayError where nobody listens at a host and port; Ray itself tries for minutes."""
    found = re.fullmatch(r"(?:ray://)?([^:/]+):(\d+)", address)
    if not found:
        return
    try:
        socket.create_connection((found[1], int(found[2])), CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise _say_unreachable(address, error) from error


def _say_unreachable(address: str, error: Exception) -> RayError:
    where = f"at {address}" if address else "on this machine"
    reason = str(error).strip().partition("\n")[0]
    return RayError(
        f"Ray cannot be reached {where} ({type(error).__name__}: {reason}). `ray status` tells of a cluster, and one "
        "that asks for a token takes it from RAY_AUTH_TOKEN; --ray without an address starts one here."
    )


def _join_path() -> str:
    """Where the processes find this package, and what else they were given."""
    return os.pathsep.join([str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
