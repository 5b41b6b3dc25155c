"""`{% icon "x" %}`: one of static/icons.svg. In every template, without a load.

A page has some fifty, so it is a tag and no template to include: that took a tenth of
the time of a page.
"""

from __future__ import annotations

from functools import cache

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()
SVG = '<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>'


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """`name` is one that the program knows, never what somebody typed."""
    return format_html(SVG, static("icons.svg"), name)
