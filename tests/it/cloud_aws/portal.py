"""IAM Identity Center on loopback: its OIDC server and its portal in one, for tests. Prints its port. Whoever opens
/authorize has signed in. A device code is confirmed at the third question, or at the first one when the first argument
is the JSON of credentials that the portal is to hand out; with "never" it is not confirmed at all."""
import base64
import hashlib
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

given = json.loads(sys.argv[1]) if len(sys.argv) > 1 else None
clients, codes, polls = {}, {}, {}
access, refresh = set(), set()


class Refused(Exception):
    def __init__(self, status, code, words="no"):
        self.status, self.code, self.words = status, code, words


def want(condition, code="InvalidRequestException", words="no"):
    if not condition:
        raise Refused(400, code, words)


def new_token():
    number = len(access) + 1
    access.add(f"access-{number}")
    refresh.add(f"refresh-{number}")
    return {"accessToken": f"access-{number}", "refreshToken": f"refresh-{number}", "expiresIn": 28800,
            "tokenType": "Bearer"}


def register(body):
    want(body["clientType"] == "public" and body["clientName"] and body["scopes"])
    grants = set(body["grantTypes"])
    browser = "authorization_code" in grants
    want(browser != ("urn:ietf:params:oauth:grant-type:device_code" in grants), words="one way, please")
    want(browser == ("redirectUris" in body) == ("issuerUrl" in body))
    name = f"client-{len(clients) + 1}"
    clients[name] = body
    return {"clientId": name, "clientSecret": "secret-of-" + name, "clientIdIssuedAt": int(time.time()),
            "clientSecretExpiresAt": int(time.time()) + 90 * 86400}


def client_of(body):
    name = body["clientId"]
    want(name in clients and body["clientSecret"] == "secret-of-" + name, "InvalidClientException")
    return name


def start_device(body):
    name = client_of(body)
    want(body["startUrl"].startswith("https://"))
    polls["device-" + name] = 0
    page = "https://device.sso.eu-west-1.amazonaws.com/"
    return {"deviceCode": "device-" + name, "userCode": "ABCD-EFGH", "verificationUri": page,
            "verificationUriComplete": page + "?user_code=ABCD-EFGH", "expiresIn": 600, "interval": 1}


def token(body):
    name, grant = client_of(body), body["grantType"]
    if grant == "refresh_token":
        want(body["refreshToken"] in refresh, "InvalidGrantException")
        refresh.discard(body["refreshToken"])
        return new_token()
    want(grant in clients[name]["grantTypes"], "UnauthorizedClientException")
    if grant == "authorization_code":
        asked = codes.pop(body["code"], None)
        want(asked and asked["redirect_uri"] == body["redirectUri"], "InvalidGrantException")
        challenge = hashlib.sha256(body["codeVerifier"].encode()).digest()
        want(base64.urlsafe_b64encode(challenge).rstrip(b"=").decode() == asked["code_challenge"],
             "InvalidGrantException")
        return new_token()
    code = body["deviceCode"]
    want(code in polls, "InvalidGrantException")
    polls[code] += 1
    want(given != "never", "authorization_pending")
    want(given or polls[code] != 1, "authorization_pending")
    want(given or polls[code] != 2, "slow_down")
    return new_token()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body=None, **headers):
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def answered(self, act):
        try:
            act()
        except Refused as no:
            kind = "error" if no.code.islower() or "Grant" in no.code else "__type"
            body = {kind: no.code, "error_description" if kind == "error" else "message": no.words}
            self.reply(no.status, body)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        acts = {"/client/register": register, "/device_authorization": start_device, "/token": token}
        if self.path == "/logout":
            self.answered(lambda: (access.discard(self.bearer()), self.reply(200)))
        else:
            self.answered(lambda: self.reply(200, acts[self.path](body)))

    def bearer(self):
        token = self.headers["x-amz-sso_bearer_token"]
        if token not in access:
            raise Refused(401, "com.amazonaws.switchboard.portal#UnauthorizedException", "Session token not found")
        return token

    def do_GET(self):
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/authorize":
            assert query["response_type"] == "code" and query["code_challenge_method"] == "S256"
            assert query["client_id"] in clients and query["scopes"] == "sso:account:access"
            code = f"code+{len(codes)}"
            codes[code] = query
            back = urlencode({"code": code, "state": query["state"]})
            self.reply(302, None, Location=query["redirect_uri"] + "?" + back)
        else:
            self.answered(lambda: self.reply(200, self.portal(parts.path, query)))

    def portal(self, path, query):
        self.bearer()
        if path == "/assignment/accounts":
            want(int(query["max_result"]) <= 100, "InvalidRequestException")
            if "next_token" not in query:
                return {"accountList": [{"accountId": "111111111111", "accountName": "one"}], "nextToken": "t=2"}
            assert query["next_token"] == "t=2"
            return {"accountList": [{"accountId": "222222222222", "accountName": "two \x1b[2J"}], "nextToken": None}
        if path == "/assignment/roles":
            return {"roleList": [{"roleName": "dev", "accountId": query["account_id"]}]}
        if path == "/federation/credentials":
            if query["role_name"] != "dev":
                raise Refused(403, "ForbiddenException", "No access")
            end = (int(time.time()) + 3600) * 1000
            if given:
                return {"roleCredentials": {**given, "expiration": end}}
            return {"roleCredentials": {"accessKeyId": "ASIAPORTAL", "secretAccessKey": "portal-secret",
                                        "sessionToken": "portal-token", "expiration": end}}
        raise Refused(404, "ResourceNotFoundException")


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
sys.stdin.close()
server.serve_forever()
