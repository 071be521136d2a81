"""A fault of the program's own, kept for whoever mends it: where it happened, and no value of any variable."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from time import gmtime, strftime

from state.errors import BuildyardError
from state.files import make_private_folder, write_file


def keep_fault(folder: Path, redact: Callable[[str], str], fault: BaseException, now: float) -> Path | None:
    """Writes the traceback into a file that only its owner reads.

    Args:
        folder: for such files.
        redact: hides what is known to be secret; an exception's text may hold anything.
        now: seconds since the epoch; names the file.

    Returns:
        The file; None when it cannot be written (what happened is then only said).
    """
    path = folder / f"{strftime('%Y%m%d-%H%M%S', gmtime(now))}.log"
    lines = traceback.format_exception(type(fault), fault, fault.__traceback__)
    try:
        make_private_folder(folder.parent)
        make_private_folder(folder)
        write_file(path, redact("".join(lines)).encode(errors="replace"))
    except BuildyardError:
        return None
    return path
