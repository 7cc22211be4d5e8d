"""`python -m nettrain` does what the command `nettrain` does."""

from nettrain.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
