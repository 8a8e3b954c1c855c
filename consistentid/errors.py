"""Every error a user can meet: each says what was found, where, and what to do."""


class ConsistentIDError(ValueError):
    """Base of all errors this package raises on purpose."""


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
