"""The model card: the manifest's content in, what a bundle is and is not in a radiologist's words out."""

from pathlib import Path
from typing import Any

_DEMONSTRATION = """\
> **For demonstration only.** This model learnt from computer-made phantom images and has never seen a mammogram of a
> woman. It shows that the service works from the first image to the worklist. It says nothing about any real exam and
> must not be used in the care of patients.
"""


def write_card(path: Path, body: dict[str, Any]) -> None:
    """Writes the card as Markdown; figures appear once they are measured."""
    sections = [
        f"# {body['name']} {body['version']}\n",
        _DEMONSTRATION if body["demonstration"] else "",
        _what_it_does(),
        _data(body["training_data"]),
        _figures(body["metrics"]),
        _operating_points(body),
        _limits(),
        f"Made {body['created']}. Licence: {body['licence']}.\n",
    ]
    path.write_text("\n".join(section for section in sections if section), encoding="utf-8")


def _what_it_does() -> str:
    return """\
## What it does

For each of the four standard views (CC and MLO of both breasts) it gives a number: the higher, the more surely the
image is normal (BI-RADS 1). Images at or above a fixed threshold are flagged; an exam is *confidently normal* only if
all four are. Every exam is read by a radiologist all the same: the answer sorts the worklist and nothing else.

Two networks contribute. The **dual-view** network compares an image with the same view of the other breast, laid over
it (supervised contrastive pre-training and fine-tuning, Cao et al. 2025). The **whole-image** network weighs up regions
of the single image and can show which ones it weighed most (self-supervised patches with attention pooling,
Miller et al.). The two numbers are added with weights found on images that neither learnt from.
"""


def _data(data: dict[str, Any]) -> str:
    lines = [
        f"| {part} | {counts['patients']} | {counts['images']} | {counts['abnormal_images']} |"
        for part, counts in data["parts"].items()
    ]
    return "\n".join(
        [
            "## What it learnt from",
            "",
            f"{'; '.join(data['sets'])}. No woman is in two parts.",
            "",
            "| part | women | images | of them abnormal (not BI-RADS 1) |",
            "|---|---|---|---|",
            *lines,
            "",
        ]
    )


def _figures(metrics: dict[str, Any]) -> str:
    fused = metrics.get("fused")
    if not isinstance(fused, dict):
        return ""
    frozen = metrics["at_bundle_threshold"]
    low, high = fused["auc"]["interval"]
    missed = ", ".join(
        f"BI-RADS {category}: {count['k']} of {count['n']}"
        for category, count in frozen["abnormal_screened_out_by_birads"].items()
        if count["n"]
    )
    return f"""\
## What was measured

On the test part, with the image-level threshold of all phantom units, fixed beforehand on other exams. Intervals are
95% and allow for several images of one woman being alike.

- Area under the ROC curve: {fused["auc"]["value"]:.3f} ({low:.3f} to {high:.3f}).
- Normal images flagged: {_share(frozen["sensitivity"])}. (The papers call this sensitivity; 20% was aimed at.)
- Abnormal images *not* flagged: {_share(frozen["specificity"])}. (The papers call this specificity.)
- Abnormal images wrongly flagged: {frozen["abnormal_screened_out"]}; {missed}.
"""


def _operating_points(body: dict[str, Any]) -> str:
    points = body["metrics"].get("operating_points")
    if not points:
        return ""
    lines = [
        f"| {one['device']} | {one['threshold']:.3f}{', limited by safety' if one['limited_by_safety'] else ''} "
        f"| {_counted(one['sensitivity'])} | {_counted(one['missed'])} |"
        for one in points
        if one["threshold"] is not None
    ]
    admitted = ", ".join(one["device"] for one in points if not one["own_data"])
    real = body["training_data"]["real_images_known"]
    return "\n".join(
        [
            "## Operating points that come with it",
            "",
            f"Found on {body['training_data']['operating_points']}; the figures are those of exams that they were not",
            "found on. An exam counts by the least of its four numbers. They are demonstrations: approved by nobody.",
            f"{admitted + ' has no data of its own and gets the threshold of all.' if admitted else ''}",
            "",
            "| device | threshold | normal exams flagged | abnormal exams flagged |",
            "|---|---|---|---|",
            *lines,
            "",
            "What is unlike the known images is refused. Known are the phantoms and, for wrapped PNG exams, how"
            f" {real} real",
            "images look (80 digital CC views of CDD-CESM, film MLO views of mini-MIAS): averages and spreads of"
            " numbers",
            "taken from them, none of their pixels. The networks learnt from none of them.",
            "",
        ]
    )


def _counted(found: dict[str, Any]) -> str:
    return f"{found['k']} of {found['n']} = {found['value']:.1%} ({found['low']:.1%} to {found['high']:.1%})"


def _share(found: dict[str, Any]) -> str:
    low, high = found["interval"]
    return f"{found['k']} of {found['n']} = {found['value']:.1%} ({low:.1%} to {high:.1%})"


def _limits() -> str:
    return """\
## Where it must not be trusted

- On images from a site, device or software version without an operating point, the service answers *not evaluated*.
- Implants, partial or magnified views, tomosynthesis and images not meant for display are refused.
- It does not detect, describe or rank lesions, and no answer is ever "suspicious".
"""
