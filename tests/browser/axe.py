"""axe-core, run in a page as it stands."""

from __future__ import annotations

from pathlib import Path

SOURCE = Path(__file__).parents[1] / "vendor" / "axe-core-4.14.1" / "axe.min.js"
RUN = """async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  return found.violations.map(v => v.id + ": " + v.nodes.map(n => n.html).join(" | "));
}"""


def violations(page):
    """What axe finds, each as "rule: elements"; the page's CSP lets no tag in."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(SOURCE.read_text())
    return page.evaluate(RUN)
