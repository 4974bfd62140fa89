"""What river and Evidently make of the streams in a folder, with their defaults. A line of JSON for each scenario and detector.

    pip install river evidently 'pandas<3' && python peer.py FOLDER WINDOW

Evidently 0.7 does not load with pandas 3.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import ValueDrift
from river import drift

warnings.filterwarnings("ignore")
folder, window = Path(sys.argv[1]), int(sys.argv[2])
CATEGORIES = {"none-categories", "mix"}


def river(make, rows):
    """Rows at which it says that something has changed."""
    detector, seen = make(), []
    for row, value in enumerate(rows):
        detector.update(value)
        if detector.drift_detected:
            seen.append(row + 1)
    return seen


def evidently(method, reference, rows, categories):
    """Ends of the windows of which it says so."""
    kind = {"categorical_columns": ["x"]} if categories else {"numerical_columns": ["x"]}
    definition = DataDefinition(**kind)
    made = lambda values: Dataset.from_pandas(pd.DataFrame({"x": values}), data_definition=definition)
    before, seen = made(reference), []
    report = Report([ValueDrift(column="x", method=method) if method else ValueDrift(column="x")])
    for end in range(window, len(rows) + 1, window):
        result = json.loads(report.run(made(rows[end - window : end]), before).json())
        metric = result["metrics"][0]
        value, limit = metric["value"], metric["config"]["threshold"]
        # A p-value is small where something has changed, a distance large.
        if value < limit if "p_value" in metric["config"]["method"] else value >= limit:
            seen.append(end)
    return seen


def detectors(categories):
    yield "evidently default", lambda reference, rows: evidently(None, reference, rows, categories)
    yield "evidently psi", lambda reference, rows: evidently("psi", reference, rows, categories)
    if not categories:
        yield "river adwin", lambda reference, rows: river(drift.ADWIN, rows)
        yield "river kswin", lambda reference, rows: river(lambda: drift.KSWIN(seed=1), rows)
        yield "river page-hinkley", lambda reference, rows: river(drift.PageHinkley, rows)


for file in sorted(folder.iterdir()):
    streams = [json.loads(line) for line in file.read_text().splitlines()]
    if isinstance(streams[0]["rows"][0], list):
        continue  # neither has a detector of vectors that takes them as they are
    for name, detect in detectors(file.name in CATEGORIES):
        started, alarms, windows, delays = time.time(), 0, 0, []
        for stream in streams:
            reference, rows = stream["rows"][: stream["reference"]], stream["rows"][stream["reference"] :]
            change, still = stream["change"], stream["change"] == len(rows)
            seen = detect(reference, rows)
            alarms += sum(row <= change for row in seen)
            windows += change // window
            if not still:
                delays.append(next((row - change for row in seen if row > change), None))
        out = {"scenario": file.name, "detector": name, "windows": windows, "alarms": alarms, "delays": delays}
        print(json.dumps({**out, "seconds": time.time() - started}), flush=True)
