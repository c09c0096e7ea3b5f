# For the provider hashicorp/azurerm.

resource "azurerm_role_definition" "token_operator" {
  role_definition_id = "602a2161-18aa-5010-8ccd-7ca52270f672"
  name               = "API Management Self-Hosted Gateway Token Operator (11111111-2222-3333-4444-555555555555)"
  description        = "Can retrieve APIM Self-Hosted Gateways and generate new access tokens for them."
  scope              = "/subscriptions/11111111-2222-3333-4444-555555555555"
  assignable_scopes  = ["/subscriptions/11111111-2222-3333-4444-555555555555"]

  permissions {
    actions = [
      # For GET .../gateways/NAME, which checks that the gateway exists before a token is minted.
      "Microsoft.ApiManagement/service/gateways/read",
      # For POST .../gateways/NAME/generateToken, which mints the token.
      "Microsoft.ApiManagement/service/gateways/generateToken/action",
    ]
  }
}

# The role is assigned at the gateway gw of contoso only.
resource "azurerm_role_assignment" "token_operator_gw" {
  name               = "5300c54c-35c3-5328-9d30-c303ba5ade9d"
  scope              = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-apim/providers/Microsoft.ApiManagement/service/contoso/gateways/gw"
  role_definition_id = azurerm_role_definition.token_operator.role_definition_resource_id
  principal_id       = "99999999-8888-7777-6666-555555555555"
  principal_type     = "ServicePrincipal"
}

resource "azurerm_role_definition" "instance_finder" {
  role_definition_id = "61a446c8-1e4f-51ed-a72d-ee097a9c1ef9"
  name               = "API Management Self-Hosted Gateway Instance Finder (11111111-2222-3333-4444-555555555555)"
  description        = "Can find the APIM instance of Self-Hosted Gateways by its name."
  scope              = "/subscriptions/11111111-2222-3333-4444-555555555555"
  assignable_scopes  = ["/subscriptions/11111111-2222-3333-4444-555555555555"]

  permissions {
    actions = [
      # For the query to Azure Resource Graph, or GET .../service, which finds the subscription and the resource group.
      "Microsoft.ApiManagement/service/read",
    ]
  }
}

# The role is assigned at the instance contoso.
resource "azurerm_role_assignment" "instance_finder" {
  name               = "60673eae-da59-5806-a072-f0e20a64f074"
  scope              = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-apim/providers/Microsoft.ApiManagement/service/contoso"
  role_definition_id = azurerm_role_definition.instance_finder.role_definition_resource_id
  principal_id       = "99999999-8888-7777-6666-555555555555"
  principal_type     = "ServicePrincipal"
}
