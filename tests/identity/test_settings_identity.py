"""How people are known is read strictly, and no secret is repeated in an error."""

from __future__ import annotations

import pytest

from pipeline.errors import SettingsError
from pipeline.settings import load_settings

HEADERS = ('proxy_header = "X-User"', 'proxy_secret_header = "X-Secret"')


def test_without_a_section_the_desk_is_local_and_knows_no_tokens(a_config):
    identity = load_settings(a_config()).identity
    assert (identity.mode, identity.tokens, identity.proxy_header, identity.issuer) == ("local", {}, "", "")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        pytest.param(['mode = "none"'], "identity.mode", id="a mode we do not have"),
        pytest.param(['mode = "oidc"'], "issuer: expected https", id="oidc without an issuer"),
        pytest.param(['mode = "oidc"', 'issuer = "bank"'], "issuer: expected https", id="an issuer that is no address"),
        pytest.param(
            ['mode = "oidc"', 'issuer = "http://id.bank.example"'], "issuer: expected https", id="in the clear"
        ),
        pytest.param(['mode = "proxy"'], "expected proxy_header and proxy_secret_header", id="proxy without headers"),
        pytest.param(['mode = "proxy"', HEADERS[0]], "expected proxy_header and proxy_secret", id="without a secret's"),
        pytest.param(
            ['mode = "proxy"', *HEADERS, 'proxy_roles_header = "x-user"'], "different headers", id="one twice"
        ),
        pytest.param(['proxy_header = "X User"'], "expected a header's name", id="a header with a space"),
        pytest.param(['hosts = ["desk.example"]'], "mode local is for this machine", id="a local desk with a name"),
        pytest.param(['mode = "proxy"', *HEADERS, 'hosts = ["*"]'], "hosts: expected names", id="any host"),
        pytest.param(
            [*HEADERS, 'proxy_secret = "s3cret"'], "proxy_secret: unknown key", id="the secret in the settings"
        ),
        pytest.param(["[identity.tokens]", 'ann = "mend_s3cret"'], 'expected "sha256:"', id="the token itself"),
        pytest.param(["[identity.tokens]", f'ann = "sha256:{"A" * 64}"'], 'expected "sha256:"', id="capitals"),
        pytest.param(["[identity.tokens]", f'ann = "sha256:{"a" * 64} until soon"'], "expected a date", id="no day"),
        pytest.param(["[identity.tokens]", f'" " = "sha256:{"a" * 64}"'], "not nobody's", id="nobody's token"),
        pytest.param(["[identity.tokens]", f'"unknown token" = "sha256:{"a" * 64}"'], "not nobody's", id="the unknown"),
    ],
)
def test_a_senseless_identity_is_one_line_that_tells_no_secret(a_config, lines, says):
    with pytest.raises(SettingsError) as refusal:
        load_settings(a_config(*lines))
    assert says in str(refusal.value)
    assert "s3cret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_token_in_the_environment_is_no_setting(a_config, monkeypatch):
    monkeypatch.setenv("MEND_TOKEN", "mend_x")
    monkeypatch.setenv("MEND_PROXY_SECRET", "x")
    assert load_settings(a_config()).identity.mode == "local"
