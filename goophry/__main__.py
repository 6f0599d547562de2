"""`python -m goophry` is `goophry`."""

from goophry.cli.main import main

if __name__ == "__main__":
    main()
