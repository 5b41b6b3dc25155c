"""Descriptions of templates: Markdown that an administrator wrote, made harmless."""

from __future__ import annotations

import nh3
from django import template
from django.utils.html import strip_tags
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

register = template.Library()

TAGS = {"p", "br", "strong", "em", "code", "pre", "blockquote", "ul", "ol", "li", "a"}
TAGS |= {"h3", "h4", "h5", "h6", "hr", "table", "thead", "tbody", "tr", "th", "td", "s"}
_markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


@register.filter
def markdown(text: str) -> SafeString:
    """As HTML: no pictures, no scripts, links to the web alone."""
    html = _markdown.render(text or "")
    for level in ("1", "2"):
        # The page's own headings are above these.
        html = html.replace(f"<h{level}>", "<h3>").replace(f"</h{level}>", "</h3>")
    clean = nh3.clean(
        html,
        tags=TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(clean)  # what nh3 has cleaned  # nosec B308 B703


@register.filter
def plain(text: str) -> SafeString:
    """Without the marks, for a card."""
    return mark_safe(strip_tags(markdown(text)).strip())  # nosec B308 B703
