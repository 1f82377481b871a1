"""A drawing of an architecture as SVG, laid out in layers: left to right, or top to bottom.

After Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system
structures", IEEE Trans. SMC 11, 1981: layers by the longest path, a stand-in wherever an edge
passes a layer, and each layer sorted by the mean place of its neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

# Pixels: of a letter, a line of text, the space around a text and between boxes.
LETTER, LINE, PAD, GAP = 7.0, 17.0, 9.0, 26.0
# Longer texts are cut; the whole one appears on hover.
LONGEST = 22
SWEEPS = 6
# Of a row of a chain, in the wide and in the narrow drawing.
WIDE, NARROW = 960.0, 350.0


@dataclass
class _Box:
    """A vertex, or the place where an edge passes a layer; `x`, `y` is its middle."""

    kind: str
    lines: Sequence[str]
    layer: int
    x: float = 0.0
    y: float = 0.0

    @property
    def width(self) -> float:
        if self.kind in ("sum", "pass"):
            return 12.0 if self.kind == "sum" else 0.0
        return 2 * PAD + LETTER * max(len(_cut(line)) for line in self.lines or " ")

    @property
    def height(self) -> float:
        if self.kind in ("sum", "pass"):
            return self.width
        return 2 * PAD + LINE * max(1, len(self.lines))


def draw(drawing: Mapping[str, Any]) -> str:
    """Both SVGs of a drawing, in classes ``wide`` and ``narrow``, of which a page shows one.

    Args:
        drawing: As `Drawing.plain` of `optiproxy.spaces` gives it.
    """
    return _draw(drawing, across=True) + _draw(drawing, across=False)


def _draw(drawing: Mapping[str, Any], *, across: bool) -> str:
    boxes, edges = _layered(drawing)
    if max(sum(b.layer == layer for b in boxes) for layer in range(len(boxes))) == 1:
        _place_in_rows(boxes, WIDE if across else NARROW)
    else:
        _place_in_layers(boxes, edges, across=across)
    return _svg(drawing, boxes, edges, across=across)


def _layered(drawing: Mapping[str, Any]) -> tuple[list[_Box], list[tuple[int, int]]]:
    """The boxes with their layers, stand-ins included, and edges between neighbouring layers."""
    vertices, edges = drawing["vertices"], [tuple(edge) for edge in drawing["edges"]]
    layer = [0] * len(vertices)
    for _ in vertices:  # as many rounds as the longest path may have edges
        for source, target in edges:
            layer[target] = max(layer[target], layer[source] + 1)
    last = max(layer, default=0)
    boxes = [
        _Box(v["kind"], v["lines"], max(last, 1) if v["kind"] == "output" else depth)
        for v, depth in zip(vertices, layer, strict=True)
    ]
    short = []
    for source, target in edges:
        for depth in range(boxes[source].layer + 1, boxes[target].layer):
            boxes.append(_Box("pass", (), depth))
            short.append((source, len(boxes) - 1))
            source = len(boxes) - 1
        short.append((source, target))
    return boxes, short


def _place_in_rows(boxes: Sequence[_Box], most: float) -> None:
    """A chain in rows of at most this width, as text is read."""
    ordered = sorted(boxes, key=lambda box: box.layer)
    for count in range(len(ordered), 0, -1):
        rows = [ordered[i : i + count] for i in range(0, len(ordered), count)]
        widths = [max(row[c].width for row in rows if c < len(row)) for c in range(count)]
        if sum(widths) + GAP * (count - 1) <= most:
            break
    top = 0.0
    for row in rows:
        height = max(box.height for box in row)
        for c, box in enumerate(row):
            box.x = sum(widths[:c]) + GAP * c + widths[c] / 2
            box.y = top + height / 2
        top += height + GAP


def _place_in_layers(
    boxes: Sequence[_Box], edges: Sequence[tuple[int, int]], *, across: bool
) -> None:
    layers: list[list[int]] = [[] for _ in range(max(box.layer for box in boxes) + 1)]
    for number, box in enumerate(boxes):
        layers[box.layer].append(number)
    _sort(layers, edges)
    along = 0.0
    for layer in layers:
        # "Thick" is the extent along the flow, "long" the one across it.
        thick = max((boxes[n].width if across else boxes[n].height for n in layer), default=0.0)
        longs = [boxes[n].height if across else boxes[n].width for n in layer]
        offset = -(sum(longs) + GAP / 2 * (len(layer) - 1)) / 2
        for number, long in zip(layer, longs, strict=True):
            middle = along + thick / 2, offset + long / 2
            boxes[number].x, boxes[number].y = middle if across else middle[::-1]
            offset += long + GAP / 2
        along += thick + GAP * 1.3


def _sort(layers: list[list[int]], edges: Sequence[tuple[int, int]]) -> None:
    """Sorts each layer by the mean place of its neighbours in the layer before or behind."""
    near: dict[int, list[int]] = {}
    for source, target in edges:
        near.setdefault(source, []).append(target)
        near.setdefault(target, []).append(source)
    for sweep in range(SWEEPS):
        order = range(1, len(layers)) if sweep % 2 == 0 else range(len(layers) - 2, -1, -1)
        for depth in order:
            other = layers[depth - 1 if sweep % 2 == 0 else depth + 1]
            # From -1/2 to 1/2, so that layers of different sizes compare.
            place = {n: (i + 0.5) / len(other) - 0.5 for i, n in enumerate(other)}

            def mean(number: int, place: Mapping[int, float] = place) -> float:
                found = [place[n] for n in near.get(number, ()) if n in place]
                return sum(found) / len(found) if found else 0.0

            layers[depth].sort(key=mean)


def _svg(
    drawing: Mapping[str, Any],
    boxes: Sequence[_Box],
    edges: Sequence[tuple[int, int]],
    *,
    across: bool,
) -> str:
    left = min(b.x - b.width / 2 for b in boxes) - 3
    top = min(b.y - b.height / 2 for b in boxes) - 3
    width = max(b.x + b.width / 2 for b in boxes) + 3 - left
    height = max(b.y + b.height / 2 for b in boxes) + 3 - top
    name = escape(drawing.get("title") or "architecture")
    parts = [
        f'<svg class="graph {"wide" if across else "narrow"}" role="img" '
        f'viewBox="{left:.0f} {top:.0f} {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'aria-label="{name} as a graph">'
    ]
    parts += [_edge(boxes[source], boxes[target], across) for source, target in edges]
    parts += [_box(box) for box in boxes if box.kind != "pass"]
    return "".join([*parts, "</svg>"])


def _edge(source: _Box, target: _Box, across: bool) -> str:
    """A curve from the end of one box to the start of the other."""
    level = abs(source.y - target.y) < 1 or (across and target.x > source.x)
    if level:
        x0, y0 = source.x + source.width / 2, source.y
        x1, y1 = target.x - target.width / 2, target.y
        bend = (x1 - x0) / 2
        curve = f"C{x0 + bend:.1f} {y0:.1f} {x1 - bend:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
        tip = f"M{x1 - 6:.1f} {y1 - 3.5:.1f}L{x1:.1f} {y1:.1f}L{x1 - 6:.1f} {y1 + 3.5:.1f}"
    else:
        x0, y0 = source.x, source.y + source.height / 2
        x1, y1 = target.x, target.y - target.height / 2
        bend = (y1 - y0) / 2
        curve = f"C{x0:.1f} {y0 + bend:.1f} {x1:.1f} {y1 - bend:.1f} {x1:.1f} {y1:.1f}"
        tip = f"M{x1 - 3.5:.1f} {y1 - 6:.1f}L{x1:.1f} {y1:.1f}L{x1 + 3.5:.1f} {y1 - 6:.1f}"
    return (
        f'<path class="edge" d="M{x0:.1f} {y0:.1f}{curve}{"" if target.kind == "pass" else tip}"/>'
    )


def _box(box: _Box) -> str:
    if box.kind == "sum":
        return f'<circle class="sum" cx="{box.x:.1f}" cy="{box.y:.1f}" r="6"/>'
    x, y = box.x - box.width / 2, box.y - box.height / 2
    parts = [
        f'<g class="{box.kind}"><title>{escape(" ".join(box.lines))}</title>'
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="6"/>'
    ]
    named = len(box.lines) > 1  # names and options in turn
    for number, line in enumerate(box.lines):
        kind = ' class="name"' if named and number % 2 == 0 else ""
        at = y + PAD + LINE * (number + 0.72)
        parts.append(f'<text{kind} x="{box.x:.1f}" y="{at:.1f}">{escape(_cut(line))}</text>')
    return "".join([*parts, "</g>"])


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
