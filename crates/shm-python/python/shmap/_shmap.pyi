"""The extension module. What is public of it has its types in `__init__.pyi` and `sharedmap.pyi`."""

from typing import Any

def __getattr__(name: str) -> Any: ...
