"""Silences the logs and warnings of libraries, for modules that import one: to a person who types commands
they say nothing, and Python would write them, with tracebacks, among our own lines. `OEE_DEBUG=1` lets them
be heard.
"""

from __future__ import annotations

import logging
import os

if os.environ.get("OEE_DEBUG") == "1":
    logging.basicConfig(level=logging.WARNING)
else:
    logging.getLogger().addHandler(logging.NullHandler())
logging.captureWarnings(True)
