"""Sign-in by other services, as the environment names them."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from lifeos import env


def given(monkeypatch, **values):
    for name, value in values.items():
        monkeypatch.setenv(f"LIFEOS_{name}", value)
    return env.social()


def test_nothing_is_on_unless_it_is_set():
    assert env.social() == ([], {}, [])


def test_each_has_its_client_and_its_origin(monkeypatch):
    names, settings, origins = given(
        monkeypatch,
        GITHUB_CLIENT_ID="id",
        GITHUB_CLIENT_SECRET="secret",
        MICROSOFT_CLIENT_ID="m",
        MICROSOFT_CLIENT_SECRET="n",
        OIDC_CLIENT_ID="o",
        OIDC_CLIENT_SECRET="p",
        OIDC_ISSUER="https://id.example.org/realms/home",
        OIDC_FORM_ORIGINS="https://login.example.org",
    )
    assert names == ["github", "microsoft", "openid_connect"]
    assert settings["github"]["APPS"][0]["client_id"] == "id"
    assert settings["microsoft"]["TENANT"] == "organizations"
    (oidc,) = settings["openid_connect"]["APPS"]
    assert oidc["settings"]["server_url"] == "https://id.example.org/realms/home"
    assert origins[2:] == ["https://id.example.org", "https://login.example.org"]


@pytest.mark.parametrize(
    "values",
    [
        {"GOOGLE_CLIENT_ID": "id"},
        {"GOOGLE_CLIENT_SECRET": "secret"},
        {"OIDC_CLIENT_ID": "id", "OIDC_CLIENT_SECRET": "secret"},
        {"OIDC_CLIENT_ID": "i", "OIDC_CLIENT_SECRET": "s", "OIDC_ISSUER": "nonsense"},
    ],
)
def test_half_a_client_stops_the_start(monkeypatch, values):
    with pytest.raises(ImproperlyConfigured) as caught:
        given(monkeypatch, **values)
    assert "LIFEOS_" in str(caught.value)


@pytest.mark.parametrize("network", ["300.1.1.1", "10.0.0.1/8", "proxy.example.org"])
def test_a_wrong_network_stops_the_start(monkeypatch, network):
    monkeypatch.setenv("LIFEOS_TRUSTED_PROXIES", network)
    with pytest.raises(ImproperlyConfigured, match="LIFEOS_TRUSTED_PROXIES"):
        env.networks("LIFEOS_TRUSTED_PROXIES")
