"""Google's and Azure's token servers, and the hosts that give tokens, on loopback. Prints its port. What a service account
signs is verified by google-auth."""
import base64
import datetime
import json
import pathlib
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import serialization
from google.auth import jwt

PEM = (pathlib.Path(__file__).parent / "key.pem").read_bytes()
PUBLIC = serialization.load_pem_private_key(PEM[PEM.index(b"-----BEGIN"):], None).public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
TENANT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
CLIENT = "11111111-2222-3333-4444-555555555555"


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def azure_token(resource):
    return f"{part({'alg': 'none'})}.{part({'aud': resource, 'tid': TENANT, 'oid': CLIENT, 'appid': CLIENT})}.c2ln"


def google_token(form, url):
    if form["grant_type"] == "refresh_token":
        if form["refresh_token"] != "1//good" or form["client_secret"] != "s":
            return 400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
        return 200, {"access_token": "of-me", "expires_in": 3599, "token_type": "Bearer"}
    try:
        # google-auth names Google's own server, whichever it asks.
        claims = jwt.decode(form["assertion"], certs=PUBLIC, audience=[url, "https://oauth2.googleapis.com/token"])
    except Exception as error:
        return 400, {"error": "invalid_grant", "error_description": f"Invalid JWT Signature. {error}"}
    header = jwt.decode_header(form["assertion"])
    if header["kid"] != "k1" or claims["exp"] - claims["iat"] > 3600 or "cloud-platform" not in claims["scope"]:
        return 400, {"error": "invalid_grant", "error_description": f"{header} {claims}"}
    return 200, {"access_token": f"of-{claims['iss']}", "expires_in": 3599, "token_type": "Bearer"}


def azure_secret(form):
    if (form["client_id"], form["client_secret"], form["grant_type"]) != (CLIENT, "s~1", "client_credentials"):
        return 401, {"error": "invalid_client", "error_description":
                     "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: x", "error_codes": [7000215]}
    return 200, {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599,
                 "access_token": azure_token(form["scope"].removesuffix("/.default"))}


class Handler(BaseHTTPRequestHandler):
    def reply(self, status, body):
        text = body if isinstance(body, str) else json.dumps(body)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def form(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        return json.loads(body) if body.startswith("{") else {k: v[0] for k, v in parse_qs(body).items()}

    def do_POST(self):
        form, path, bearer = self.form(), self.path, self.headers.get("Authorization", "")
        if path == "/token":
            self.reply(*google_token(form, f"http://{self.headers['Host']}/token"))
        elif path == "/tokeninfo" and bearer == "Bearer of-me":
            self.reply(200, {"scope": "x", "email": "me@x.org", "email_verified": "true", "expires_in": "3000"})
        elif path.endswith(":generateAccessToken") and bearer in ("Bearer of-me", "Bearer of-host") and "target%40" in path:
            end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=int(form["lifetime"][:-1]))
            name = "acting-through-" + ",".join(form["delegates"])
            self.reply(200, {"accessToken": name, "expireTime": end.strftime("%Y-%m-%dT%H:%M:%SZ")})
        elif path.endswith(":generateAccessToken"):
            self.reply(403, {"error": {"code": 403, "status": "PERMISSION_DENIED",
                                       "message": "Permission 'iam.serviceAccounts.getAccessToken' denied"}})
        elif path == f"/{TENANT}/oauth2/v2.0/token":
            self.reply(*azure_secret(form))
        elif path == "/oauth2/token" and self.headers.get("Metadata") == "true":
            self.reply(200, self.managed(form["resource"]))
        else:
            self.reply(404, {"error": "not_found"})

    def managed(self, resource):
        return {"access_token": azure_token(resource), "expires_on": str(int(time.time()) + 86400),
                "resource": resource, "token_type": "Bearer"}

    def do_GET(self):
        url, flavor = urlsplit(self.path), self.headers.get("Metadata-Flavor")
        query = {k: v[0] for k, v in parse_qs(url.query).items()}
        google = {
            "instance/service-accounts/default/token":
                {"access_token": "of-host", "expires_in": 1799, "token_type": "Bearer"},
            "instance/service-accounts/default/email": "host@p-1.iam.gserviceaccount.com",
            "project/project-id": "p-1",
        }
        path = url.path.removeprefix("/computeMetadata/v1/")
        if path in google and flavor == "Google":
            self.reply(200, google[path])
        elif url.path == "/msi/token" and self.headers.get("X-IDENTITY-HEADER") == "right":
            self.reply(200, self.managed(query["resource"]))
        elif url.path == "/msi/token":
            self.reply(401, {"statusCode": 401, "message": "no"})
        else:
            self.reply(404, {"error": "not_found"})

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
