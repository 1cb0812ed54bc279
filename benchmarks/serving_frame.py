"""A file scored as a script would: the whole file a DataFrame, `predict_proba`, the answers written. No checks, no log.

Run as a script, with the folder of the model, the file, and where to write.
"""

import sys
from pathlib import Path

import joblib
import pandas as pd

if __name__ == "__main__":
    folder, file, to = map(Path, sys.argv[1:])
    model = joblib.load(folder / "pipeline.joblib")
    rows = pd.read_parquet(file)
    pd.DataFrame({"loan_id": rows["loan_id"], "probability": model.predict_proba(rows)[:, 1]}).to_parquet(to)
