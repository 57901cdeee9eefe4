"""Figures as notebooks show them, and as files."""

from __future__ import annotations

from pathlib import Path

from vene import _vene
from vene._errors import InputError


class Figure:
    """A figure: shown by notebooks, written by `save`."""

    def __init__(self, figure: _vene.Figure) -> None:
        self._figure = figure

    @property
    def svg(self) -> str:
        """The figure as an SVG document."""
        return self._figure.svg

    def png(self) -> bytes:
        """The figure as a PNG, two pixels for each unit."""
        return self._figure.png()

    def save(self, path: str | Path) -> Path:
        """Writes it as its name's ending says: `.svg` or `.png`."""
        path = Path(path)
        match path.suffix.lower():
            case ".svg":
                path.write_text(self.svg, encoding="utf-8")
            case ".png":
                path.write_bytes(self.png())
            case other:
                raise InputError(f"{path}: a figure is written as .svg or .png, not as {other or 'a file without an ending'}")
        return path

    def _repr_svg_(self) -> str:
        return self.svg


class Figures:
    """The figures of a result, drawn when one is asked for; made by the code that draws the command's."""

    def __init__(self, draw: object) -> None:
        self._draw = draw
        self._drawn: dict[str, Figure] | None = None

    def all(self) -> dict[str, Figure]:
        """All of them by name; the first says most."""
        if self._drawn is None:
            drawn: list[tuple[str, _vene.Figure]] = self._draw() if callable(self._draw) else []
            self._drawn = {name: Figure(figure) for name, figure in drawn}
        return self._drawn

    def one(self, name: str | None) -> Figure:
        """The one of this name, or the first."""
        figures = self.all()
        if name is None and figures:
            return next(iter(figures.values()))
        if name not in figures:
            there = ", ".join(figures) or "none: nothing was measured, or the tables were pickled without their figures"
            raise InputError(f"there is no figure {name or 'here'}; there are {there}")
        return figures[name]

    def html(self) -> str:
        """The first figure, for a notebook; nothing where there is none."""
        figure = next(iter(self.all().values()), None)
        return "" if figure is None else f"<div>{figure.svg}</div>"

    def __reduce__(self) -> tuple[type[Figures], tuple[None]]:
        return Figures, (None,)
