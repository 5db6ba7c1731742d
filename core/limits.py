"""Say what the system refused: space, memory, open files, threads or rights."""

from __future__ import annotations

import errno
import re
import resource
import threading

from ape.core.errors import InputError

REMEDIES = {
    errno.ENOSPC: "free space or choose another folder",
    errno.EDQUOT: "free space or choose another folder",
    errno.EFBIG: "allow larger files (ulimit -f), or free space",
    errno.EIO: "check the disk, or choose another folder",
    errno.EROFS: "choose another folder",
    errno.EACCES: "check the permissions or choose another folder",
    errno.EPERM: "check the permissions or choose another folder",
    errno.EEXIST: "a part of the path is a file: choose another folder",
    errno.ENOTDIR: "a part of the path is a file: choose another folder",
    errno.EMFILE: "allow this process more open files, for example: ulimit -n 1024",
    errno.ENFILE: "close other programs: the machine has too many open files",
    errno.ENOMEM: "close other programs, or lift the limit of memory (ulimit -v)",
    errno.EAGAIN: "allow more processes and threads (ulimit -u)",
}
ANY_REMEDY = "free space, or check the permissions"
SIGNS = {  # in what libraries say, which give no number
    errno.ENOMEM: r"allocat\w* .*memory|enough memory|unable to allocate|failed to map segment|load shared object"
    r"|out of memory|bad_alloc|resource shortage",
    errno.EAGAIN: r"can't start new thread|resource temporarily unavailable|thread creation failed",
    errno.EMFILE: r"too many open files",
}
WORDS = {
    errno.ENOMEM: "too little memory",
    errno.EAGAIN: "no more threads or processes are allowed",
    errno.EMFILE: "too many open files",
}


def remedy(error: OSError) -> str:
    """Return what a person can do about an error of the system."""
    return REMEDIES.get(error.errno or 0, ANY_REMEDY)


def what_failed(error: OSError) -> str:
    """Return what the system refused, where, and what to do about it."""
    place = f" ({error.filename})" if error.filename else ""
    return shortage(error) or f"{error.strerror or error}{place}: {remedy(error)}"


def shortage(error: BaseException) -> str:
    """Return what the system is short of and what to do about it; an empty text if ``error`` has another cause."""
    each: BaseException | None = error
    while each is not None:
        number = errno.ENOMEM if isinstance(each, MemoryError) else getattr(each, "errno", None)
        signs = (known for known, sign in SIGNS.items() if re.search(sign, str(each), re.IGNORECASE))
        number = number if number in WORDS else next(signs, None)
        if number is not None:
            return f"{WORDS[number]}: {REMEDIES[number]}"
        each = each.__cause__ or each.__context__
    return ""


def require_limits(memory: float, files: int, threads: int) -> None:
    """Refuse limits under which the libraries cannot be loaded, or fail in any way. Call it before they are imported.

    Parameters
    ----------
    memory : float
        GB of addresses that they need.
    files : int
        Number of open files that they need.
    threads : int
        Number of threads, besides those that run. Libraries end the process if they cannot start one.

    Raises
    ------
    InputError
        This process may use less.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < memory * 1e9:
        what = f"too little memory: this process may use {limit / 1e9:.1f} GB and needs {memory} GB at least"
        raise InputError(what, "ulimit -v", "lift the limit")
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and limit < files:
        what = f"too many open files: this process may have {limit} and needs {files} at least"
        raise InputError(what, "ulimit -n", "allow more, for example: ulimit -n 1024")
    _require_threads(threads)


def _require_threads(count: int) -> None:
    """Refuse a limit of processes under which so many threads cannot be started."""
    ends, started = threading.Event(), list[threading.Thread]()
    try:
        for _ in range(count):
            started.append(threading.Thread(target=ends.wait))
            started[-1].start()
    except RuntimeError as error:
        what = f"{WORDS[errno.EAGAIN]}: {count} more are needed"
        raise InputError(what, "ulimit -u", "allow more, or end other programs") from error
    finally:
        ends.set()
        for thread in started:
            if thread.ident is not None:
                thread.join()
