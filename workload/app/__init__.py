"""The example application. `python -m app` runs it; `app.main:app` is the ASGI application."""
