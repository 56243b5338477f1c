"""A proxy's error page with status 200, for two requests."""

from cdr_pipeline.simulator.faults.html import Html


class HtmlTwice(Html):
    """Answers the first two lists with a web page."""

    name = "html_twice"
    times = 2
