#!/bin/sh
# Run it again if Azure does not know the new role yet: nothing is created twice.
set -eu

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
az role assignment create --name 5300c54c-35c3-5328-9d30-c303ba5ade9d --assignee-object-id 99999999-8888-7777-6666-555555555555 \
  --assignee-principal-type ServicePrincipal \
  --role '/subscriptions/11111111-2222-3333-4444-555555555555/providers/Microsoft.Authorization/roleDefinitions/602a2161-18aa-5010-8ccd-7ca52270f672' \
  --scope '/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-apim/providers/Microsoft.ApiManagement/service/contoso/gateways/gw'

# The role API Management Self-Hosted Gateway Instance Finder (11111111-2222-3333-4444-555555555555), which allows:
#   Microsoft.ApiManagement/service/read:
#     for the query to Azure Resource Graph, or GET .../service, which finds the subscription and the resource group
az rest --method put --url '/subscriptions/11111111-2222-3333-4444-555555555555/providers/Microsoft.Authorization/roleDefinitions/61a446c8-1e4f-51ed-a72d-ee097a9c1ef9?api-version=2022-04-01' --body '{
  "properties": {
    "assignableScopes": [
      "/subscriptions/11111111-2222-3333-4444-555555555555"
    ],
    "description": "Can find the APIM instance of Self-Hosted Gateways by its name.",
    "permissions": [
      {
        "actions": [
          "Microsoft.ApiManagement/service/read"
        ],
        "dataActions": [],
        "notActions": [],
        "notDataActions": []
      }
    ],
    "roleName": "API Management Self-Hosted Gateway Instance Finder (11111111-2222-3333-4444-555555555555)",
    "type": "CustomRole"
  }
}'

# The role is assigned at the instance contoso.
az role assignment create --name 60673eae-da59-5806-a072-f0e20a64f074 --assignee-object-id 99999999-8888-7777-6666-555555555555 \
  --assignee-principal-type ServicePrincipal \
  --role '/subscriptions/11111111-2222-3333-4444-555555555555/providers/Microsoft.Authorization/roleDefinitions/61a446c8-1e4f-51ed-a72d-ee097a9c1ef9' \
  --scope '/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-apim/providers/Microsoft.ApiManagement/service/contoso'
