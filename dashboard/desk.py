"""The desk as a server: the pages of app.py behind their guard. `mend dashboard` runs it."""

from __future__ import annotations

import logging
from pathlib import Path

from starlette.middleware import Middleware
from streamlit import config
from streamlit.starlette import App

from dashboard import faults
from dashboard.guard import Guard
from dashboard.way_back import WayBack

logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")  # what refuses or breaks here says when
logging.getLogger("streamlit.error_util").addFilter(faults.SaidOnce())
app = App(
    Path(__file__).with_name("app.py"),
    middleware=[Middleware(Guard, names=config.get_option("server.allowedHosts")), Middleware(WayBack)],
    on_script_error=faults.one_line,
)
