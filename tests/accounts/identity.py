"""An OpenID Connect provider on a port of its own: whoever it is told to be."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Provider:
    """`claims` is who signs in next; it asks nobody anything."""

    def __init__(self):
        self.claims = {}
        self.nonce = None
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                provider.answer(self)

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                provider.answer(self)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()

    def answer(self, handler):
        parts = urlsplit(handler.path)
        if parts.path == "/authorize":
            query = {k: v[0] for k, v in parse_qs(parts.query).items()}
            self.nonce = query.get("nonce")
            back = urlencode({"code": "a-code", "state": query["state"]})
            handler.send_response(302)
            handler.send_header("Location", f"{query['redirect_uri']}?{back}")
            handler.end_headers()
            return
        body = json.dumps(self._json(parts.path)).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _json(self, path):
        if path == "/.well-known/openid-configuration":
            ends = {"authorization": "authorize", "token": "token", "userinfo": "me"}
            known = {f"{name}_endpoint": f"{self.url}/{p}" for name, p in ends.items()}
            methods = ["client_secret_basic", "client_secret_post"]
            return known | {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
                "token_endpoint_auth_methods_supported": methods,
            }
        if path == "/keys":
            public = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key())
            return {"keys": [{**json.loads(public), "kid": "k", "alg": "RS256"}]}
        if path == "/token":
            now = int(time.time())
            claims = self.claims | {"iss": self.url, "aud": "life-os", "iat": now}
            claims |= {"exp": now + 60} | ({"nonce": self.nonce} if self.nonce else {})
            token = jwt.encode(claims, KEY, "RS256", headers={"kid": "k"})
            return {"access_token": "a", "token_type": "Bearer", "id_token": token}
        return self.claims
