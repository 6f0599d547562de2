"""Loading of a library only the parts that are asked for.

`import redis` loads the asynchronous client, the cluster's and all commands with it: 4 MB of
memory for a program that wants connections and errors. So the package can be put in its place
without its `__init__`, which runs as soon as anybody asks the package itself for something, as
for `redis.Redis`.
"""

import sys
from importlib.util import find_spec, module_from_spec
from typing import Any


def load_lazily(name: str) -> None:
    """Let modules of the package `name` be imported without all that the package itself imports.

    To be called before anybody imports it; does nothing if it is loaded already.
    """
    spec = find_spec(name) if name not in sys.modules else None
    if spec is None or spec.loader is None:
        return
    loader, package = spec.loader, module_from_spec(spec)

    def load(attribute: str) -> Any:
        # First: what the package's own modules ask it for must not come here again.
        package.__dict__.pop("__getattr__", None)
        loader.exec_module(package)
        return getattr(package, attribute)

    package.__dict__["__getattr__"] = load
    sys.modules[name] = package
