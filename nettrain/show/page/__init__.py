"""Pages that bring everything along: the report of a run, and a graph to walk through.

Texts and tables are plain HTML made here; curves and the graph are drawn by scripts
from data on the page. A content security policy lets these scripts run and nothing
else, and nothing be fetched.
"""

from nettrain.show.page.comparison import Told, comparison
from nettrain.show.page.graph import graph_page
from nettrain.show.page.report import Report, report
from nettrain.show.page.text import Link

__all__ = ["Link", "Report", "Told", "comparison", "graph_page", "report"]
