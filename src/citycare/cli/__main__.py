"""`python -m citycare.cli`."""

from citycare.cli import main

main()
