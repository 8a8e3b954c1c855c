"""A file that one process at a time holds; the system takes it from a holder that ends. Standard library only."""

import errno
import os
import time
from contextlib import contextmanager

POLL_SECONDS = 0.2
HELD = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)


@contextmanager
def holding(path, what):
    """Wait until no other process holds the file, which is made if need be; `what` tells people what is waited for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        if not _try_to_hold(file):
            print(f"Waiting for another quick start, which {what}.", flush=True)
            while not _try_to_hold(file):
                time.sleep(POLL_SECONDS)
        yield  # closing the file lets go of it


def _try_to_hold(file):
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError as error:
        return error.errno not in HELD  # a disk that knows no locks: better alone than waiting for ever
