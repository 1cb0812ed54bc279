"""Charts of the evidence pack: the pages' own, drawn as SVG that needs no script, no font file and no network."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import vl_convert
from markupsafe import Markup

from dashboard import words
from dashboard.charts import Figure

WIDTH_PX = 460  # of a drawing with its labels: two thirds of a page of A4, and legible on a phone at four fifths
LONGEST_LABEL = 300  # characters that are measured; far fewer are drawn
PANEL_PX = 330  # two beside each other on A4
# Widths of text are measured with a font that the renderer carries; readers have it, or one of the same widths.
_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
_CONFIG = {
    "aria": False,  # the drawing as a whole has its words; parts of it read aloud tell nobody anything
    "autosize": {"type": "fit-x", "contains": "padding"},
    "axis": {"labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal"},
    "background": None,
    "font": _FONT,
    "legend": {"labelFontSize": 11, "titleFontSize": 11},
    "padding": 2,
}
_ELEMENTS = {"svg", "g", "path", "rect", "line", "text", "tspan", "defs", "clipPath"}
_ATTRIBUTES = {
    *("class", "id", "d", "x", "y", "x1", "y1", "x2", "y2", "dx", "dy", "r", "width", "height", "viewBox"),
    *("transform", "clip-path", "opacity", "fill", "fill-opacity", "stroke", "stroke-opacity", "stroke-width"),
    *("stroke-dasharray", "stroke-dashoffset", "stroke-linecap", "stroke-linejoin", "stroke-miterlimit"),
    *("text-anchor", "dominant-baseline", "font-family", "font-size", "font-style", "font-weight"),
}
_DROPPED = {"aria-hidden", "aria-roledescription", "aria-label", "display", "pointer-events", "role", "version"}
_NUMBER = re.compile(r"-?\d+\.\d{3,}")


def drawn(figure: Figure, *, told: str, width_px: int = WIDTH_PX) -> Markup:
    """An Altair chart as SVG, times in UTC, with its content in words for those who do not see it.

    The same chart gives the same text whatever the locale and the zone; a machine's fonts can move a label by a pixel.

    Raises:
        ValueError: The renderer made an element or attribute that a drawing has no use for, such as a script.
    """
    spec = _shown(figure.properties(width=width_px).to_dict(format="vega-lite"))
    vega = vl_convert.vegalite_to_vega(spec, vl_version="6.4", config=_CONFIG)
    tree = ElementTree.fromstring(vl_convert.vega_to_svg(_in_utc(vega), allowed_base_urls=[]))  # noqa: S314  our own renderer's
    _only_a_drawing(tree)
    tree.attrib = {"role": "img", "aria-label": words.legible(told), "class": "chart"} | {
        name: tree.attrib[name] for name in ("width", "height", "viewBox")
    }
    return Markup(ElementTree.tostring(tree, encoding="unicode"))  # noqa: S704  every part was looked at above


def _shown(spec: Any) -> Any:
    """Every text with its hidden characters spelt out: of a NUL, the renderer ends the whole process."""
    if isinstance(spec, dict):
        return {name: _shown(value) for name, value in spec.items()}
    if isinstance(spec, list):
        return [_shown(value) for value in spec]
    return words.legible(spec, most=LONGEST_LABEL) if isinstance(spec, str) else spec


def _in_utc(vega: Any) -> Any:
    """Scales and labels of time in UTC: they are drawn in the zone of this process otherwise."""
    if isinstance(vega, dict):
        found = {name: _in_utc(value) for name, value in vega.items()}
        if found.get("type") == "time" and "domain" in found:
            found["type"] = "utc"
        if found.get("formatType") == "time":
            found["formatType"] = "utc"
        return found
    return [_in_utc(value) for value in vega] if isinstance(vega, list) else vega


def _only_a_drawing(tree: ElementTree.Element) -> None:
    """Leave nothing in it but shapes and text; figures to a hundredth of a pixel."""
    for element in tree.iter():
        element.tag = element.tag.rpartition("}")[2]
        if element.tag not in _ELEMENTS:
            raise ValueError(f"drawing: expected shapes and text, got <{element.tag}>")
        kept = {name: value for name, value in element.attrib.items() if name not in _DROPPED}
        if unknown := sorted(set(kept) - _ATTRIBUTES):
            raise ValueError(f"drawing: <{element.tag}> has {unknown[0]}")
        element.attrib = {name: _NUMBER.sub(_rounded, value) for name, value in kept.items()}


def _rounded(found: re.Match[str]) -> str:
    return f"{float(found.group()):.2f}"
