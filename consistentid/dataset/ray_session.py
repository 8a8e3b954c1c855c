"""Ray: started on this machine for one run, or the cluster at an address."""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import ConsistentIDError
from ..packages import needed

PACKAGE = Path(__file__).resolve().parents[1]
CONNECT_S = 5
OBJECT_STORE_BYTES = 256 * 1024**2
"""Between the processes of one machine only names and reasons are exchanged."""


class RayError(ConsistentIDError):
    """A cluster that cannot be reached, or work on it that failed for good."""


@contextmanager
def ray_session(address: str, workers: int) -> Iterator[Any]:
    """Ray's module, connected; "" starts it here with so many processes. It ends with the block, as does the
    connection; one that the caller has made stays.

    The machines of a cluster get this package sent; they need its requirements, and models at the same paths.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DATA_LOG_LEVEL", "ERROR")
    with needed("ray[data]", "--ray"):
        import ray
        import ray.data
    _check_address(address)
    if ray.is_initialized():
        yield ray
        return
    options: dict[str, Any] = {"address": address, "runtime_env": {"py_modules": [str(PACKAGE)]}}
    if not address:
        options = {"address": "local", "num_cpus": workers, "object_store_memory": OBJECT_STORE_BYTES}
        options |= {"include_dashboard": False, "runtime_env": {"env_vars": {"PYTHONPATH": _join_path()}}}
    try:
        ray.init(logging_level="ERROR", log_to_driver=False, **options)
    except Exception as error:
        raise _say_unreachable(address, error) from error
    try:
        yield ray
    finally:
        ray.shutdown()


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
