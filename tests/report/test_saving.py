"""Files of figures: text stays text, equal figures give equal bytes, the data lie beside."""

from __future__ import annotations

import pandas as pd
import pytest

from siltomo.errors import BadInputError, NotFoundError
from siltomo.report.figure_states import operando_figure
from siltomo.report.saving import check_pictures, save_figure

FORMULATIONS = ("reference", "with-zn")


def test_svg_and_pdf_keep_their_text_and_do_not_change(operando, tmp_path):
    paths = [tmp_path / f"fig{suffix}" for suffix in (".svg", ".pdf", ".png")]

    def written():
        made = save_figure(operando_figure(operando, FORMULATIONS), paths, operando)
        return {path.name: path.read_bytes() for path in made}

    now = written()
    assert set(now) == {"fig.svg", "fig.pdf", "fig.png", "fig.csv"}
    assert written() == now
    assert "delithiation capacity" in paths[0].read_text("utf-8")
    assert b"/CIDFontType2" in paths[1].read_bytes()
    assert b"/Type3" not in paths[1].read_bytes()


def test_the_csv_is_the_table(operando, tmp_path):
    save_figure(operando_figure(operando, FORMULATIONS), [tmp_path / "f.png"], operando)
    read = pd.read_csv(tmp_path / "f.csv")
    assert list(read.columns) == list(operando.columns)
    assert read["value"].tolist() == pytest.approx(operando["value"].astype(float).tolist(), nan_ok=True)
    assert set(read["unit"]) == {"1", "um"}


def test_what_cannot_be_written_is_refused_beforehand(tmp_path):
    with pytest.raises(BadInputError, match=r"known: \.png, \.svg, \.pdf"):
        check_pictures([tmp_path / "f.gif"])
    with pytest.raises(NotFoundError, match="folder does not exist"):
        check_pictures([tmp_path / "none" / "f.png"])
