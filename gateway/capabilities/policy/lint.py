"""temp"""
from typing import Any
def lint(program: Any, data: Any) -> list[Any]:
    return []
