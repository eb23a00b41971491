"""The types that the page's JavaScript is checked against are those of intab.browser.messages."""

import declare_messages
from intab.browser.messages import METHODS


def test_the_declarations_are_not_stale():
    written = declare_messages.TARGET.read_text(encoding="utf-8")
    assert written == declare_messages.declarations(), "run python scripts/declare_messages.py"


def test_every_method_is_declared():
    text = declare_messages.declarations()
    for name, method in METHODS.items():
        assert f"{name}: {{ arguments: {method.arguments.__name__}; result: {method.result.__name__} }};" in text
