#!/bin/sh
# Run it again if Azure does not know the new role yet: nothing is created twice.
set -eu

# The object id of the service principal of the gateway's app, not its client id and not the object id of the app registration.
: "${PRINCIPAL_ID:?}"

# The role API Management Gateway Configuration Reader Role (11111111-2222-3333-4444-555555555555), which allows:
#   Microsoft.ApiManagement/service/gateways/getConfiguration/action:
#     for the gateway's own requests to the configuration endpoint
az rest --method put --url '/subscriptions/11111111-2222-3333-4444-555555555555/providers/Microsoft.Authorization/roleDefinitions/a65642bd-3953-5301-845c-ae5328562b73?api-version=2022-04-01' --body '{
  "properties": {
    "assignableScopes": [
      "/subscriptions/11111111-2222-3333-4444-555555555555"
    ],
    "description": "Can read self-hosted gateway configuration from Configuration API",
    "permissions": [
      {
        "actions": [],
        "dataActions": [
          "Microsoft.ApiManagement/service/gateways/getConfiguration/action"
        ],
        "notActions": [],
        "notDataActions": []
      }
    ],
    "roleName": "API Management Gateway Configuration Reader Role (11111111-2222-3333-4444-555555555555)",
    "type": "CustomRole"
  }
}'

# The role is assigned at the instance contoso.
az role assignment create --assignee-object-id "$PRINCIPAL_ID" \
  --assignee-principal-type ServicePrincipal \
  --role '/subscriptions/11111111-2222-3333-4444-555555555555/providers/Microsoft.Authorization/roleDefinitions/a65642bd-3953-5301-845c-ae5328562b73' \
  --scope '/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-apim/providers/Microsoft.ApiManagement/service/contoso'
