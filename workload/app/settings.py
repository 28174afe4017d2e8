"""What the application is told by its environment (ConfigMap, Secret, downward API)."""

import os
from dataclasses import dataclass

DOWNWARD_API = (
    "POD_NAME",
    "POD_IP",
    "POD_NAMESPACE",
    "NODE_NAME",
    "CPU_REQUEST",
    "CPU_LIMIT",
    "MEMORY_REQUEST",
    "MEMORY_LIMIT",
)


@dataclass(frozen=True)
class Settings:
    app_name: str
    log_level: str
    max_stress_seconds: int
    redis_host: str
    redis_port: int
    redis_password: str | None

    @classmethod
    def from_environment(cls):
        get = os.environ.get
        return cls(
            app_name=get("APP_NAME") or "fastapi-k8s",
            log_level=get("LOG_LEVEL") or "info",
            max_stress_seconds=int(get("MAX_STRESS_SECONDS") or "30"),
            redis_host=get("REDIS_HOST") or "redis",
            redis_port=int(get("REDIS_PORT") or "6379"),
            redis_password=get("REDIS_PASSWORD") or None,
        )


def downward_api():
    """The pod as it knows itself; null for what is not set (outside a cluster)."""
    return {name.lower(): os.environ.get(name) for name in DOWNWARD_API}
