"""The functions and constants of a page, without running it."""

import ast
from types import SimpleNamespace

import pytest

from sercore.paths import PROJECT


@pytest.fixture(scope="session")
def page_functions():
    """`page = page_functions("corpora")`, then `page.name_of_a_function(...)`."""
    return load_page


def load_page(name: str) -> SimpleNamespace:
    """Imports, functions, classes and constants of notebooks/`name`.py; nothing else of it is run.

    Constants are literals, such as the parameters, and names in capitals.
    """
    file = PROJECT / "notebooks" / f"{name}.py"
    tree = ast.parse(file.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if _defines(node)]
    page = {"__name__": name}
    exec(compile(tree, file, "exec"), page)
    return SimpleNamespace(**page)


def _defines(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Assign):
        return isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)
    try:
        ast.literal_eval(node.value)
    except ValueError:
        return all(isinstance(target, ast.Name) and target.id.isupper() for target in node.targets)
    return True
