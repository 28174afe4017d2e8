"""The endpoints. Each is there to show one thing a cluster does: probes, restarts, autoscaling, configuration, state.

`workload/profiles/fastapi-k8s.yaml` says the same to the simulator; `contract_test.py` keeps the two alike.
"""

import asyncio
import logging
import os
import socket
import threading
import time
from typing import Annotated

from fastapi import Body, FastAPI, Header, HTTPException, Query, Response

from app.settings import Settings, downward_api
from app.store import Store

CRASH_DELAY_SECONDS = 0.1

log = logging.getLogger("uvicorn.error")
settings = Settings.from_environment()
store = Store(settings)
app = FastAPI(title=settings.app_name)
app.state.ready = True


@app.get("/")
def hello():
    return {"message": f"Hello from {settings.app_name}", "hostname": socket.gethostname()}


@app.get("/health")
async def health():
    """Liveness: the process runs. It never depends on anything else."""
    return {"status": "ok"}


@app.get("/ready")
async def ready(response: Response):
    """Readiness: whether this pod wants traffic. It does not depend on Redis."""
    if not app.state.ready:
        response.status_code = 503
    return {"ready": app.state.ready}


@app.post("/ready/disable")
async def disable():
    app.state.ready = False
    log.warning("readiness disabled")
    return {"ready": False}


@app.post("/ready/enable")
async def enable():
    app.state.ready = True
    log.info("readiness enabled")
    return {"ready": True}


@app.post("/crash")
async def crash():
    """Exits with code 1 when the answer has been sent."""
    log.critical("crashing on request")
    asyncio.get_running_loop().call_later(CRASH_DELAY_SECONDS, os._exit, 1)
    return {"crash": True}


def burn(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@app.get("/stress")
async def stress(seconds: Annotated[float, Query(ge=0, allow_inf_nan=False)] = 10):
    """Answers at once and keeps one thread busy for so long, at most MAX_STRESS_SECONDS."""
    seconds = min(seconds, float(settings.max_stress_seconds))
    threading.Thread(target=burn, args=(seconds,), daemon=True).start()
    return {"stress": seconds}


@app.get("/info")
async def info():
    return downward_api()


@app.get("/config")
async def config():
    """The settings without secrets."""
    return {
        "app_name": settings.app_name,
        "log_level": settings.log_level,
        "max_stress_seconds": settings.max_stress_seconds,
        "redis_host": settings.redis_host,
        "redis_port": settings.redis_port,
    }


@app.get("/visits")
def visits():
    return {"visits": store.count_visit()}


@app.post("/kv/{key}")
def put(key: str, value: Annotated[str, Body(embed=True)]):
    store.put(key, value)
    return {"key": key, "value": value}


@app.get("/kv/{key}")
def get(key: str):
    value = store.get(key)
    if value is None:
        raise HTTPException(404, f"No such key: {key}")
    return {"key": key, "value": value}


@app.post("/login")
def login(username: Annotated[str, Body(embed=True)]):
    """Starts a session. There is no password: this shows where state lives, not how to keep a secret."""
    return {"token": store.log_in(username)}


@app.get("/me")
def me(authorization: Annotated[str, Header()] = ""):
    scheme, _, token = authorization.partition(" ")
    username = store.user_of(token) if scheme == "Bearer" and token else None
    if username is None:
        raise HTTPException(401, "Not logged in")
    return {"username": username}
