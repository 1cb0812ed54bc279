"""The endpoint that a tutorial would write: FastAPI, pydantic, a one-row DataFrame, `predict_proba`. No log.

Run as a script, with the folder of the model and the port.
"""

import json
import sys
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import uvicorn
from fastapi import FastAPI
from pydantic import create_model


def create_app(folder: Path) -> FastAPI:
    """One route over one pipeline."""
    model = joblib.load(folder / "pipeline.joblib")
    kinds = json.loads((folder / "kinds.json").read_text(encoding="utf-8"))
    types = {"numeric": float, "categorical": str}
    fields: dict[str, Any] = {name: (types[kind] | None, None) for name, kind in kinds.items()}
    application = create_model("Application", **fields)
    app = FastAPI()

    @app.post("/predict")
    def predict(body: application) -> dict[str, float]:  # type: ignore[valid-type]
        row = pd.DataFrame([body.model_dump()])
        return {"probability": float(model.predict_proba(row)[0, 1])}

    return app


if __name__ == "__main__":
    uvicorn.run(create_app(Path(sys.argv[1])), port=int(sys.argv[2]), log_level="warning", access_log=False)
