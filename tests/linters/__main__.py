"""The rules of this project that no ready-made tool checks: ``python -m tests.linters [ROOT]`` prints each breach and exits 1 if there is one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from tests.linters import configuration_doc, contract_files, docs_true, habits, locks_true, maps, mirrors, sizes

LINTERS: dict[str, Callable[[Path], list[str]]] = {
    "sizes": sizes.check,
    "maps": maps.check,
    "mirrors": mirrors.check,
    "habits": habits.check,
    "docs": docs_true.check,
    "configuration": configuration_doc.check,
    "contract": contract_files.check,
    "locks": locks_true.check,
}


def main(root: Path) -> int:
    breaches = {name: check(root) for name, check in LINTERS.items()}
    for name, found in breaches.items():
        print(f"{name}: {len(found) or 'no'} breach{'' if len(found) == 1 else 'es'}")
        for breach in found:
            print(f"  {breach}")
    return int(any(breaches.values()))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
