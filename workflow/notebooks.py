"""Makes what follows from the notebooks' sources: run it after editing one (`python workflow/notebooks.py`).

The percent scripts notebooks/*.py are the source. From them come the other folds' scripts (from fold 1's), the
setup cell in all of them, and the output-free .ipynb beside each. A second run changes nothing.
"""

import re
from pathlib import Path

import jupytext
import nbformat
import yaml

PROJECT = Path(__file__).resolve().parents[1]
SETUP = """\
# %% tags=["setup", "remove-cell"]
# Kaggle and Colab: sercore from the wheel of an attached dataset, else from the repository; torch and numpy stay.
# fmt: off
import glob, importlib.metadata, importlib.util
if not importlib.util.find_spec("sercore"):
    wheels = [f"{wheel}[book]" for wheel in glob.glob("/kaggle/input/**/sercore-*.whl", recursive=True)]
    pins = " ".join(f"{name}=={importlib.metadata.version(name)}" for name in ("torch", "numpy"))
    get_ipython().run_line_magic("pip", f"install -q '{[*wheels, 'sercore[book] @ git+$REPOSITORY'][0]}' {pins}")
# fmt: on

"""
ADDRESS_MISSING = "the-address-of-the-repository-goes-into-_config.yml"
METADATA = {
    "jupytext": {"formats": "ipynb,py:percent"},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
}


def main() -> None:
    """Writes every file whose content is not what it should be, and names it."""
    for path, text in contents().items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(PROJECT)}")


def contents() -> dict[Path, str]:
    """Every file that follows from the sources, with its text."""
    folder, texts = PROJECT / "notebooks", {}
    sources = [path for path in sorted(folder.glob("*.py")) if path.stem != "conftest"]
    scripts = {path.stem: stamped(path.read_text(encoding="utf-8")) for path in sources}
    scripts |= {f"loso_fold_{fold}": fold_page(scripts["loso_fold_1"], fold) for fold in range(2, 6)}
    for name, script in scripts.items():
        texts[folder / f"{name}.py"] = script
        texts[folder / f"{name}.ipynb"] = notebook(name, script)
    return texts


def stamped(script: str) -> str:
    """The script with today's setup cell."""
    settings = yaml.safe_load((PROJECT / "_config.yml").read_text(encoding="utf-8"))
    address = settings["repository"]["url"] or ADDRESS_MISSING
    cell = SETUP.replace("$REPOSITORY", address)
    old = re.compile(r'^# %% tags=\["setup".*?(?=^# %%)', re.DOTALL | re.MULTILINE)
    stamped, cells = old.subn(lambda _: cell, script)
    if cells != 1:
        raise ValueError(f"a notebook has {cells} setup cells; it needs exactly one.")
    return stamped


def fold_page(script: str, fold: int) -> str:
    """Fold 1's page for another fold: its title and its parameter differ."""
    titled = re.sub(r"^# # Fold 1:", f"# # Fold {fold}:", script, count=1, flags=re.MULTILINE)
    return re.sub(r"^fold = 1\b", f"fold = {fold}", titled, count=1, flags=re.MULTILINE)


def notebook(name: str, script: str) -> str:
    """The script as a notebook without outputs, its cell ids counted through so that they stay the same."""
    pages = jupytext.reads(script, "py:percent")
    for number, cell in enumerate(pages.cells):
        cell["id"] = f"{name}-{number}"
    pages.metadata = nbformat.from_dict(METADATA)
    return nbformat.writes(pages, version=4) + "\n"


if __name__ == "__main__":
    main()
