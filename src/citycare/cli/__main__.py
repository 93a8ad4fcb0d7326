"""`python -m citycare.cli`."""

from citycare.cli import main

if __name__ == "__main__":
    main()
