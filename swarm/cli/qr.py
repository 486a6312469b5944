"""A key as a QR code on a terminal, two modules a character, so that a phone or another machine's camera reads it."""

from __future__ import annotations

import segno

QUIET = 2  # modules of light around it; four are in the standard, two are what cameras need on a screen


def lines(text: str) -> list[str]:
    """Light modules are drawn, since terminals are dark: on a light one, read it inverted or pass it colours."""
    matrix = [list(row) for row in segno.make_qr(text, error="l").matrix_iter(border=QUIET)]
    if len(matrix) % 2:
        matrix.append([0] * len(matrix[0]))
    shapes = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}
    return [
        "".join(shapes[bool(upper), bool(lower)] for upper, lower in zip(above, below, strict=True))
        for above, below in zip(matrix[::2], matrix[1::2], strict=True)
    ]
