"""What `pip install optiproxy` brings: each requirement with the MB that it takes on disk.

    python scripts/dependencies.py

The second number is that of packages that no other requirement brings along.
"""

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution


def requirements(name: str) -> Iterator[str]:
    for line in distribution(name).requires or ():
        match = re.match(r"[\w.-]+", line)
        if match and "extra ==" not in line:
            try:
                yield distribution(match.group()).metadata["Name"].lower()
            except PackageNotFoundError:  # for other systems or versions of Python
                continue


def closure(name: str, found: set[str]) -> set[str]:
    if name not in found:
        found.add(name)
        for other in requirements(name):
            closure(other, found)
    return found


def megabytes(names: set[str]) -> float:
    files = [file.locate() for name in names for file in distribution(name).files or ()]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


wanted = {name: closure(name, set()) for name in requirements("optiproxy")}
for name, brought in sorted(wanted.items(), key=lambda item: -megabytes({item[0]})):
    others = set().union(*(packages for other, packages in wanted.items() if other != name))
    print(f"{name:14}{megabytes({name}):8.1f}{megabytes(brought - others - {name}):8.1f}")
everything = set().union(*wanted.values())
print(f"{len(everything)} packages, {megabytes(everything):.0f} MB")
