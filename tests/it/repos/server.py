"""Git over HTTP on loopback: the real `git http-backend`, and servers that misbehave, told apart by the first
part of the path. Prints its port; appends every request, with what is secret in it, to the file named by the second
argument; with a third and fourth, a certificate and its key, it speaks TLS. It is a proxy, too: for every host it
answers itself."""
import base64
import os
import ssl
import hashlib
import struct
import subprocess
import sys
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

ROOT, LOG = sys.argv[1], sys.argv[2]


def packet(data):
    return b"%04x" % (len(data) + 4) + data


def number(value, bits=7, first=0):
    """A number in pieces of seven bits, the first piece with room for a type."""
    out = bytearray([first | value & (1 << bits) - 1])
    value >>= bits
    while value:
        out[-1] |= 0x80
        out.append(value & 0x7F)
        value >>= 7
    return bytes(out)


def distance(value):
    """How far back a base is, in git's way of writing it."""
    out = bytearray([value & 0x7F])
    while value := value >> 7:
        value -= 1
        out.insert(0, 0x80 | value & 0x7F)
    return bytes(out)


def bomb(by_offset):
    """A pack of some kilobytes that has a blob of 1 GB: eight megabytes of zeros, and their copies. The base is named
    by its place or by its hash."""
    base = bytes(8 << 20)
    count = 128
    copy = bytes([0x80 | 0x40, 0x80])
    delta = number(len(base)) + number(len(base) * count) + copy * count
    whole = number(len(base), 4, 3 << 4) + zlib.compress(base)
    name = distance(len(whole)) if by_offset else hashlib.sha1(b"blob %d\0" % len(base) + base).digest()
    pack = b"PACK" + struct.pack(">II", 2, 2) + whole
    pack += number(len(delta), 4, (6 if by_offset else 7) << 4) + name + zlib.compress(delta)
    return pack + hashlib.sha1(pack).digest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, code, headers, body, length=None):
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(length if length is not None else len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with open(LOG, "a") as log:
            secret = [self.headers.get(name) or "-" for name in ("Authorization", "X-Token")]
            log.write(" ".join([self.command, self.path, *secret]) + "\n")
        if self.path.startswith("http://"):
            self.path = "/" + self.path.split("/", 3)[3]
        mode, _, rest = self.path[1:].partition("/")
        if mode == "hang":
            threading.Event().wait()
        elif mode == "file":
            self.answer(302, [("Location", "file:///etc/passwd")], b"")
        elif mode == "loop":
            self.answer(302, [("Location", self.path)], b"")
        elif mode == "moved":
            self.answer(301, [("Location", "/git/" + rest)], b"")
        elif mode in ("auth", "auth-away") and self.headers.get("Authorization") != "Basic " + base64.b64encode(b"me:p@w").decode():
            self.answer(401, [("WWW-Authenticate", "Basic")], b"")
        elif mode == "token" and self.headers.get("X-Token") != "s3cret":
            self.answer(403, [], b"")
        elif mode in ("away", "auth-away"):
            self.answer(302, [("Location", f"http://localhost:{self.server.server_address[1]}/{rest}")], b"")
        elif mode == "refuse":
            self.answer(503, [], b"")
        elif mode == "reset":
            self.close_connection = True
        elif mode in ("bomb", "bomb-band", "bomb-band-name", "escape"):
            self.made_up(mode)
        elif mode == "page":
            self.answer(200, [("Content-Type", "text/html")], b"<p>hello</p>")
        elif mode in ("git", "auth", "token", "cut", "endless", "stall", "short", "drip"):
            self.backend(mode, rest, body)
        else:
            self.answer(404, [], b"")

    do_POST = do_GET

    def backend(self, mode, rest, body):
        parts = urlsplit("/" + rest)
        env = dict(os.environ, GIT_PROJECT_ROOT=ROOT, GIT_HTTP_EXPORT_ALL="1", PATH_INFO=parts.path,
                   QUERY_STRING=parts.query, REQUEST_METHOD=self.command,
                   CONTENT_TYPE=self.headers.get("Content-Type") or "", CONTENT_LENGTH=str(len(body)))
        out = subprocess.run(["git", "http-backend"], input=body, env=env, stdout=subprocess.PIPE).stdout
        head, _, out = out.partition(b"\r\n\r\n")
        headers = [line.decode().split(": ", 1) for line in head.split(b"\r\n")]
        code = next((int(value[:3]) for name, value in headers if name == "Status"), 200)
        headers = [(name, value) for name, value in headers if name not in ("Status", "Content-Length")]
        if mode == "cut" and self.command == "POST":
            self.answer(code, headers, out[: len(out) // 2], len(out))
            self.close_connection = True
        elif mode == "short" and self.command == "POST":
            self.answer(code, headers, out, len(out) // 2)
            self.close_connection = True
        elif mode == "stall" and self.command == "POST":
            try:
                self.answer(code, headers, out[: len(out) // 2], len(out))
            except OSError:
                return
            threading.Event().wait()
        elif mode == "drip" and self.command == "POST":
            self.answer(code, headers, b"", len(out))
            try:
                for byte in out:
                    self.wfile.write(bytes([byte]))
                    threading.Event().wait(0.01)
            except OSError:
                self.close_connection = True
        elif mode == "endless" and self.command == "POST":
            self.answer(code, headers, b"0008NAK\n", 1 << 40)
            try:
                while True:
                    self.wfile.write(b"0014\x02still counting\n" * 1000)
            except OSError:
                self.close_connection = True
        else:
            self.answer(code, headers, out)

    def made_up(self, mode):
        kind = "application/x-git-upload-pack-"
        if self.command == "GET":
            refs = packet(b"# service=git-upload-pack\n") + b"0000"
            if mode == "escape":
                refs = packet(b"ERR \x1b[2J\x07 all is well\r\n")
                return self.answer(200, [("Content-Type", kind + "advertisement")], refs)
            band = b" side-band-64k ofs-delta" if "band" in mode else b""
            refs += packet(b"1" * 40 + b" HEAD\0symref=HEAD:refs/heads/main" + band + b"\n")
            refs += packet(b"1" * 40 + b" refs/heads/main\n") + b"0000"
            self.answer(200, [("Content-Type", kind + "advertisement")], refs)
        else:
            pack = bomb(mode == "bomb-band")
            if "band" in mode:
                pack = b"".join(packet(b"\x01" + pack[at:at + 999]) for at in range(0, len(pack), 999)) + b"0000"
            self.answer(200, [("Content-Type", kind + "result")], packet(b"NAK\n") + pack)


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
