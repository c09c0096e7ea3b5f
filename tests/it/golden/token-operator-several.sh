#!/bin/sh
# Run it again if Azure does not know the new role yet: nothing is created twice.
set -eu

# The object id of the service principal or managed identity that rotates, not its client id and not the object id of the app registration.
: "${PRINCIPAL_ID:?}"

# The role API Management Self-Hosted Gateway Token Operator (11111111-2222-3333-4444-555555555555), which allows:
#   Microsoft.ApiManagement/service/gateways/read:
#     for GET .../gateways/NAME, which checks that the gateway exists before a token is minted
#   Microsoft.ApiManagement/service/gateways/generateToken/action:
#     for POST .../gateways/NAME/generateToken, which mints the token
az rest --method put --url '/subscriptions/11111111-2222-3333-4444-555555555555/providers/Microsoft.Authorization/roleDefinitions/602a2161-18aa-5010-8ccd-7ca52270f672?api-version=2022-04-01' --body '{
  "properties": {
    "assignableScopes": [
      "/subscriptions/11111111-2222-3333-4444-555555555555"
    ],
    "description": "Can retrieve APIM Self-Hosted Gateways and generate new access tokens for them.",
    "permissions": [
      {
        "actions": [
          "Microsoft.ApiManagement/service/gateways/read",
          "Microsoft.ApiManagement/service/gateways/generateToken/action"
        ],
        "dataActions": [],
        "notActions": [],
        "notDataActions": []
      }
    ],
    "roleName": "API Management Self-Hosted Gateway Token Operator (11111111-2222-3333-4444-555555555555)",
    "type": "CustomRole"
  }
}'

# The role is assigned at the gateway gw of contoso only.
az role assignment create --assignee-object-id "$PRINCIPAL_ID" \
  --assignee-principal-type ServicePrincipal \
  --role '/subscriptions/11111111-2222-3333-4444-555555555555/providers/Microsoft.Authorization/roleDefinitions/602a2161-18aa-5010-8ccd-7ca52270f672' \
  --scope '/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-apim/providers/Microsoft.ApiManagement/service/contoso/gateways/gw'

# The role is assigned at the gateway gw-eu of contoso only.
az role assignment create --assignee-object-id "$PRINCIPAL_ID" \
  --assignee-principal-type ServicePrincipal \
  --role '/subscriptions/11111111-2222-3333-4444-555555555555/providers/Microsoft.Authorization/roleDefinitions/602a2161-18aa-5010-8ccd-7ca52270f672' \
  --scope '/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-apim/providers/Microsoft.ApiManagement/service/contoso/gateways/gw-eu'
