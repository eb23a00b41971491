"""The only door to JavaScript. It imports on desktop CPython; what needs a browser says so when it is used."""

from intab.browser._js import in_browser

__all__ = ["in_browser"]
