"""Imports one module of a repository, asks the web application in it for its first page, and writes what happened
as JSON: smoke.py RESULT MODULE. Standard library only, Python 3.6 and later."""
import contextlib
import importlib
import io
import json
import os
import sys
import traceback


def application(module):
    for name in ("app", "application"):
        found = getattr(module, name, None)
        if callable(found):
            return found
    return None


def by_hand(app):
    """GET / by the ASGI protocol itself, where the test client's own requirements are not installed."""
    import asyncio

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": "/", "raw_path": b"/", "query_string": b"", "root_path": "", "headers": [(b"host", b"testserver")],
        "client": ("testclient", 1), "server": ("testserver", 80),
    }
    status = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        if message["type"] == "http.response.start":
            status.append(message["status"])

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(app(scope, receive, send))
    except Exception:
        traceback.print_exc()
        return 500
    finally:
        loop.close()
    return status[0] if status else None


def ask(app):
    if hasattr(app, "test_client"):
        return app.test_client().get("/").status_code
    if type(app).__module__.split(".")[0] not in ("starlette", "fastapi"):
        return None
    try:
        from starlette.testclient import TestClient

        client = TestClient(app, raise_server_exceptions=False)
    except (ImportError, RuntimeError):
        return by_hand(app)
    return client.get("/").status_code


def main():
    result, name = sys.argv[1:3]
    sys.argv = [name + ".py"]
    said = {"ok": False, "error": "", "trace": "", "printed": "", "status": None}

    def write():
        with open(result + ".new", "w", encoding="utf-8", errors="replace") as file:
            json.dump(said, file)
        os.replace(result + ".new", result)

    def failed(error):
        said["error"] = "".join(traceback.format_exception_only(type(error), error)).strip()[-2000:]
        said["trace"] = traceback.format_exc()[-16000:]
        sys.stderr.write(said["trace"])

    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="replace", write_through=True)
    module = None
    try:
        with contextlib.redirect_stdout(printed):
            module = importlib.import_module(name)
        said["ok"] = True
    except BaseException as error:
        failed(error)
    text = printed.buffer.getvalue().decode("utf-8", "replace")
    said["printed"] = text.strip()[:300]
    sys.stdout.write(text[:100000])
    write()
    app = application(module) if said["ok"] else None
    if app is not None:
        try:
            said["status"] = ask(app)
        except BaseException as error:
            failed(error)
        write()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that a module has left behind must not keep us.
    os._exit(0)


main()
