"""A desk opens where only those can come in whom somebody vouches for."""

from __future__ import annotations

import pytest

from pipeline.errors import RefusedError, SettingsError
from pipeline.identity.desk import require_fit_desk, sign_in, streamlit_options
from pipeline.settings import load_settings

OIDC = ('mode = "oidc"', 'issuer = "https://id.bank.example"')
AUTH = {
    "redirect_uri": "https://desk.bank.example/oauth2callback",
    "cookie_secret": "c" * 32,
    "client_id": "mend",
    "client_secret": "s3cret",
    "server_metadata_url": "https://id.bank.example/.well-known/openid-configuration",
}


def write_auth(config, **changes):
    lines = [f'{key} = "{value}"' for key, value in (AUTH | changes).items() if value is not None]
    file = config.with_name("secrets.toml")
    file.write_text("\n".join(["[auth]", *lines, ""]), encoding="utf-8")
    file.chmod(0o600)
    return file


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_a_local_desk_opens_on_this_machine(a_config, address):
    require_fit_desk(load_settings(a_config()), address=address)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "", "192.168.1.7", "desk.bank.example", "127.0.0.1.evil.example"])
def test_a_local_desk_opens_nowhere_else(a_config, address):
    with pytest.raises(RefusedError, match=r"identity\.mode is local"):
        require_fit_desk(load_settings(a_config()), address=address)


def test_a_desk_that_people_sign_in_to_opens_anywhere(a_config):
    config = a_config(*OIDC)
    file = write_auth(config)
    settings = load_settings(config)
    require_fit_desk(settings, address="0.0.0.0")
    assert streamlit_options(settings, address="0.0.0.0") == [
        *("--server.address", "0.0.0.0", "--secrets.files", str(file)),
        *("--server.allowedHosts", "127.0.0.1", "--server.allowedHosts", "localhost"),
        *("--server.allowedHosts", "desk.bank.example"),
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        *[pytest.param({key: None}, f"auth.{key}: expected a text", id=f"no {key}") for key in AUTH],
        pytest.param({"client_id": " "}, "auth.client_id: expected a text", id="a blank"),
        pytest.param({"cookie_secret": "short"}, "at least 32 characters", id="a secret to guess"),
        pytest.param(
            {"redirect_uri": "http://desk.bank.example/oauth2callback"}, "expected https://", id="in the clear"
        ),
        pytest.param({"redirect_uri": "https://desk.bank.example/"}, "expected …/oauth2callback", id="another page"),
        pytest.param({"server_metadata_url": "http://id.bank.example/x"}, "expected https://", id="keys in the clear"),
    ],
)
def test_a_sign_in_that_is_not_whole_or_not_secret_opens_nothing(a_config, change, says):
    config = a_config(*OIDC)
    write_auth(config, **change)
    with pytest.raises(SettingsError) as refusal:
        require_fit_desk(load_settings(config), address="127.0.0.1")
    assert says in str(refusal.value)
    assert "s3cret" not in str(refusal.value)
    assert "short" not in str(refusal.value)


def test_the_file_with_the_sign_in_has_to_be_there_and_to_itself(a_config):
    config = a_config(*OIDC, 'secrets = "elsewhere/auth.toml"')
    settings = load_settings(config)
    with pytest.raises(SettingsError, match=r"elsewhere/auth\.toml: no such file"):
        sign_in(settings)
    (config.parent / "elsewhere").mkdir()
    file = write_auth(config).rename(config.parent / "elsewhere" / "auth.toml")
    assert sign_in(settings)["client_id"] == "mend"
    file.chmod(0o604)
    with pytest.raises(SettingsError, match="can be read by everybody"):
        sign_in(settings)
    file.chmod(0o600)
    for broken in ("[auth", 'auth = "x"', ""):
        file.write_text(broken)
        with pytest.raises(SettingsError, match=r"not readable as TOML|expected a text"):
            sign_in(settings)


def test_a_desk_behind_a_proxy_opens_with_its_secret_and_to_its_names(a_config, monkeypatch):
    lines = (
        'mode = "proxy"',
        'proxy_header = "X-User"',
        'proxy_secret_header = "X-Secret"',
        'hosts = ["desk.example"]',
    )
    settings = load_settings(a_config(*lines))
    monkeypatch.delenv("MEND_PROXY_SECRET", raising=False)
    with pytest.raises(SettingsError, match="MEND_PROXY_SECRET"):
        require_fit_desk(settings, address="127.0.0.1")
    monkeypatch.setenv("MEND_PROXY_SECRET", "0123456789abcdef" * 2)
    require_fit_desk(settings, address="10.0.0.5")
    assert streamlit_options(settings, address="10.0.0.5")[-1] == "desk.example"
