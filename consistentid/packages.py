"""Optional Python packages: what is missing, and what is there but broken, is said with the step that helps."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import MissingPackageError

INSTALLED_AS = {
    "cv2": "opencv-python-headless",
    "skimage": "scikit-image",
    "yaml": "pyyaml",
    "google": "protobuf",
    "PIL": "pillow",
    "dlib": "dlib-bin",
}
_REMEDIES = (
    (
        r"libGL\.so|libgthread|libglib|libSM\.so|libXext",
        "OpenCV's build with windows needs a display library. Take the one without: python -m pip uninstall -y "
        "opencv-python && python -m pip install --force-reinstall --no-deps opencv-python-headless",
    ),
    (
        r"DLL load failed",
        "A Windows library it needs is missing: install the Microsoft Visual C++ Redistributable (x64), then {again}",
    ),
    (
        r"ml_dtypes",
        "Its partner ml_dtypes is too old or too new: python -m pip install --upgrade ml_dtypes",
    ),
    (
        r"Descriptors cannot be created|protobuf|google\.|_message|runtime_version",
        "It and protobuf do not belong together: python -m pip install --upgrade protobuf",
    ),
    (
        r"numpy|_ARRAY_API|multiarray|dtype size changed|NumPy",
        "It was built for another NumPy than the one installed. Take a build for this one: "
        "python -m pip install --upgrade --force-reinstall --no-deps {package}",
    ),
)
_SHOWN = 300


@contextmanager
def needed(package: str, purpose: str) -> Iterator[None]:
    """Around import statements: any error of them becomes a MissingPackageError that says what to do.

    package: as pip names it, with a version where one is needed. purpose: what needs it, the beginning of a sentence.
    """
    try:
        yield
    except Exception as error:  # a broken package raises AttributeError, TypeError, RuntimeError, OSError too
        raise _explain(package, purpose, error) from error


def _explain(package: str, purpose: str, error: Exception) -> MissingPackageError:
    name = re.split(r"[\[<>=]", package)[0]
    absent = (error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    module, _, part = absent.partition(".")
    if module and (not part or absent in sys.modules):  # a package that lacks a part of itself is there
        missing = INSTALLED_AS.get(module, module)
        is_absent = sys.modules.get(module) is None
        if missing == name or module == name.replace("-", "_"):
            return MissingPackageError(package, purpose, error)
        if is_absent:
            return MissingPackageError(missing, f"{purpose} needs '{name}', and that", error)
    broken = _find_culprit(error) or name
    text = " ".join(str(error).split())[:_SHOWN]
    again = f"python -m pip install --force-reinstall --no-deps {broken}"
    found = next((step for pattern, step in _REMEDIES if re.search(pattern, text)), "Install it again: {again}")
    step = found.format(again=again, package=broken)
    return MissingPackageError.broken(name, purpose, broken, f"{type(error).__name__}: {text}", step)


def _find_culprit(error: Exception) -> str:
    """The package whose own code was being imported when it failed, as pip names it; '' where no code was reached."""
    found, trace = "", error.__traceback__
    while trace:
        module: str = trace.tb_frame.f_globals.get("__name__", "").partition(".")[0]
        if module not in ("", "__main__", __name__.partition(".")[0]) and module not in sys.stdlib_module_names:
            found = INSTALLED_AS.get(module, module)
        trace = trace.tb_next
    return found
