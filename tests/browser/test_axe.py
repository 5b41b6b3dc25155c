"""axe finds nothing on any page: all that the access table knows, with data on them."""

from __future__ import annotations

import json

import pytest

from tests.access.table import PAGES
from tests.access.test_matrix import address
from tests.browser.axe import violations
from tests.browser.test_accounts import prove, sign_in
from tests.stack import Embedded
from tests.stack.visitor import PASSWORD

WAYS = [(1440, "light"), (390, "dark")]
# The administrator has one of everything, so that no page is empty; others stand at
# doors that need a key.
FILL = """
import json
from accounts.models import User
from tests import make
from tests.access import world
from tests.browser.doors import doors
admin = User.objects.get(username="admin")
things = world.things(admin, make.group("studio", admin))
print(json.dumps({"things": things, "doors": doors()}, default=str))
"""
GOOGLE = {"LIFEOS_GOOGLE_CLIENT_ID": "x", "LIFEOS_GOOGLE_CLIENT_SECRET": "y"}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("axe")
    with Embedded(folder, LIFEOS_SIGNUP="open", **GOOGLE) as house:
        house.filled = json.loads(house.manage("shell", "-v", "0", "-c", FILL))
        yield house


@pytest.fixture
def page(chromium, house):
    """Colours come at once: a transition would show those between."""
    context = chromium.new_context(base_url=house.url, reduced_motion="reduce")
    yield context.new_page()
    context.close()


def addresses(things):
    """Every page that is got, under its pattern."""
    for row in PAGES:
        if "GET" in row.methods and not row.pattern.startswith("_allauth/"):
            args = {k: things.get(str(v)[1:], v) for k, v in row.args.items()}
            yield row.pattern, address(row.pattern, args)


def pages(page, house):
    """The whole pages of HTML among them, and of those that say no one of each kind."""
    seen = set()
    for name, path in addresses(house.filled["things"]):
        answer = page.request.get(path, max_redirects=0)
        html = answer.headers.get("content-type", "").startswith("text/html")
        whole = html and answer.status not in (301, 302) and "<html" in answer.text()
        if whole and answer.status not in seen:
            seen |= {answer.status} - {200}
            yield name, path


def look(page, path):
    """What is wrong with it. Width and scheme change while it is open."""
    page.goto(path)
    found = []
    for width, scheme in WAYS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        faults = violations(page) + ([f"{wide} px too wide"] if wide > 0 else [])
        found += [f"{width}, {scheme}: {fault}" for fault in faults]
    return found


@pytest.mark.parametrize("who", ["nobody", "admin"])
def test_axe_finds_nothing_and_nothing_sticks_out(page, house, who):
    if who == "admin":
        sign_in(page)
        page.goto("/accounts/delete/")
        prove(page, PASSWORD)
    there = dict(pages(page, house))
    assert len(there) > (12 if who == "nobody" else 60)
    found = {name: bad for name, path in there.items() if (bad := look(page, path))}
    assert found == {}


def test_nor_in_the_administration(page, house):
    sign_in(page)
    page.goto("/accounts/reauthenticate/?next=/admin/")
    prove(page, PASSWORD)
    seen, waiting = {}, ["/admin/"]
    while waiting:
        path = waiting.pop()
        seen[path] = look(page, path)
        depth = path.count("/")
        # Its lists, and of each list the first row: a form for a new one is the same.
        links = page.locator("#content a[href^='/admin/']:not([href$='/add/'])")
        here = [a.get_attribute("href").partition("?")[0] for a in links.all()]
        if depth == 4:
            here = [a for a in here if a.startswith(path) and "/change/" in a][:1]
        waiting += [a for a in dict.fromkeys(here) if depth < 5 and a not in seen]
    assert len(seen) > 20
    assert {path: bad for path, bad in seen.items() if bad} == {}


def test_nor_at_the_doors_that_one_seldom_sees(chromium, house):
    found = {}
    for key, *paths in house.filled["doors"].values():
        context = chromium.new_context(base_url=house.url, reduced_motion="reduce")
        page = context.new_page()
        if key == "careful":
            sign_in(page, key)
        elif key:
            cookie = {"name": "sessionid", "value": key, "url": house.url}
            context.add_cookies([cookie])
        for path in paths:
            faults = look(page, path)
            if page.url != f"{house.url}{path}" and "/reset/key/" not in path:
                faults.append(f"it led to {page.url}")
            if faults:
                found[path] = faults
        context.close()
    assert found == {}
