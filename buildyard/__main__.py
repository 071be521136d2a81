"""``python -m buildyard`` and the ``buildyard`` command."""

from __future__ import annotations

import sys

from buildyard.cli import main

if __name__ == "__main__":
    sys.exit(main())
