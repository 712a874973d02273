"""Start the service: `python -m app`. The platform says the port in PORT."""

import os

import uvicorn

uvicorn.run("app.main:app", host="0.0.0.0", port=int(os.environ.get("PORT", "8080")))
