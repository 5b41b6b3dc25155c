"""nginx from Debian with the files of deploy/, adapted only in names and ports."""

from __future__ import annotations

import datetime
import http.server
import ipaddress
import json
import os
import subprocess
import threading
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.stack.process import HERE, ROOT, Process, free_port, listens, until
from tests.stack.services import program

FILES = ROOT / "deploy" / "network" / "nginx"
MAIN = """\
daemon off;
{user}
pid {folder}/nginx.pid;
error_log stderr warn;
worker_processes 1;
events {{ worker_connections 4096; }}
http {{
  include /etc/nginx/mime.types;
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  include conf.d/*.conf;
}}
"""


def swap(text, changes):
    """Each must be there: a test of a file that has changed fails, not passes."""
    for old, new in changes.items():
        assert old in text, f"{old!r} is not in the file any more"
        text = text.replace(old, new)
    return text


def certificate(folder, address="127.0.0.1"):
    """A certificate for localhost that signs itself; (certificate, key) as paths.

    It is good for `address` as well.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    numeric = x509.IPAddress(ipaddress.ip_address(address))
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), numeric])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    paths = Path(folder) / "localhost.pem", Path(folder) / "localhost.key"
    paths[0].write_bytes(made.public_bytes(pem))
    paths[1].write_bytes(
        key.private_bytes(
            pem,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


class Nginx:
    """One nginx with files of ours: `conf.d/` and `lifeos/` under its folder.

    `files` maps names under the folder to contents.
    """

    def __init__(self, folder, files, machine=HERE):
        self.folder, self.address = Path(folder), machine.address
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        user = "user root;" if os.geteuid() == 0 else ""
        main = self.folder / "nginx.conf"
        main.write_text(MAIN.format(folder=self.folder, user=user))
        nginx = program("nginx", "nginx-light", "/usr/sbin/nginx")
        self.command = [nginx, "-p", str(self.folder), "-c", str(main)]
        env = dict(os.environ)
        self.process = Process("nginx", self.command, env, self.folder, machine)

    def test(self):
        """`nginx -t`: what it says if the files are wrong, or nothing."""
        done = subprocess.run(
            [*self.command, "-t"], capture_output=True, text=True, check=False
        )
        warned = [line for line in done.stderr.splitlines() if "[warn]" in line]
        return done.stderr if done.returncode or warned else ""

    def start(self, port):
        self.process.start()
        until(lambda: listens(port, self.address), "nginx")

    def stop(self):
        self.process.stop()


def site(folder, *, lifeos, comfyui, data, changes=None, machine=HERE):
    """deploy/network/nginx/lifeos.conf on a free port, in front of these addresses.

    `lifeos` has one for each web process. `changes` swaps words in the shared files.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    pem, key = certificate(folder, machine.address)
    port, plain = free_port(), free_port()
    name = "localhost" if machine is HERE else machine.address
    webs = "".join(f"server {one} max_fails=1 fail_timeout=2s;" for one in lifeos)
    files = {
        "conf.d/lifeos.conf": swap(
            (FILES / "lifeos.conf").read_text(),
            {
                "server 127.0.0.1:8000 max_fails=1 fail_timeout=2s;": webs,
                "server 192.168.1.100:8188": f"server {comfyui}",
                "listen 80;": f"listen {machine.address}:{plain};",
                "listen [::]:80;": "",
                "listen 443 ssl http2;": f"listen {machine.address}:{port} ssl http2;",
                "listen [::]:443 ssl http2;": "",
                "lifeos.example.org$request_uri": f"{name}:{port}$request_uri",
                "/etc/letsencrypt/live/lifeos.example.org/fullchain.pem": str(pem),
                "/etc/letsencrypt/live/lifeos.example.org/privkey.pem": str(key),
                "server_name lifeos.example.org": f"server_name {name}",
                "/var/log/nginx/lifeos.log": str(folder / "lifeos.log"),
            },
        )
    }
    for path in (FILES / "shared").glob("*.conf"):
        text = path.read_text().replace("/var/lib/lifeos", str(data))
        for (changed, old), new in (changes or {}).items():
            if changed == path.name:
                text = swap(text, {old: new})
        files[f"lifeos/{path.name}"] = text
    nginx = Nginx(folder, files, machine)
    nginx.certificate, nginx.port, nginx.plain = pem, port, plain
    nginx.url = f"https://{name}:{port}"
    return nginx


class Witness:
    """A server behind nginx that says what arrived, or names a file to be sent."""

    def __init__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if self.path == "/auth/comfyui/":
                    self.send_response(204)
                    self.end_headers()
                    return
                body = json.dumps(dict(self.headers.items())).encode()
                self.send_response(200)
                if self.path.startswith("/picture"):
                    self.send_header("X-Accel-Redirect", "/_files/a/picture.png")
                    self.send_header("Content-Type", "image/png")
                    self.send_header("Cache-Control", "private, max-age=31536000")
                    self.send_header("Content-Disposition", 'inline; filename="x.png"')
                self.send_header("Set-Cookie", "theirs=1")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
