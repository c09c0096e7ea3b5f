# For the provider hashicorp/azurerm.

variable "principal_id" {
  description = "The object id of the service principal or managed identity that rotates, not its client id and not the object id of the app registration"
  type        = string
}

# The role is assigned at the gateway gw of contoso only.
resource "azurerm_role_assignment" "token_operator_gw" {
  name               = uuidv5("url", "/subscriptions/11111111-2222-3333-4444-555555555555/resourcegroups/rg-apim/providers/microsoft.apimanagement/service/contoso/gateways/gw|${lower(var.principal_id)}|aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee")
  scope              = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-apim/providers/Microsoft.ApiManagement/service/contoso/gateways/gw"
  role_definition_id = "/subscriptions/11111111-2222-3333-4444-555555555555/providers/Microsoft.Authorization/roleDefinitions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
  principal_id       = var.principal_id
  principal_type     = "ServicePrincipal"
}

# The role is assigned at the gateway gw-eu of contoso only.
resource "azurerm_role_assignment" "token_operator_gw-eu" {
  name               = uuidv5("url", "/subscriptions/11111111-2222-3333-4444-555555555555/resourcegroups/rg-apim/providers/microsoft.apimanagement/service/contoso/gateways/gw-eu|${lower(var.principal_id)}|aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee")
  scope              = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-apim/providers/Microsoft.ApiManagement/service/contoso/gateways/gw-eu"
  role_definition_id = "/subscriptions/11111111-2222-3333-4444-555555555555/providers/Microsoft.Authorization/roleDefinitions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
  principal_id       = var.principal_id
  principal_type     = "ServicePrincipal"
}
