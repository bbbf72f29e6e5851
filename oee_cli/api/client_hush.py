"""Imported by whoever imports a library that logs: what it logs or warns of is nothing to those who type, and
unheard, Python would write it, with tracebacks, among our own lines. `OEE_DEBUG=1` lets it be heard.
"""

from __future__ import annotations

import logging
import os

if os.environ.get("OEE_DEBUG") == "1":
    logging.basicConfig(level=logging.WARNING)
else:
    logging.getLogger().addHandler(logging.NullHandler())
logging.captureWarnings(True)
