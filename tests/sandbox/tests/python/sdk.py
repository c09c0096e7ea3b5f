"""Drives the Azure emulator with the Azure SDK for Python.

Reads what to use as JSON from stdin. Runs everything twice: under the public names through the proxy of the
environment, and under the emulator's own address.
"""

import json
import sys
from datetime import datetime, timedelta, timezone

from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.mgmt.apimanagement import ApiManagementClient
from azure.mgmt.apimanagement.models import GatewayKeyRegenerationRequestContract, GatewayTokenRequestContract


def expect(error, status, code, call):
    try:
        call()
    except error as raised:
        assert raised.status_code == status, (raised.status_code, raised)
        assert raised.error.code == code, (raised.error.code, raised)
        return raised
    raise AssertionError(f"expected {code}")


def run(given, direct):
    def credential(who, secret=None):
        where = {"authority": given["url"]} if direct else {}
        return ClientSecretCredential(given["tenant"], who["id"], secret or who["secret"], **where)

    def client(who, secret=None):
        where = {}
        if direct:
            where = {"base_url": given["url"], "credential_scopes": [given["url"] + "/.default"]}
        return ApiManagementClient(credential(who, secret), given["subscription"], **where)

    path = (given["group"], given["service"], given["gateway"])
    admin = client(given["admin"])

    service = admin.api_management_service.get(*path[:2])
    assert service.name == given["service"] and service.sku.name == "Developer", service
    assert [s.name for s in admin.api_management_service.list()] == [given["service"]]
    assert [s.name for s in admin.api_management_service.list_by_resource_group(given["group"])] == [given["service"]]
    names = [gateway.name for gateway in admin.gateway.list_by_service(*path[:2])]
    assert len(set(names)) == given["gateways"], len(names)
    pages = list(admin.gateway.list_by_service(*path[:2], top=60).by_page())
    assert len(pages) == 5, len(pages)
    assert admin.gateway.get(*path).name == given["gateway"]
    assert admin.gateway.get_entity_tag(*path)

    def token(who, key_type, days):
        expiry = datetime.now(timezone.utc) + timedelta(days=days)
        contract = GatewayTokenRequestContract(key_type=key_type, expiry=expiry)
        return who.gateway.generate_token(*path, contract).value

    operator = client(given["operator"])
    for key_type in ("primary", "secondary"):
        print("token", token(operator, key_type, 29))
    before = admin.gateway.list_keys(*path)
    assert admin.gateway.regenerate_key(*path, GatewayKeyRegenerationRequestContract(key_type="primary")) is None
    after = admin.gateway.list_keys(*path)
    assert before.primary != after.primary and before.secondary == after.secondary

    absent = (*path[:2], "absent")
    expect(ResourceNotFoundError, 404, "ResourceNotFound", lambda: admin.gateway.get(*absent))
    expect(ResourceNotFoundError, 404, "ResourceGroupNotFound", lambda: admin.gateway.get("absent", *path[1:]))
    expect(HttpResponseError, 403, "AuthorizationFailed", lambda: operator.gateway.list_keys(*path))
    refused = expect(HttpResponseError, 400, "ValidationError", lambda: token(admin, "primary", 31))
    assert refused.error.details[0].target == "expiry", refused

    try:
        client(given["admin"], "wrong").gateway.get(*path)
    except ClientAuthenticationError as raised:
        assert "AADSTS7000215" in str(raised), raised
    else:
        raise AssertionError("a wrong secret signed in")


if __name__ == "__main__":
    given = json.load(sys.stdin)
    for direct in (False, True):
        run(given, direct)
    print("public and direct: ok")
