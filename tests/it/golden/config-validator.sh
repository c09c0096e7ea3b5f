#!/bin/sh
# Run it again if Azure does not know the new role yet: nothing is created twice.
set -eu

# The object id of the system-assigned managed identity of the API Management instance.
: "${PRINCIPAL_ID:?}"

# The role API Management Configuration API Access Validator Service Role (11111111-2222-3333-4444-555555555555), which allows:
#   Microsoft.Authorization/*/read:
#     for the instance's own reads of role assignments and definitions, when a gateway signs in with Entra
az rest --method put --url '/subscriptions/11111111-2222-3333-4444-555555555555/providers/Microsoft.Authorization/roleDefinitions/7c22e44f-684b-559c-a7cd-4127f62e8a7a?api-version=2022-04-01' --body '{
  "properties": {
    "assignableScopes": [
      "/subscriptions/11111111-2222-3333-4444-555555555555"
    ],
    "description": "Can access RBAC permissions on the API Management resource to authorize requests in Configuration API.",
    "permissions": [
      {
        "actions": [
          "Microsoft.Authorization/*/read"
        ],
        "dataActions": [],
        "notActions": [],
        "notDataActions": []
      }
    ],
    "roleName": "API Management Configuration API Access Validator Service Role (11111111-2222-3333-4444-555555555555)",
    "type": "CustomRole"
  }
}'

# The role is assigned at the resource group rg-apim.
az role assignment create --assignee-object-id "$PRINCIPAL_ID" \
  --assignee-principal-type ServicePrincipal \
  --role '/subscriptions/11111111-2222-3333-4444-555555555555/providers/Microsoft.Authorization/roleDefinitions/7c22e44f-684b-559c-a7cd-4127f62e8a7a' \
  --scope '/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-apim'
