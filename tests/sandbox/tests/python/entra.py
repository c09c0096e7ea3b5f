"""Drives Entra, roles and managed identities of the Azure emulator with Microsoft's SDKs for Python.

Reads what to use as JSON from stdin, and meets the emulator under the public names through the proxy of the
environment.
"""

import asyncio
import base64
import json
import sys
import uuid
from datetime import datetime, timedelta, timezone

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.mgmt.apimanagement import ApiManagementClient
from azure.mgmt.apimanagement.models import (
    ApiManagementServiceIdentity,
    ApiManagementServiceUpdateParameters,
    GatewayContract,
    ResourceLocationDataContract,
)
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.authorization.models import Permission, RoleAssignmentCreateParameters, RoleDefinition
from azure.mgmt.msi import ManagedServiceIdentityClient
from azure.mgmt.msi.models import FederatedIdentityCredential as IdentityCredential
from azure.mgmt.msi.models import Identity
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphServiceClient
from msgraph.generated.applications.applications_request_builder import ApplicationsRequestBuilder
from msgraph.generated.applications.item.add_password.add_password_post_request_body import AddPasswordPostRequestBody
from msgraph.generated.applications.item.application_item_request_builder import ApplicationItemRequestBuilder
from msgraph.generated.applications.item.remove_password.remove_password_post_request_body import (
    RemovePasswordPostRequestBody,
)
from msgraph.generated.models.application import Application
from msgraph.generated.models.federated_identity_credential import FederatedIdentityCredential
from msgraph.generated.models.key_credential import KeyCredential
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.password_credential import PasswordCredential
from msgraph.generated.models.reference_create import ReferenceCreate
from msgraph.generated.models.service_principal import ServicePrincipal
from msgraph_core.tasks.page_iterator import PageIterator

EXCHANGE = "api://AzureADTokenExchange"
ISSUER = "https://issuer.example/"


def refused(error, status, code, call):
    try:
        call()
    except error as raised:
        assert (raised.status_code, raised.error.code) == (status, code), raised
        return raised
    raise AssertionError(f"expected {code}")


async def graph_refused(status, code, call):
    try:
        await call
    except ODataError as raised:
        assert (raised.response_status_code, raised.error.code) == (status, code), raised
        assert raised.error.inner_error.request_id, raised
        return raised
    raise AssertionError(f"expected {code}")


def query(of, **parameters):
    return RequestConfiguration(query_parameters=of(**parameters))


async def applications(given, graph):
    listing = ApplicationsRequestBuilder.ApplicationsRequestBuilderGetQueryParameters
    one = ApplicationItemRequestBuilder.ApplicationItemRequestBuilderGetQueryParameters

    by_name = graph.applications_with_unique_name("gw''1")
    prefer = RequestConfiguration()
    prefer.headers.add("Prefer", "create-if-missing")
    made = await by_name.patch(Application(display_name="O'Brien"), prefer)
    assert made.unique_name == "gw'1" and made.app_id, made
    assert await by_name.patch(Application(display_name="O'Brien"), prefer) is None
    found = await graph.applications.get(query(listing, filter="displayName eq 'O''Brien'", select=["id", "appId"]))
    assert [it.id for it in found.value] == [made.id], found
    assert (await graph.applications_with_app_id(made.app_id).get()).id == made.id

    paged = await graph.applications.get(query(listing, filter="startswith(displayName,'page')", top=100))
    names = []
    await PageIterator(paged, graph.request_adapter).iterate(lambda it: names.append(it.display_name) or True)
    assert len(set(names)) == given["pages"], len(names)

    item = graph.applications.by_application_id(made.id)
    end = datetime.now(timezone.utc) + timedelta(days=30)
    body = AddPasswordPostRequestBody(password_credential=PasswordCredential(display_name="a", end_date_time=end))
    password = await item.add_password.post(body)
    assert password.secret_text.startswith(password.hint), password.hint
    removal = RemovePasswordPostRequestBody(key_id=password.key_id)
    await item.remove_password.post(removal)
    await graph_refused(400, "Request_BadRequest", item.remove_password.post(removal))

    der = base64.b64decode(given["certificate"])
    new = KeyCredential(type="AsymmetricX509Cert", usage="Verify", key=der)
    await item.patch(Application(key_credentials=[new]))
    keys = (await item.get(query(one, select=["keyCredentials"]))).key_credentials
    assert len(keys) == 1 and keys[0].key and keys[0].usage == "Verify", keys

    federated = item.federated_identity_credentials
    credential = FederatedIdentityCredential(name="one", issuer=ISSUER, subject="s", audiences=[EXCHANGE])
    first = await federated.post(credential)
    await graph_refused(409, "Request_MultipleObjectsWithSameKeyValue", federated.post(credential))
    assert [it.subject for it in (await federated.get()).value] == ["s"]
    await federated.by_federated_identity_credential_id(first.id).patch(FederatedIdentityCredential(subject="t"))
    await federated.by_federated_identity_credential_id(first.id).delete()

    principal = await graph.service_principals.post(ServicePrincipal(app_id=made.app_id))
    assert (await graph.service_principals_with_app_id(made.app_id).get()).id == principal.id
    again = graph.service_principals.post(ServicePrincipal(app_id=made.app_id))
    await graph_refused(409, "Request_MultipleObjectsWithSameKeyValue", again)
    owner = ReferenceCreate(odata_id=f"https://graph.microsoft.com/v1.0/directoryObjects/{principal.id}")
    await item.owners.ref.post(owner)
    assert [it.id for it in (await item.owners.get()).value] == [principal.id]
    roles = await graph.service_principals.by_service_principal_id(principal.id).app_role_assignments.get()
    assert roles.value == []
    await graph_refused(404, "Request_ResourceNotFound", graph.applications.by_application_id("absent").get())
    return principal.id


def roles(given, credential, principal):
    client = AuthorizationManagementClient(credential, given["subscription"])
    scope = f"/subscriptions/{given['subscription']}"
    permission = Permission(data_actions=["Microsoft.ApiManagement/service/gateways/getConfiguration/action"])
    definition = RoleDefinition(
        role_name="Gateway's reader", role_type="CustomRole", permissions=[permission], assignable_scopes=[scope]
    )
    made = client.role_definitions.create_or_update(scope, str(uuid.uuid4()), definition)
    found = client.role_definitions.list(scope, filter="roleName eq 'Gateway''s reader'")
    assert [it.id for it in found] == [made.id]
    assert made.permissions[0].data_actions == permission.data_actions
    refused(
        ResourceExistsError,
        409,
        "RoleDefinitionWithSameNameExists",
        lambda: client.role_definitions.create_or_update(scope, str(uuid.uuid4()), definition),
    )

    def assign(principal_id, kind=None):
        body = RoleAssignmentCreateParameters(
            role_definition_id=made.id, principal_id=principal_id, principal_type=kind
        )
        return client.role_assignments.create(given["service_id"], str(uuid.uuid4()), body)

    first = assign(principal, "ServicePrincipal")
    twice = refused(ResourceExistsError, 409, "RoleAssignmentExists", lambda: assign(principal, "ServicePrincipal"))
    assert first.name.replace("-", "") in twice.message, twice
    unknown = refused(HttpResponseError, 400, "PrincipalNotFound", lambda: assign(str(uuid.uuid4())))
    assert "replication delay" in unknown.message, unknown
    found = client.role_assignments.list_for_scope(given["service_id"], filter="atScope()")
    assert first.id in [it.id for it in found]
    permissions = list(client.permissions.list_for_resource_group(given["group"]))
    assert permissions[0].actions == ["*"], permissions


def identities(given, credential):
    client = ManagedServiceIdentityClient(credential, given["subscription"])
    made = client.user_assigned_identities.create_or_update(given["group"], "one", Identity(location="westeurope"))
    assert client.user_assigned_identities.get(given["group"], "one").client_id == made.client_id
    assert "/resourcegroups/" in made.id, made.id

    def add(name):
        body = IdentityCredential(issuer=ISSUER, subject="s", audiences=[EXCHANGE])
        return client.federated_identity_credentials.create_or_update(given["group"], "one", name, body)

    assert add("one").subject == "s"
    refused(ResourceExistsError, 409, "Conflict", lambda: add("two"))
    assert [it.name for it in client.federated_identity_credentials.list(given["group"], "one")] == ["one"]
    absent = lambda: client.user_assigned_identities.get(given["group"], "absent")
    refused(ResourceNotFoundError, 404, "ResourceNotFound", absent)
    return made.id


def instance(given, credential, identity):
    client = ApiManagementClient(credential, given["subscription"])
    path = (given["group"], given["service"])
    both = ApiManagementServiceIdentity(type="SystemAssigned, UserAssigned", user_assigned_identities={identity: {}})
    update = ApiManagementServiceUpdateParameters(identity=both)
    changed = client.api_management_service.begin_update(*path, update).result()
    assert changed.identity.principal_id and changed.provisioning_state == "Succeeded", changed
    assert list(changed.identity.user_assigned_identities) == [identity], changed.identity
    location = ResourceLocationDataContract(name="here")
    made = client.gateway.create_or_update(*path, "gw-new", GatewayContract(location_data=location))
    assert made.location_data.name == "here", made
    assert list(client.gateway_api.list_by_service(*path, "gw-new")) == []


def main():
    given = json.load(sys.stdin)
    credential = ClientSecretCredential(given["tenant"], given["id"], given["secret"])
    graph = GraphServiceClient(credential, ["https://graph.microsoft.com/.default"])
    principal = asyncio.run(applications(given, graph))
    roles(given, credential, principal)
    instance(given, credential, identities(given, credential))
    print("entra: ok")


if __name__ == "__main__":
    main()
