"""The Jupyter kernel "mend" of this environment: what notebooks run on, by JupyterLab and by the pipeline.

A kernel called "python3" is whatever environment JupyterLab was started from; this one always is ours.
Install it with `python -m pipeline.kernelspec`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ipykernel.kernelspec import install

KERNEL_NAME = "mend"
DISPLAY_NAME = "Mend"
QUIET = {"DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}


def install_kernelspec(prefix: Path) -> Path:
    """Install the kernel under an environment's prefix, over an older one, and return its folder.

    Frozen modules start a kernel faster; they only keep a debugger out of the standard library.
    """
    folder = install(
        kernel_name=KERNEL_NAME, display_name=DISPLAY_NAME, prefix=str(prefix), env=dict(QUIET), frozen_modules=True
    )
    return Path(folder)


if __name__ == "__main__":
    sys.stdout.write(f"kernel {KERNEL_NAME}: {install_kernelspec(Path(sys.prefix))}\n")
