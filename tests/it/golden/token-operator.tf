# For the provider hashicorp/azurerm.

variable "principal_id" {
  description = "The object id of the service principal or managed identity that rotates, not its client id and not the object id of the app registration"
  type        = string
}

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
  name               = uuidv5("url", "/subscriptions/11111111-2222-3333-4444-555555555555/resourcegroups/rg-apim/providers/microsoft.apimanagement/service/contoso/gateways/gw|${lower(var.principal_id)}|602a2161-18aa-5010-8ccd-7ca52270f672")
  scope              = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-apim/providers/Microsoft.ApiManagement/service/contoso/gateways/gw"
  role_definition_id = azurerm_role_definition.token_operator.role_definition_resource_id
  principal_id       = var.principal_id
  principal_type     = "ServicePrincipal"
}
