"""Every error a user can meet: each says what was found, where, and what to do."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ADVICE = {
    errno.ENOSPC: "The disk is full: make room on it, or choose another folder.",
    errno.EDQUOT: "The disk space allowed to this user is used up: make room, or choose another folder.",
    errno.EROFS: "The disk can only be read: choose a folder on another one, or mount it for writing.",
    errno.EACCES: "This user may not do that there: change the rights of the file or folder, or choose another.",
    errno.EPERM: "This user may not do that there: change the rights of the file or folder, or choose another.",
    errno.EIO: "The disk, or the network it is on, fails: check it, or choose another folder.",
    errno.ENAMETOOLONG: "The name is too long: choose a shorter one.",
}


def describe_os_error(error: OSError) -> str:
    """Which file it is about, what the system says, and what to do; what Python says where nothing is known.

    >>> describe_os_error(OSError(errno.ENOSPC, "No space left on device", "x.bin"))
    'x.bin: No space left on device. The disk is full: make room on it, or choose another folder.'
    """
    if error.errno not in _ADVICE:
        return make_encodable(str(error))
    file = f"{error.filename}: " if error.filename else ""
    return make_encodable(f"{file}{error.strerror}. {_ADVICE[error.errno]}")


def has_advice(error: OSError) -> bool:
    """Whether `describe_os_error` knows what to do."""
    return error.errno in _ADVICE


@contextmanager
def naming_file(path: Path) -> Iterator[None]:
    """Errors of the system inside are about this file, where they do not say themselves: those of writing do not."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


def make_encodable(text: str) -> str:
    r"""The text with `\uXXXX` for what UTF-8 or the terminal's and the log's encoding cannot take.

    Half an emoji is such a letter, and so is what Python makes of a file's name that is no UTF-8. Printed or logged as
    they are, they end the thread that does it.

    >>> make_encodable("\ud83d is half an emoji")
    '\\ud83d is half an emoji'
    """
    for encoding in {"utf-8", *(getattr(stream, "encoding", None) or "utf-8" for stream in (sys.stdout, sys.stderr))}:
        text = text.encode(encoding, "backslashreplace").decode(encoding)
    return text


class ConsistentIDError(ValueError):
    """Base of all errors this package raises on purpose. Its text can always be printed and logged."""

    def __str__(self) -> str:
        return make_encodable(super().__str__())


def restate(error: Exception) -> Exception:
    """An error of the same words that a log can take: a ConsistentIDError where it is one, else one for its kind."""
    if isinstance(error, ConsistentIDError):
        return ConsistentIDError(str(error))
    return RuntimeError(make_encodable(f"{type(error).__name__}: {error}"))


class CheckpointError(ConsistentIDError):
    """A weights file that cannot be read, or is not what was asked for."""


class IncompatibleModelError(ConsistentIDError):
    """Two models that do not belong together (adapter and base model, encoder and adapter)."""


class FaceNotFoundError(ConsistentIDError):
    """No usable face in the photo."""


class CaptionError(ConsistentIDError):
    """A caption or prompt that facial tokens cannot be placed in."""


class IdentityFileError(ConsistentIDError):
    """An identity file that cannot be read."""


class MissingPackageError(ConsistentIDError):
    """An optional Python package that this step needs is not installed, or cannot be imported."""

    def __init__(self, package: str, purpose: str, cause: Exception | None = None):
        reason = f" ({type(cause).__name__}: {cause})" if cause else ""
        command = f'"{package}"' if set(package) & set("<>[") else package
        super().__init__(
            f"{purpose} needs the Python package '{package}', which could not be imported{reason}. "
            f"Install it into the Python that runs ComfyUI: python -m pip install {command}"
        )

    @classmethod
    def broken(cls, package: str, purpose: str, culprit: str, reason: str, step: str) -> "MissingPackageError":
        """For a package that is there and fails: culprit is the one that raised, reason what it said."""
        error = cls(package, purpose)
        through = f", because of '{culprit}'" if culprit != package else ""
        error.args = (
            f"{purpose} needs the Python package '{package}', which is installed but does not work{through} ({reason})."
            f" {step}. Use the Python that runs ComfyUI, and restart it.",
        )
        return error
