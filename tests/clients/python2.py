"""Libraries that were written for Python 2, as they are, under Python 3.

What differs is put in their way: names of modules, the clause of an exception, imports of a neighbour by its bare name,
`map` that makes a list.
"""

import builtins
import http.client
import importlib.util
import re
import sys
import types
import xmlrpc.client
from importlib.machinery import SourceFileLoader
from pathlib import Path

CLAUSE = re.compile(rb"^(\s*except [\w.]+), (\w+):", re.MULTILINE)


class _Loader(SourceFileLoader):
    """Reads what Python 3 writes in another way."""

    def get_data(self, path: str) -> bytes:
        data = super().get_data(path)
        return CLAUSE.sub(rb"\1 as \2:", data) if path.endswith(".py") else data


def load(package: str, module: str = "__init__") -> types.ModuleType:
    """A module of a package that is in the path; the package itself when none is named."""
    name = package if module == "__init__" else f"{package}.{module}"
    if name in sys.modules:
        return sys.modules[name]
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.origin is not None
    home = Path(found.origin).parent
    sys.path.insert(0, str(home))
    sys.modules |= _modules()
    spec = importlib.util.spec_from_loader(name, _Loader(name, str(home / f"{module}.py")))
    assert spec is not None
    assert spec.loader is not None
    made = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    for path in home.glob("*.py"):
        if path.stem in sys.modules:
            vars(sys.modules[path.stem])["map"] = lambda *arguments: list(builtins.map(*arguments))
    return made


def _modules() -> dict[str, types.ModuleType]:
    """Modules of Python 2 by their names of that time."""
    new, httplib = types.ModuleType("new"), types.ModuleType("httplib")
    vars(new)["classobj"] = type
    vars(httplib).update(vars(http.client), HTTP=http.client.HTTPConnection)
    return {"new": new, "httplib": httplib, "xmlrpclib": xmlrpc.client}
