"""Report: a finished run and its bundle in, `docs/results/training.json` and a table in Markdown out."""

import json
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Row = dict[str, Any]
_FROZEN = {"sensitivity": "normal images flagged", "specificity": "abnormal images not flagged"}


def rows(comparison: dict[str, Any], bundle_metrics: dict[str, Any]) -> list[Row]:
    """One row a figure; nothing is set by hand."""
    found: list[Row] = []
    for name, metrics in {**comparison["systems"], "served bundle, fused": bundle_metrics["fused"]}.items():
        found += _system_rows(name, metrics)
    frozen = bundle_metrics["at_bundle_threshold"]
    for key, what in _FROZEN.items():
        found.append(_proportion(f"bundle-frozen-{key}", f"{what}, threshold frozen on other exams", frozen[key]))
    for difference in comparison["differences"]:
        found.append(
            {
                "id": f"auc-difference-{_slug(difference['first'])}--{_slug(difference['second'])}",
                "what": f"AUC of {difference['first']} minus AUC of {difference['second']}, same images",
                "value": difference["auc_difference"],
                "unit": "AUC",
                "interval": difference["interval"],
            }
        )
    return found


def _system_rows(name: str, metrics: dict[str, Any]) -> list[Row]:
    images = metrics["images"]
    made: list[Row] = [
        {
            "id": f"auc-{_slug(name)}",
            "what": f"AUC of {name} (positive = normal)",
            "value": metrics["auc"]["value"],
            "unit": "AUC",
            "n": images["normal"] + images["abnormal"],
            "interval": metrics["auc"]["interval"],
        }
    ]
    for level in (20, 80):
        at = metrics[f"at_sensitivity_{level}"]
        missed = at["abnormal_screened_out_by_birads"]
        note = "abnormal screened out by BI-RADS: " + ", ".join(f"{c}: {m['k']}/{m['n']}" for c, m in missed.items())
        row = _proportion(
            f"specificity-{level}-{_slug(name)}", f"specificity of {name} at sensitivity {level}%", at["specificity"]
        )
        made.append(row | {"note": note})
    return made


def _proportion(identity: str, what: str, found: dict[str, Any]) -> Row:
    return {
        "id": identity,
        "what": what,
        "value": found["value"],
        "unit": "share",
        "k": found["k"],
        "n": found["n"],
        "interval": found["interval"],
    }


def _slug(name: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def write(path: Path, found: list[Row], made_by: str) -> None:
    """The evidence file: rows, and what they were made with."""
    content = {
        "made_by": made_by,
        "commit": _commit(),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {platform.processor() or 'unnamed processor'}, {platform.system()}",
        "rows": found,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _commit() -> str:
    try:
        found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S607
    except OSError:
        return ""
    return found.stdout.strip()
