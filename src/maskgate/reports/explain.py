"""The page of an explanation, and tables with its numbers."""

from itertools import groupby
from pathlib import Path
from typing import Any, Final

import pandas as pd

from maskgate import labels
from maskgate.core import charts, files
from maskgate.core.score import Score
from maskgate.explain.explaining import Card, Explanation
from maskgate.explain.measures import RegionShare, Sensitivity
from maskgate.reports import explain_pictures, links, pages

PAGE: Final = "explain.html"
_MOST: Final = 40  # people on the page whom all models fail
_SIDE: Final = 224
_NO_SCORE: Final = Score(float("nan"), float("nan"), float("nan"))


def write(explanation: Explanation, folder: Path, photos: bool = True) -> Path:
    """Write the page and the tables of numbers into `folder`, which is created; the page's path.

    Without `photos` the page shows no photo of anyone. Raises MaskgateError.
    """
    with files.new_folder(folder):
        tables = _tables(explanation)
        for name, table in tables.items():
            files.replace_text(folder / name, table.to_csv(index=False, float_format="%.6g"))
        page = folder / PAGE
        hard = explanation.hard_people
        pages.write(
            page,
            "explain.html",
            explanation=explanation,
            recipe=explanation.run.status().recipe,
            photos=photos,
            files=list(tables),
            methods=_METHODS,
            galleries=_galleries(explanation) if photos else [],
            shares=_shares(explanation.shares),
            sensitivities=explanation.sensitivities,
            maps=_maps(explanation),
            hard=[] if hard is None else hard.head(_MOST).to_dict("records"),
            hard_count=0 if hard is None else len(hard),
            labels_of=_labels_of(explanation),
            bar=charts.interval_bar,
            report=links.to_report(folder, explanation.run.path),
        )
    return page


_METHODS: Final = {
    "grad_cam": "Grad-CAM (Selvaraju et al., 2017)",
    "grad_cam_plus_plus": "Grad-CAM++ (Chattopadhay et al., 2018)",
    "occlusion": "occlusion (Zeiler and Fergus, 2014)",
}


def _galleries(
    explanation: Explanation,
) -> list[tuple[str, list[tuple[str, list[dict[str, Any]]]]]]:
    """By attribute, the groups of cards with their titles."""
    galleries = []
    for attribute in explanation.attributes:
        cards = [card for card in explanation.cards if card.attribute == attribute]
        if all(card.truth == labels.UNKNOWN for card in cards):
            groups = [("", cards)]
        else:
            groups = [
                ("Wrong answers", [card for card in cards if not card.is_right]),
                ("Right answers", [card for card in cards if card.is_right]),
            ]
        shown_groups = [(title, list(map(_card, group))) for title, group in groups if group]
        galleries.append((attribute.replace("_", " "), shown_groups))
    return galleries


def _card(card: Card) -> dict[str, Any]:
    words = [*labels.ATTRIBUTES[card.attribute], ""]
    return {
        "photo": pages.picture(explain_pictures.photo(card), _SIDE),
        "overlay": pages.picture(explain_pictures.overlay(card), _SIDE),
        "name": Path(card.photo).name,
        "folder": Path(card.photo).parent.name,
        "predicted": words[card.predicted].replace("_", " "),
        "truth": words[card.truth].replace("_", " "),
        "probability": card.probability,
        "is_right": card.is_right,
        "shares": {
            name: share
            for name, share in card.shares.items()
            if share == share  # not NaN
        },
    }


def _shares(shares: list[RegionShare]) -> list[tuple[str, list[tuple[str, list[RegionShare]]]]]:
    """By attribute and region, the shares for right and for wrong answers."""
    rows = []
    for attribute, of_attribute in groupby(shares, lambda each: each.attribute):
        by_region: dict[str, list[RegionShare]] = {}
        for each in of_attribute:
            by_region.setdefault(each.region, []).append(each)
        rows.append((attribute.replace("_", " "), list(by_region.items())))
    return rows


def _maps(explanation: Explanation) -> list[str]:
    photos, failed = explanation.map, explanation.failures
    if photos is None or failed is None:
        return []
    by_name = failed.set_index("photo").loc[photos.table["photo"]]
    return [
        explain_pictures.scatter(photos, name, by_name[f"all_wrong_{name}"].tolist())
        for name in explanation.attributes
    ]


def _labels_of(explanation: Explanation) -> dict[tuple[str, str], str]:
    """The label, in words, of each person whom all models fail, by person and attribute. Of the
    mask it is empty, as a person shows several."""
    failed, hard = explanation.failures, explanation.hard_people
    if failed is None or hard is None:
        return {}
    by_person = failed.drop_duplicates("person").set_index("person")
    return {
        (person, attribute): ""
        if attribute == "mask"
        else labels.ATTRIBUTES[attribute][by_person.loc[person, attribute]]
        for person, attribute in zip(hard["person"], hard["attribute"], strict=True)
    }


def _tables(explanation: Explanation) -> dict[str, pd.DataFrame]:
    """The tables of numbers, by file name."""
    if not (explanation.shares or explanation.sensitivities):
        return {"heat.csv": _of_cards(explanation.cards)}
    tables = {
        "heat.csv": pd.DataFrame(map(_share_row, explanation.shares)),
        "changes.csv": pd.DataFrame(
            [row for each in explanation.sensitivities for row in _change_rows(each)]
        ),
    }
    if explanation.hard_people is not None:
        tables["hard_people.csv"] = explanation.hard_people
    return tables


def _of_cards(cards: list[Card]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "photo": card.photo,
                "attribute": card.attribute,
                "predicted": labels.ATTRIBUTES[card.attribute][card.predicted],
                "probability": card.probability,
                **{f"heat, {name}": share for name, share in card.shares.items()},
            }
            for card in cards
        ]
    )


def _share_row(share: RegionShare) -> dict[str, Any]:
    row: dict[str, Any] = {
        "attribute": share.attribute,
        "answers": share.answers,
        "region": share.region,
        "photos": share.photos,
        "people": share.people,
        "area": share.area,
    }
    return row | _ends("heat", share.heat) | _ends("quotient", share.quotient)


def _change_rows(measured: Sensitivity) -> list[dict[str, Any]]:
    first: dict[str, Any] = {"attribute": measured.attribute}
    rows = [
        {
            **first,
            "change": "none",
            "photos": measured.photos,
            "people": measured.people,
            **_ends("macro_f1", measured.score),
            "chance": measured.chance,
        }
    ]
    for name, change in measured.changes.items():
        rows.append(
            {
                **first,
                "change": name,
                "photos": change.photos,
                "people": change.people,
                **_ends("macro_f1", change.score),
                **_ends("drop", change.drop),
            }
        )
    return rows


def _ends(name: str, score: Score | None) -> dict[str, float]:
    score = score or _NO_SCORE
    return {name: score.value, f"{name}_low": score.low, f"{name}_high": score.high}
