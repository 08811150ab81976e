"""What code does, as a digest of its syntax: the same under every Python, whatever comments and docstrings say."""

import ast
import hashlib
from functools import cache
from pathlib import Path

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def digest_code(file: Path) -> str:
    """Changes with any statement of a file, not with its layout, comments or docstrings, nor with who parses it."""
    return _digest(file.read_text(encoding="utf-8"))


@cache
def _digest(code: str) -> str:
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
        if isinstance(node, ast.JoinedStr):  # an f-string; 3.12 puts empty texts into it
            node.values = [one for one in node.values if getattr(one, "value", None) != ""]
    return hashlib.sha1(ascii(_nest(tree)).encode()).hexdigest()[:12]


def _nest(node):
    """A tree as tuples, without empty fields: each version of Python adds some, and 3.13 no longer shows them."""
    if isinstance(node, list):
        return [_nest(one) for one in node]
    if not isinstance(node, ast.AST):
        return node
    fields = [(name, _nest(value)) for name, value in ast.iter_fields(node) if value is not None and value != []]
    return type(node).__name__, fields
