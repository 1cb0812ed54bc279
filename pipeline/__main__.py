"""`python -m pipeline` is `mend`."""

from pipeline.cli import main

main()
