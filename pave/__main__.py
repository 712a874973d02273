"""`python -m pave`."""

from pave.cli.main import main

main()
