"""`{% url "x" %}` of a name alone keeps its address. In every template, without a load.

A page has some forty, and to look one up takes longer than all else that its line does.
"""

from __future__ import annotations

from functools import cache

from django import template
from django.template import Context
from django.template.base import Parser, Token
from django.template.defaulttags import URLNode
from django.template.defaulttags import url as plain
from django.urls import NoReverseMatch, get_script_prefix, reverse
from django.utils.html import conditional_escape

register = template.Library()


@register.tag
def url(parser: Parser, token: Token) -> URLNode:
    node = plain(parser, token)
    if node.args or node.kwargs:
        return node
    return FixedURLNode(node.view_name, [], {}, node.asvar)


class FixedURLNode(URLNode):
    """Each name is of one application here: which one asks makes no difference."""

    def render(self, context: Context) -> str:
        try:
            address = _address(self.view_name.resolve(context), get_script_prefix())
        except NoReverseMatch:
            if self.asvar is None:
                raise
            address = ""
        if self.asvar:
            context[self.asvar] = address
            return ""
        return conditional_escape(address) if context.autoescape else address


@cache
def _address(name: str, prefix: str) -> str:
    """`prefix` is where the application is mounted; `reverse` puts it in front."""
    return reverse(name)
