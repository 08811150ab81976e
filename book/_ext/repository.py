"""`repository.url` in _config.yml brings the launch, repository and issue buttons, or leaves them all out."""


def follow_the_address(app, config):
    """Jupyter Book refuses these buttons without an address, so they are not set in _config.yml but here."""
    options = config.html_theme_options
    address = options.get("repository_url") or ""
    options["use_repository_button"] = options["use_issues_button"] = bool(address)
    if "github.com/" not in address:  # Colab opens notebooks from nowhere else
        options["launch_buttons"] = {}


def launch_notebooks_only(app, pagename, templatename, context, doctree):
    """Colab cannot open a Markdown page, so the theme must not take one that runs code for a notebook."""
    if pagename in app.env.metadata and not context.get("page_source_suffix", "").endswith("ipynb"):
        app.env.metadata[pagename].pop("kernelspec", None)


def offer_kaggle(app, pagename, templatename, context, doctree):
    """The theme's launch buttons know Colab but not Kaggle, which takes a notebook by its address."""
    options = app.config.html_theme_options
    for group in context.get("header_buttons", []):
        if group.get("label") == "launch-buttons" and "github.com/" in (options.get("repository_url") or ""):
            address = f"{options['repository_url'].rstrip('/')}/blob/{options['repository_branch']}/{pagename}.ipynb"
            link = {"url": f"https://kaggle.com/kernels/welcome?src={address}", "icon": "fa-brands fa-kaggle"}
            group["buttons"].append({"type": "link", "text": "Kaggle", "tooltip": "Launch on Kaggle", **link})


def setup(app):
    app.connect("config-inited", follow_the_address)
    app.connect("html-page-context", launch_notebooks_only)
    app.connect("html-page-context", offer_kaggle, priority=502)  # after the theme's own at 501
    return {"parallel_read_safe": True, "parallel_write_safe": True}
