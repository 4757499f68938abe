"""A package index on loopback (PEP 691) with upload times, and packages made on the spot.

index.py FOLDER: writes the wheels into FOLDER, prints the port, and logs each request to FOLDER/log.
"""
import base64
import hashlib
import json
import os
import sys
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FOLDER = sys.argv[1]
# Name, version, day of the upload, what it requires, its module.
PACKAGES = [
    ("lib", "1.0", "2020-01-01", [], "def old():\n    return 1\n"),
    ("lib", "2.0", "2024-01-01", [], "def new():\n    return 2\n"),
    ("app-dep", "1.0", "2020-02-01", ["lib"], "from lib import old\n"),
    ("late", "1.0", "2020-01-01", [], "x = 1\n"),
    ("late", "1.1", "2024-06-01", [], "x = 1\n"),
]


def wheel(name, version, requires, text):
    module = name.replace("-", "_")
    file = "%s-%s-py3-none-any.whl" % (module, version)
    info = "%s-%s.dist-info" % (module, version)
    meta = "Metadata-Version: 2.1\nName: %s\nVersion: %s\n" % (name, version)
    meta += "".join("Requires-Dist: %s\n" % one for one in requires)
    parts = {
        module + ".py": text,
        info + "/METADATA": meta,
        info + "/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = []
    with zipfile.ZipFile(os.path.join(FOLDER, file), "w") as out:
        for path, content in parts.items():
            out.writestr(path, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()
            record.append("%s,sha256=%s,%d" % (path, digest, len(content)))
        out.writestr(info + "/RECORD", "\n".join(record + [info + "/RECORD,,", ""]))
    return file


PAGES = {}
for name, version, day, requires, text in PACKAGES:
    file = wheel(name, version, requires, text)
    digest = hashlib.sha256(open(os.path.join(FOLDER, file), "rb").read()).hexdigest()
    page = PAGES.setdefault(name, {"meta": {"api-version": "1.1"}, "name": name, "versions": [], "files": []})
    page["versions"].append(version)
    page["files"].append(
        {"filename": file, "url": "/files/" + file, "hashes": {"sha256": digest}, "size": 1,
         "requires-python": ">=3.6", "upload-time": day + "T00:00:00.000000Z"}
    )
    page["files"][-1]["size"] = os.path.getsize(os.path.join(FOLDER, file))


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        with open(os.path.join(FOLDER, "log"), "a") as log:
            log.write(self.path + "\n")
        parts = self.path.strip("/").split("/")
        if parts[0] == "simple" and len(parts) == 2 and parts[1] in PAGES:
            body, kind = json.dumps(PAGES[parts[1]]).encode(), "application/vnd.pypi.simple.v1+json"
        elif parts[0] == "files" and os.path.exists(os.path.join(FOLDER, os.path.basename(self.path))):
            body = open(os.path.join(FOLDER, os.path.basename(self.path)), "rb").read()
            kind = "application/octet-stream"
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
