"""``python -m helm.dashboards [folder]``: writes the dashboards that the chart ships."""

import json
import sys
from pathlib import Path

from helm.dashboards.engines import ENGINES
from helm.dashboards.grafana import dashboard
from helm.dashboards.long_form import LONG_FORM
from helm.dashboards.traffic import TRAFFIC

SHIPPED = Path(__file__).parents[1] / "longhand" / "files" / "dashboards"


def main(folder: Path) -> None:
    """One file a board; files of boards that are no more are left for a person to remove."""
    folder.mkdir(parents=True, exist_ok=True)
    for board in (TRAFFIC, LONG_FORM, ENGINES):
        text = json.dumps(dashboard(board), indent=1, ensure_ascii=False)
        (folder / f"{board.uid}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED)
