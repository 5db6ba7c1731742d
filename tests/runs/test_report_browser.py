"""The report in a browser: the plot is drawn, nothing is requested, and a phone needs no sideways scrolling."""

from __future__ import annotations

import numpy as np
import pytest
from support import wait_for

from ape.runs import Request, Run, execute
from ape.series import from_array

DRAWN = "() => document.querySelector('#plot').shadowRoot || document.querySelector('#plot').children.length > 0"
RANGE = "() => { const x = Bokeh.documents[0].get_model_by_name('x'); return [x.start, x.end]; }"
LOADS = """() => new Promise(done => {
    document.addEventListener("securitypolicyviolation", event => done(event.violatedDirective));
    document.body.appendChild(Object.assign(new Image(), {src: "http://127.0.0.1:9/x.png"}));
})"""

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    """The report of a mined run."""
    series = from_array(np.sin(np.arange(900) / 4) + 0.05 * np.random.default_rng(0).normal(size=900), train_end=700)
    run = Run.create(tmp_path_factory.mktemp("runs") / "run", Request("mine", "series of the test"), series)
    execute(run)
    return (run.folder / "report.html").as_uri()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_works_without_requests_and_errors(browser, address, width):
    unexpected: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 900})
    local = (address, "data:", "blob:")
    page.on("request", lambda request: None if request.url.startswith(local) else unexpected.append(request.url))
    page.on("requestfailed", lambda request: request.failure == "csp" and unexpected.remove(request.url))
    page.on("pageerror", lambda error: unexpected.append(str(error)))
    page.goto(address)
    wait_for(page, DRAWN)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(LOADS) == "img-src"
    begin, end = page.evaluate(RANGE)
    assert begin < 0 and end > 899
    page.close()
    assert unexpected == []


def test_a_stretch_can_be_enlarged_and_print_has_a_picture_instead(browser, address):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(address)
    wait_for(page, DRAWN)
    plot = page.locator("#plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.wait_for_timeout(500)  # until the plot has its size
    height = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 300, height)
    page.mouse.down()
    page.mouse.move(box["x"] + 600, height, steps=5)
    page.mouse.up()
    begin, end = page.evaluate(RANGE)
    assert 0 < begin < end < 600
    page.emulate_media(media="print")
    assert not plot.is_visible() and page.locator("#still").is_visible()
    page.close()
