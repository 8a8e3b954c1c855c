"""Follows rows through other packs' `attn2_patch` functions, which lengthen and reorder batches as they like.

Attention-couple packs repeat the rows of a query for every region and say nowhere which are whose. Between two
functions of ours the query and the text are tensors that know where their rows come from.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

TRACE = "consistentid_trace"
_NEW = -1


class Trace(NamedTuple):
    """Which rows those of a cross-attention's query and text were, None if they were lost, and who may have."""

    query: tuple[int, ...] | None
    text: tuple[int, ...] | None
    modules: tuple[str, ...]


def _list_functions(*names: str) -> set[Callable]:
    return {getattr(owner, name) for owner in (torch, Tensor) for name in names if hasattr(owner, name)}


_LOSING = _list_functions(
    *("empty_like", "full_like", "ones_like", "rand_like", "randn_like", "zeros_like", "where", "scatter", "gather"),
    *("new_empty", "new_full", "new_ones", "new_tensor", "new_zeros"),
)
_SHAPING = _list_functions("reshape", "view")
_JOINING = _list_functions("cat", "concat", "concatenate", "stack", "vstack")
_MOVING = _JOINING | _list_functions(
    *("chunk", "split", "tensor_split", "unbind", "narrow", "select", "index_select", "__getitem__", "repeat", "tile"),
    *("repeat_interleave", "expand", "expand_as", "flip", "roll", "unsqueeze", "squeeze", "transpose", "permute"),
    *("movedim", "flatten", "unflatten", "reshape", "view"),
)


class TracedTensor(Tensor):
    """`plain` [..., C], and in `origin` [..., 1] the numbers of the rows that its own came from; -1: none of them.

    What moves rows moves their numbers alike. Anything else that keeps the count of rows keeps their numbers; what does
    neither gives a plain tensor, and what writes into one makes its rows unknown.
    """

    plain: Tensor
    origin: Tensor | None

    @staticmethod
    def make(plain: Tensor, origin: Tensor) -> "TracedTensor":
        traced = plain.as_subclass(TracedTensor)
        traced.plain, traced.origin = plain, origin
        return traced

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if _writes(function, args):
            args[0].origin = None
        result = function(*_change(args, _forget), **_change(kwargs, _forget))
        if isinstance(result, Tensor):
            return _follow(result, _find_origin(function, args, kwargs, result))
        if function in _MOVING:
            origins = _find_origin(function, args, kwargs, result) or [None] * len(result)
            return tuple(map(_follow, result, origins))
        return result


def trace_rows(functions: list[Callable]) -> list[Callable]:
    """`attn2_patch` functions between two of ours, which leave a Trace in extra_options[TRACE]."""
    modules = {getattr(function, "__module__", None) or str(function) for function in functions}
    return [_begin, *functions, partial(_end, tuple(sorted(modules)))]


def _begin(query: Tensor, key: Tensor, value: Tensor, extra_options: dict) -> tuple:
    return _number(query), _number(key), value


def _end(modules: tuple[str, ...], query: Tensor, key: Tensor, value: Tensor, extra_options: dict) -> tuple:
    extra_options[TRACE] = Trace(_read(query), _read(key), modules)
    return tuple(map(_forget, (query, key, value)))


def _number(tensor: Tensor) -> TracedTensor:
    return TracedTensor.make(tensor, torch.arange(len(tensor)).view(-1, 1, 1).expand(-1, tensor.shape[1], 1))


def _read(tensor: Tensor) -> tuple[int, ...] | None:
    if not isinstance(tensor, TracedTensor) or tensor.origin is None or tensor.origin.ndim != 3:
        return None
    return tuple(tensor.origin[:, 0, 0].tolist())


def _find_origin(function: Callable, args: tuple, kwargs: dict, result):
    """The numbers of a result's rows; None if nobody can tell."""
    if function in _LOSING:
        return None
    if function not in _MOVING:
        return next((arg.origin for arg in args if isinstance(arg, TracedTensor)), None)
    if function in _SHAPING and args[0].shape[-1] == result.shape[-1]:
        return args[0].origin.reshape(*result.shape[:-1], 1) if args[0].origin is not None else None
    number = _number_new if function in _JOINING else _list_origin
    try:
        return function(*_change(args, number), **_change(kwargs, number))
    except (RuntimeError, IndexError, TypeError, AttributeError):
        return None


def _follow(result: Tensor, origin: Tensor | None) -> Tensor:
    if origin is None or origin.shape[:-1] != result.shape[:-1] or not origin.numel():
        return result
    return TracedTensor.make(result, origin[..., :1])


def _writes(function: Callable, args: tuple) -> bool:
    """Whether a function writes other rows into a traced tensor, as an assignment does."""
    name = getattr(function, "__name__", "")
    in_place = name == "__setitem__" or (name.endswith("_") and not name.endswith("__"))
    return in_place and isinstance(args[0], TracedTensor) and any(isinstance(arg, Tensor) for arg in args[1:])


def _forget(value):
    return value.plain if isinstance(value, TracedTensor) else value


def _list_origin(value):
    if isinstance(value, TracedTensor):
        return value.origin
    return value.cpu() if isinstance(value, Tensor) else value  # an index


def _number_new(value):
    """The numbers of a tensor that is joined to others, whose rows may be new."""
    if isinstance(value, Tensor) and not isinstance(value, TracedTensor):
        return torch.full((*value.shape[:-1], 1), _NEW)
    return _list_origin(value)


def _change(values, change: Callable) -> Any:
    """The same structure with `change` of every leaf."""
    if isinstance(values, tuple | list):
        return (tuple if isinstance(values, tuple) else list)(_change(value, change) for value in values)
    if isinstance(values, dict):
        return {key: _change(value, change) for key, value in values.items()}
    return change(values)
