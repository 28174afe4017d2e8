"""Redis: the visits counter, keys and values, and sessions.

The application is ready without Redis. Whatever needs it answers 503 with a clear message while it is away.
"""

import secrets

import redis
from fastapi import HTTPException
from redis.backoff import NoBackoff
from redis.retry import Retry

SESSION_SECONDS = 3600


class Store:
    def __init__(self, settings):
        self.address = f"{settings.redis_host}:{settings.redis_port}"
        self.client = redis.Redis(
            host=settings.redis_host,
            port=settings.redis_port,
            password=settings.redis_password,
            decode_responses=True,
            socket_connect_timeout=1,
            socket_timeout=1,
            retry=Retry(NoBackoff(), 0),
        )

    def ask(self, command, *arguments, **options):
        try:
            return getattr(self.client, command)(*arguments, **options)
        except redis.RedisError as error:
            raise HTTPException(503, f"Redis is not available at {self.address}") from error

    def count_visit(self):
        return self.ask("incr", "visits")

    def put(self, key, value):
        self.ask("set", f"kv:{key}", value)

    def get(self, key):
        return self.ask("get", f"kv:{key}")

    def log_in(self, username):
        token = secrets.token_hex(16)
        self.ask("set", f"session:{token}", username, ex=SESSION_SECONDS)
        return token

    def user_of(self, token):
        return self.ask("get", f"session:{token}")
