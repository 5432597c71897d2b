"""The parts of the site that build.py makes: the API reference, the gallery, MathJax, the check of links."""


class BuildError(Exception):
    """Why there is no site, in a line for the user."""
