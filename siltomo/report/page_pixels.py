"""Planes and surfaces of a report, packed into text: what the page's canvases draw."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np

from siltomo.engine.figures.mesh import Mesh
from siltomo.engine.figures.report import Stack, View
from siltomo.report.style import phase_colour

__all__ = ["packed_mesh", "packed_stack"]

_QUALITY = 55


def packed_stack(stack: Stack, window: tuple[float, float]) -> dict[str, Any]:
    """Pack the planes of a scan: greys in a window as JPEG, phases as PNG, all planes of an axis on one sheet."""
    return {
        "scan": stack.scan,
        "segmentation": stack.segmentation,
        "flip": stack.upside_down,
        "phases": [{"name": name, "colour": phase_colour(name)} for name in stack.phases],
        "window": list(window),
        "views": [_view(view, window) for view in stack.views],
    }


def _view(view: View, window: tuple[float, float]) -> dict[str, Any]:
    from PIL import Image

    low, high = window
    scaled = np.clip((view.greys.astype(np.float32) - low) * (255 / (high - low)), 0, 255)
    count, tall, wide = view.greys.shape
    sheet = np.nan_to_num(scaled).astype(np.uint8).reshape(count * tall, wide)
    marks = view.phases.reshape(count * tall, wide)
    return {
        "axes": view.axes,
        "n": count,
        "h": tall,
        "w": wide,
        "px": list(view.pixel_um),
        "pos": [round(p, 4) for p in view.positions_um],
        "grey": _picture(Image.fromarray(sheet), "jpeg", quality=_QUALITY),
        "marks": _picture(Image.fromarray(marks), "png", optimize=True),
    }


def _picture(image: Any, kind: str, **options: Any) -> str:
    made = io.BytesIO()
    image.save(made, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(made.getvalue()).decode()}"


def packed_mesh(mesh: Mesh) -> dict[str, Any]:
    """Pack a surface: corners as 16-bit shares of the scan's box in the order x, y, z."""
    shares = np.clip(mesh.vertices[:, ::-1] / np.array(mesh.size_um[::-1]), 0, 1)
    wide = len(mesh.vertices) > 65535
    faces = mesh.faces.astype("<u4" if wide else "<u2")
    return {
        "scan": mesh.scan,
        "phase": mesh.phase,
        "colour": phase_colour(mesh.phase),
        "share": mesh.share,
        "edge": mesh.edge_um,
        "size": list(mesh.size_um),
        "triangles": len(mesh.faces),
        "wide": wide,
        "points": base64.b64encode(np.rint(shares * 65535).astype("<u2").tobytes()).decode(),
        "faces": base64.b64encode(faces.tobytes()).decode(),
    }
