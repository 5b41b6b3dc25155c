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
            found = kept(self.view_name.resolve(context))
        except NoReverseMatch:
            if self.asvar is None:
                raise
            found = ""
        if self.asvar:
            context[self.asvar] = found
            return ""
        return conditional_escape(found) if context.autoescape else found


def kept(name: str, *args: str) -> str:
    """As `reverse`, for few different arguments: every answer stays in memory."""
    return _kept(name, get_script_prefix(), *args)


@cache
def _kept(name: str, prefix: str, *args: str) -> str:
    """`prefix` is where the application is mounted; `reverse` puts it in front."""
    return reverse(name, args=args)
