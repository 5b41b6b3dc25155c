"""What has an order that people see keeps it, on every database."""

from __future__ import annotations

from generation.models import Catalog, Job, Version
from tests import make


def test_a_graph_and_its_values_keep_their_order(alice):
    job = make.job(
        alice, graph={"10": {}, "2": {}, "1": {}}, parameters={"b": 1, "a": 2}
    )
    kept = Job.objects.get(pk=job.pk)
    assert list(kept.graph) == ["10", "2", "1"]
    assert list(kept.parameters) == ["b", "a"]


def test_a_catalog_keeps_the_order_of_inputs(db):
    inputs = {"required": {"width": ["INT"], "cfg": ["FLOAT"], "a": ["INT"]}}
    digest = Catalog.keep({"Node": {"input": inputs}})
    kept = Catalog.objects.get(pk=digest).object_info["Node"]["input"]["required"]
    assert list(kept) == ["width", "cfg", "a"]


def test_a_template_keeps_the_order_of_its_nodes(db):
    template = make.workflow("text-to-image")
    order = list(template.current.graph)
    assert list(Version.objects.get(pk=template.current.pk).graph) == order
