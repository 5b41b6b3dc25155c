"""Every file of deploy/ by the tool that will read it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import json5
import jsonschema
import pytest
import yaml

from tests.deploy.conftest import tool
from tests.deploy.proxies import FILES, Nginx, certificate, site, swap
from tests.stack.process import ROOT, free_port, listens, until

DEPLOY = ROOT / "deploy"
SCHEMAS = Path(__file__).parent / "schemas"
COMPOSE = sorted(DEPLOY.glob("docker/compose*.yml"))
UNITS = sorted(
    path
    for kind in ("service", "socket", "target", "timer", "mount", "automount")
    for path in DEPLOY.glob(f"**/*.{kind}")
)


def found(paths):
    """Parameters named by their path; a pattern that finds nothing is a mistake."""
    paths = list(paths)
    assert paths
    return pytest.mark.parametrize(
        "path", paths, ids=[str(path.relative_to(ROOT)) for path in paths]
    )


def run(*command, **options):
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, **options
    )
    return done.returncode, done.stdout + done.stderr


# nginx ----------------------------------------------------------------------------


def test_nginx_takes_the_site_of_lifeos(tmp_path):
    nginx = site(tmp_path, lifeos=["127.0.0.1:1"], comfyui="127.0.0.1:2", data=tmp_path)
    assert nginx.test() == ""


def test_nginx_takes_the_site_of_comfyui(tmp_path):
    pem, key = certificate(tmp_path)
    text = swap(
        (FILES / "comfyui.conf").read_text(),
        {
            "listen 443 ssl http2;": "listen 127.0.0.1:1443 ssl http2;",
            "listen [::]:443 ssl http2;": "",
            "/etc/letsencrypt/live/comfyui.example.org/fullchain.pem": str(pem),
            "/etc/letsencrypt/live/comfyui.example.org/privkey.pem": str(key),
            "/var/log/nginx/comfyui.log": str(tmp_path / "log"),
        },
    )
    assert Nginx(tmp_path, {"conf.d/comfyui.conf": text}).test() == ""


@pytest.mark.parametrize("name", ["lifeos", "comfyui"])
def test_nginx_takes_what_the_containers_make_of_their_templates(tmp_path, name):
    pem, key = certificate(tmp_path)
    text = (DEPLOY / "docker" / "nginx" / f"{name}.conf.template").read_text()
    settings = {"LIFEOS_NAME": "a.example", "COMFYUI_NAME": "a.example"}
    settings["COMFYUI_ADDRESS"] = "127.0.0.1:8188"
    for key_, value in settings.items():
        text = text.replace("${" + key_ + "}", value)
    assert "${" not in text
    # Debian's nginx is older than the image's, and has no Docker to ask for names.
    text = swap(text, {"http2 on;": "", "/run/secrets/tls_certificate": str(pem)})
    text = text.replace("/run/secrets/tls_key", str(key))
    text = text.replace("server web:8000", "server 127.0.0.1:1")
    text = text.replace("server comfyui:8188", "server 127.0.0.1:2")
    shared = {f"lifeos/{p.name}": p.read_text() for p in (FILES / "shared").iterdir()}
    assert Nginx(tmp_path, {"conf.d/site.conf": text} | shared).test() == ""


def test_every_location_hands_on_whole_headers():
    """A proxy_set_header makes nginx forget those of the level above."""
    for path in (FILES / "shared").glob("*.conf"):
        for block in re.findall(r"location [^{]+\{(.*?)\n\}", path.read_text(), re.S):
            if "proxy_pass" in block:
                assert "lifeos/proxy.conf" in block or "X-Forwarded-Proto" in block


# Docker ---------------------------------------------------------------------------


@found(COMPOSE)
def test_a_compose_file_is_as_specified(path):
    check = tool("check-jsonschema")
    code, said = run(check, "--schemafile", SCHEMAS / "compose-spec.json", path)
    assert code == 0, said


@found(COMPOSE)
def test_a_compose_file_names_what_there_is(path):
    compose = yaml.safe_load(path.read_text())
    assert "version" not in compose
    for name, service in compose["services"].items():
        assert "runtime" not in service and "container_name" not in service, name
        # A file that goes on top of another names no image.
        image = service.get("image", "as:before")
        assert image.split(":")[-1] not in ("", "latest"), name
        for other, how in service.get("depends_on", {}).items():
            assert other in compose["services"]
            # Our image brings its own check.
            asked = compose["services"][other]
            if how["condition"] == "service_healthy":
                assert "healthcheck" in asked or "build" in asked, other
        for secret in service.get("secrets", []):
            assert secret in compose["secrets"], name
        for network in service.get("networks", []):
            assert network in compose["networks"], name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith(".."):
                assert (path.parent / source).exists(), source
            elif not source.startswith("."):
                assert source in compose["volumes"], source


def test_the_gpu_is_reserved_and_shut_away():
    stack = yaml.safe_load((DEPLOY / "docker/compose.gpu-stack.yml").read_text())
    for name in ("comfyui", "redis"):
        assert "ports" not in stack["services"][name]
    assert stack["networks"]["inside"]["internal"] is True
    (gpu,) = stack["services"]["comfyui"]["deploy"]["resources"]["reservations"][
        "devices"
    ]
    assert gpu == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}


def test_databases_have_no_way_out():
    compose = yaml.safe_load((DEPLOY / "docker/compose.yml").read_text())
    for name in ("postgres", "redis"):
        assert compose["services"][name]["networks"] == ["inside"]
        assert "ports" not in compose["services"][name]


def test_the_dockerfile(tmp_path):
    code, said = run(tool("hadolint"), DEPLOY / "docker/Dockerfile")
    assert code == 0, said
    worse = (DEPLOY / "docker/Dockerfile").read_text().replace(":3.11.14-slim", "")
    (tmp_path / "Dockerfile").write_text(worse.replace("-trixie", ""))
    assert run(tool("hadolint"), tmp_path / "Dockerfile")[0] == 1


def test_the_image_has_all_the_code_and_no_data(tmp_path):
    """What .dockerignore lets through sets itself up by the image's entrypoint."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    image = tmp_path / "image"
    for name in [line[1:] for line in lines if line.startswith("!")]:
        source, target = ROOT / name, image / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {"PATH": programs, "LIFEOS_DATA": str(tmp_path / "data")}
    code, said = run("sh", "deploy/docker/entrypoint.sh", "setup", cwd=image, env=env)
    assert code == 0 and "user name  admin" in said, said
    assert (tmp_path / "data" / "static" / "css").is_dir()


def test_the_health_check_of_the_image(tmp_path):
    check = DEPLOY / "docker/healthcheck.py"
    port = free_port()
    assert run(sys.executable, check, env={"PORT": str(port)})[0] == 1
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "healthz").write_text("ok")
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", "-b", "127.0.0.1", str(port)],
        cwd=folder,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as server:
        until(lambda: listens(port), "a server")
        assert run(sys.executable, check, env={"PORT": str(port)})[0] == 0
        server.terminate()


def test_make_secrets_makes_them_once(tmp_path):
    shutil.copy(DEPLOY / "docker/make-secrets.sh", tmp_path)
    assert run("sh", tmp_path / "make-secrets.sh")[0] == 0
    folder = tmp_path / "secrets"
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    names = {"secret_key", "postgres_password", "admin_password", "jwt_key"}
    assert set(first) == names | {"database_url"}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o444}
    password = first["postgres_password"].decode()
    assert len(password) == 64 and password in first["database_url"].decode()
    assert run("sh", tmp_path / "make-secrets.sh")[0] == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


# systemd --------------------------------------------------------------------------


def test_systemd_takes_the_units(tmp_path):
    verify = tool("systemd-analyze")
    for path in UNITS:
        # The programs are not installed here; everything else is as it is.
        text = re.sub(r"(?m)^(Exec\w+=)\S+", r"\1/bin/true", path.read_text())
        (tmp_path / path.name).write_text(text)
    code, said = run(verify, "verify", "--man=no", *sorted(tmp_path.iterdir()))
    ours = [line for line in said.splitlines() if any(p.name in line for p in UNITS)]
    assert code == 0 and not ours, said


@found(
    path
    for path in UNITS
    if path.name.startswith("lifeos") and path.suffix == ".service"
)
def test_our_units_have_few_rights(path):
    code, said = run(
        tool("systemd-analyze"), "security", "--offline=yes", "--threshold=20", path
    )
    assert code == 0, said


def test_a_mount_unit_has_the_name_of_its_place():
    for path in UNITS:
        if path.suffix in (".mount", ".automount"):
            where = re.search(r"(?m)^Where=(.*)$", path.read_text())[1]
            assert path.stem == where.strip("/").replace("/", "-")


# Scripts, settings, policies ------------------------------------------------------


@found([*DEPLOY.glob("**/*.sh"), ROOT / ".ci/run"])
def test_shellcheck_has_nothing_to_say(path):
    code, said = run(tool("shellcheck"), path)
    assert code == 0, said


@found([*DEPLOY.glob("**/lifeos.env"), *DEPLOY.glob("setups/*.env")])
def test_lifeos_starts_with_these_settings(path, tmp_path):
    """Each value is read, and known: a setting that nothing reads is a mistake."""
    lines = [
        line for line in path.read_text().splitlines() if line[:1] not in ("", "#")
    ]
    given = dict(line.split("=", 1) for line in lines)
    known = (ROOT / "docs/settings.md").read_text()
    for name in given:
        assert f"`{name.removesuffix('_FILE')}`" in known, name
    given["LIFEOS_DATA"] = str(tmp_path)
    secrets = {
        "DATABASE_URL": "postgres://lifeos:x@127.0.0.1/lifeos",
        "REDIS_URL": "redis://127.0.0.1:6379/0",
    }
    for name in [name for name in given if name.endswith("_FILE")]:
        secret = tmp_path / name
        secret.write_text(secrets.get(name.removesuffix("_FILE"), "x" * 60) + "\n")
        given[name] = str(secret)
    given.pop("LIFEOS_JWT_KEY_FILE", None)
    kept = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "lifeos.settings"}
    code = "from django.conf import settings; settings.DEBUG"
    status, said = run(sys.executable, "-c", code, env=kept | given, cwd=ROOT)
    assert status == 0, said


def test_cloudflared_asks_for_access_where_it_counts():
    config = yaml.safe_load(
        (DEPLOY / "network/cloudflare-tunnel/config.yml").read_text()
    )
    schema = json.loads((SCHEMAS / "cloudflared.json").read_text())
    jsonschema.validate(config, schema)
    *rules, last = config["ingress"]
    assert last == {"service": "http_status:404"}
    assert all(rule["originRequest"]["access"]["required"] for rule in rules)
    wrong = dict(config, originRequest=rules[0]["originRequest"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema)


def test_the_tailnet_gives_comfyui_to_lifeos_only():
    policy = json5.loads((DEPLOY / "network/tailscale/policy.hujson").read_text())
    assert set(policy) == {"tagOwners", "grants", "ssh", "tests"}
    to_gpu = [g for g in policy["grants"] if {"tag:gpu", "*"} & set(g["dst"])]
    assert all(grant["src"] == ["tag:lifeos"] for grant in to_gpu)
    assert {port for g in to_gpu for port in g["ip"]} == {"tcp:8188", "tcp:2049"}
    tags = {"tag:lifeos", "tag:gpu"}
    named = {w for g in policy["grants"] for w in g["src"] + g["dst"] if "tag:" in w}
    assert named <= tags == set(policy["tagOwners"])
    for test in policy["tests"]:
        assert set(test) <= {"src", "accept", "deny", "proto"}


@found(DEPLOY.glob("storage/s3/*.json"))
def test_bucket_files_are_what_the_bucket_takes(path):
    content = json.loads(path.read_text())
    if path.name == "policy.json":
        deeds = {deed for s in content["Statement"] for deed in s["Action"]}
        assert "s3:*" not in deeds and "s3:PutBucketPolicy" not in deeds
        return
    # boto3 knows the shapes of what it sends.
    from botocore.session import get_session
    from botocore.validate import ParamValidator

    names = {
        "cors.json": "PutBucketCors",
        "lifecycle.json": "PutBucketLifecycleConfiguration",
    }
    names["bucket-policy.json"] = "PutBucketPolicy"
    members = {
        "cors.json": "CORSConfiguration",
        "lifecycle.json": "LifecycleConfiguration",
    }
    model = get_session().get_service_model("s3").operation_model(names[path.name])
    member = members.get(path.name, "Policy")
    given = content if path.name in members else json.dumps(content)
    report = ParamValidator().validate(
        {"Bucket": "b", member: given}, model.input_shape
    )
    assert not report.has_errors(), report.generate_report()


def test_the_export_is_for_one_machine_and_read_only():
    text = (DEPLOY / "storage/nfs/exports").read_text()
    (line,) = [line for line in text.splitlines() if not line.startswith("#")]
    _, clients = line.split()
    address, options = clients.rstrip(")").split("(")
    assert re.fullmatch(r"[\d.]+", address)
    assert {"ro", "root_squash"} <= set(options.split(","))


# Monitoring -----------------------------------------------------------------------


def test_promtool_takes_the_rules_and_their_tests():
    folder = DEPLOY / "monitoring"
    for words in (
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "lifeos.rules.yml"],
        ["test", "rules", "lifeos.rules.test.yml"],
    ):
        code, said = run(tool("promtool"), *words, cwd=folder)
        assert code == 0, said


# Documents ------------------------------------------------------------------------


@found([*DEPLOY.glob("**/*.md"), *ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
def test_links_lead_somewhere(path):
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
    for link in re.findall(r"\]\(([^)#\s]+)", text):
        if not link.startswith(("http:", "https:", "mailto:")):
            target = (path.parent / link).resolve()
            assert target.exists(), link
