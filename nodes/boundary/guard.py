"""What every node of this pack keeps to where it meets the host: choices that exist, and errors that a log can take."""

import inspect
import math
import re
import traceback
from functools import wraps
from typing import NoReturn

from comfy.model_management import OOM_EXCEPTION, InterruptProcessingException
from comfy_api.latest import io

from ...consistentid.errors import ConsistentIDError, describe_os_error, make_encodable, restate

BROKEN = re.compile("[\ud800-\udfff]")
WIDGETS = (io.String.Input, io.Int.Input, io.Float.Input, io.Boolean.Input)
METHODS = ("execute", "validate_inputs", "fingerprint_inputs")


def guard(node: type[io.ComfyNode]) -> type[io.ComfyNode]:
    """The node, with its own methods guarded; their signatures, which the host reads, stay."""
    for name in METHODS:
        if name in vars(node):
            setattr(node, name, classmethod(_guard_method(vars(node)[name].__func__)))
    return node


def _guard_method(method):
    @wraps(method)
    def guarded(cls, *values, **inputs):
        try:
            if method.__name__ == "execute":
                check_inputs(cls, inputs)
            result = method(cls, *values, **inputs)
        except (InterruptProcessingException, OOM_EXCEPTION):
            raise  # the host knows them by their type
        except OSError as error:
            _raise_encodable(_explain(error))
        except Exception as error:
            _raise_encodable(error)
        return make_encodable(result) if isinstance(result, str) else result

    vars(guarded)["__signature__"] = inspect.signature(method)
    return guarded


def check_inputs(node: type[io.ComfyNode], inputs: dict) -> None:
    """ConsistentIDError for a value that cannot be meant: hosts check few of them.

    Names of files are left to the loader, which knows the same file under its other names.
    """
    by_loader = list(inspect.signature(node.validate_inputs).parameters)[:1] if "validate_inputs" in vars(node) else []
    for item in node.define_schema().inputs:
        given = inputs.get(item.id)
        for value in given if isinstance(given, list) else [given]:
            if value is not None:
                _check_value(item, value, item.id in by_loader)


def _check_value(item: io.Input, value, is_file: bool) -> None:
    if isinstance(item, io.Combo.Input):
        if not is_file and value not in item.options:
            raise ConsistentIDError(
                f"{item.id} is {value!r:.200}, which is no choice of this node. Choose one of: "
                f"{', '.join(map(str, item.options))}."
            )
    elif not isinstance(item, WIDGETS) and (
        isinstance(value, str | int | float) or (isinstance(value, dict) and not value)
    ):
        raise ConsistentIDError(f"{item.id} is {value!r:.200}: connect the output of another node to it.")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ConsistentIDError(f"{item.id} is {value}, which is no number. Type another.")
    elif isinstance(value, str) and (broken := BROKEN.search(value)):
        raise ConsistentIDError(
            f"{item.id} holds half a letter, {broken[0]!r} at place {broken.start() + 1}, as a cut emoji leaves it. "
            "Type it again."
        )


def _explain(error: OSError) -> Exception:
    """The error, or one that says which file it is about and what to do, where that is known."""
    text = describe_os_error(error)
    return error if text == str(error) else ConsistentIDError(text).with_traceback(error.__traceback__)


def _raise_encodable(error: Exception) -> NoReturn:
    """Raise the error, or where a log cannot take it with all that led to it, one that says the same in ASCII."""
    if _is_encodable(error):
        raise error
    plain = restate(error).with_traceback(error.__traceback__)
    raise (plain if _is_encodable(plain) else plain.with_traceback(None)) from None


def _is_encodable(error: Exception) -> bool:
    text = "".join(traceback.format_exception(error))
    return make_encodable(text) == text
