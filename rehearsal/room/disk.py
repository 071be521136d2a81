"""A machine's disk: a sparse ext4 image of the size's gigabytes, over which the vendor's image lies as the lower layer.

So ``df`` inside shows the size's disk, and a full disk fills nobody else's. The machine's own mount namespace mounts
it (see ``machine.py``): nothing shows on the host, and everything is unmounted when the machine's last process ends.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rehearsal.room.programs import run

IMAGE = "disk.img"


def make_disk(directory: Path, gib: int) -> None:
    """Makes the disk of the machine that lives in ``directory``; one that is there stays."""
    image = directory / IMAGE
    if image.exists():
        return
    half_made = directory / f"{IMAGE}.part"
    with half_made.open("wb") as file:
        file.truncate(gib * 1024**3)
    # Without reserved blocks and with lazy tables it is a few MB on the host, however large it says it is.
    run(["mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1", str(half_made)])
    half_made.rename(image)


@contextlib.contextmanager
def opened(directory: Path) -> Iterator[Path]:
    """The upper layer of a machine that is off, mounted while the block runs.

    Yields:
        the folder that lies over the vendor's image; paths in it are the machine's.
    """
    with tempfile.TemporaryDirectory(prefix="open-", dir=directory) as point:
        run(["mount", "-o", "loop,discard", str(directory / IMAGE), point])
        try:
            upper = Path(point) / "upper"
            upper.mkdir(exist_ok=True)
            upper.chmod(0o755)
            (Path(point) / "work").mkdir(exist_ok=True)
            yield upper
        finally:
            run(["umount", point])


def close_all(directory: Path) -> None:
    """Unmounts what a program that was killed left mounted below a folder of ours."""
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    targets = [line.split(" ")[1].encode().decode("unicode_escape") for line in lines]
    for target in reversed(targets):
        if target.startswith(f"{directory}/"):
            run(["umount", target])
