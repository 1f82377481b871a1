"""The command line, ``optiproxy``: one file for each command, imported when it is used."""

from optiproxy.cli.app import main

__all__ = ["main"]
