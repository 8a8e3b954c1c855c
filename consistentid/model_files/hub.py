"""What Hugging Face says of a file: its address, size and hash. Mirror, token and offline mode are its library's.

The library's own download is not used: see transfer.py, which does the same for every server.
"""

from fnmatch import fnmatch

from ..packages import needed
from .manifest import File, Snapshot, Source
from .network import describe_failure
from .paths import require_distinct, require_safe_path
from .transfer import Address, DownloadError


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE forbids the network."""
    with needed("huggingface_hub", "Downloading models"):
        from huggingface_hub import constants
    return bool(constants.HF_HUB_OFFLINE)


def require_source(file: File) -> Source:
    """DownloadError for a file that has no source of its own, since it is in an archive."""
    if file.source is None:
        raise DownloadError(f"{file.path} has no source: it comes with the archive of its model.")
    return file.source


def locate_file(file: File) -> Address:
    """The address of a file with a source; for a repository, at the commit that its revision now names.

    Raises DownloadError when the hub cannot be reached, or states another size or hash than the manifest.
    """
    source = require_source(file)
    if not source.repository or not source.path:
        return Address(source.address, file.size, file.sha256)
    with needed("huggingface_hub", "Downloading models"):
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.utils import build_hf_headers
    try:
        found = get_hf_file_metadata(hf_hub_url(source.repository, source.path, revision=source.revision))
    except Exception as error:
        raise DownloadError(f"{source.address} is not available: {describe_failure(error)}.") from error
    stated = found.etag if found.etag and len(found.etag) == 64 else None
    for what, known, other in (("size", file.size, found.size), ("hash", file.sha256, stated)):
        if None not in (known, other) and known != other:
            raise DownloadError(f"{source.address} has the {what} {other} instead of {known}: it is another file.")
    url = hf_hub_url(source.repository, source.path, revision=found.commit_hash or source.revision)
    headers = tuple(build_hf_headers().items())
    return Address(url, file.size or found.size, file.sha256 or stated, headers)


def list_snapshot(snapshot: Snapshot) -> tuple[File, ...]:
    """The files of a snapshot, each pinned to the commit that the revision now names."""
    with needed("huggingface_hub", "Downloading models"):
        from huggingface_hub import HfApi
    try:
        info = HfApi().model_info(snapshot.repository, revision=snapshot.revision, files_metadata=True)
    except Exception as error:
        raise DownloadError(f"{snapshot.address} is not available: {describe_failure(error)}.") from error
    files = []
    for entry in info.siblings or ():
        path = entry.rfilename
        if "/" not in path and any(fnmatch(path, pattern) for pattern in snapshot.patterns):
            require_safe_path(path)
            source = Source(snapshot.repository, info.sha or snapshot.revision, path)
            files.append(File(path, entry.size or None, entry.lfs["sha256"] if entry.lfs else None, source))
    if not files:
        raise DownloadError(f"{snapshot.address} has no file like {', '.join(snapshot.patterns)}.")
    require_distinct(file.path for file in files)
    return tuple(files)
