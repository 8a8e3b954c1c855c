"""Why nothing came from the network, in words."""

import errno
import socket
import ssl

_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)


def describe_failure(error: BaseException) -> str:
    """What went wrong below an error of requests, httpx or huggingface_hub; its own first line where that is unknown.

    >>> describe_failure(socket.gaierror(-2, "Name or service not known"))
    'there is no network, or nobody there knows this address'
    """
    for cause in _list_causes(error):
        if is_outage(cause):
            return "there is no network, or nobody there knows this address"
        if "ProxyError" in type(cause).__name__:
            return "the proxy that HTTPS_PROXY names does not answer, or refuses this address"
        if isinstance(cause, ssl.SSLError):
            return f"its certificate was not accepted ({cause.reason or cause}); a filter or proxy may stand between"
        if isinstance(cause, ConnectionRefusedError):
            return "the connection was refused"
        if isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__:
            return "no answer came in time"
    text = str(error).strip() or "no details"
    return f"{type(error).__name__}: {text.splitlines()[0]}"


def is_outage(error: BaseException) -> bool:
    """Whether this, or what caused it, says that there is no network at all."""
    return any(
        isinstance(cause, socket.gaierror) or (isinstance(cause, OSError) and cause.errno in _UNREACHABLE)
        for cause in _list_causes(error)
    )


def _list_causes(error: BaseException | None) -> list[BaseException]:
    causes: list[BaseException] = []
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__ or error.__context__
    return causes
