"""``python -m benchmark``: the same as ``pcbench``."""

import sys

from benchmark.cli import main

sys.exit(main())
