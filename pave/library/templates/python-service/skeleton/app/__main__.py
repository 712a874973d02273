"""Start the service: `python -m app`. The platform says where to listen in HOST and PORT."""

import os

import uvicorn

host, port = os.environ.get("HOST", "0.0.0.0"), os.environ.get("PORT", "8080")
uvicorn.run("app.main:app", host=host, port=int(port))
