"""One setting, `repository.url`, brings every button that needs the repository's address, or none."""

import importlib.util
from types import SimpleNamespace

import pytest

from sercore.paths import PROJECT


@pytest.fixture(scope="module")
def extension():
    """book/_ext/repository.py as a module."""
    spec = importlib.util.spec_from_file_location("repository", PROJECT / "book/_ext/repository.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def options(address: str) -> dict:
    return {"repository_url": address, "repository_branch": "main", "launch_buttons": {"colab_url": "https://colab"}}


@pytest.mark.parametrize(
    ("address", "repository", "launch"),
    [
        ("", False, False),
        ("https://github.com/someone/sercore", True, True),
        ("https://gitlab.com/someone/sercore", True, False),
    ],
)
def test_buttons_follow_the_address(extension, address, repository, launch):
    config = SimpleNamespace(html_theme_options=options(address))
    extension.follow_the_address(None, config)
    assert config.html_theme_options["use_repository_button"] is repository
    assert bool(config.html_theme_options["launch_buttons"]) is launch


def test_kaggle_opens_the_notebook_of_the_page(extension):
    app = SimpleNamespace(config=SimpleNamespace(html_theme_options=options("https://github.com/someone/sercore/")))
    context = {"header_buttons": [{"type": "group", "label": "launch-buttons", "buttons": []}]}
    extension.offer_kaggle(app, "notebooks/corpora", "page.html", context, None)
    (button,) = context["header_buttons"][0]["buttons"]
    assert button["url"].endswith("welcome?src=https://github.com/someone/sercore/blob/main/notebooks/corpora.ipynb")
