# For the provider hashicorp/azurerm.

variable "principal_id" {
  description = "The object id of the system-assigned managed identity of the API Management instance"
  type        = string
}

resource "azurerm_role_definition" "config_validator" {
  role_definition_id = "7c22e44f-684b-559c-a7cd-4127f62e8a7a"
  name               = "API Management Configuration API Access Validator Service Role (11111111-2222-3333-4444-555555555555)"
  description        = "Can access RBAC permissions on the API Management resource to authorize requests in Configuration API."
  scope              = "/subscriptions/11111111-2222-3333-4444-555555555555"
  assignable_scopes  = ["/subscriptions/11111111-2222-3333-4444-555555555555"]

  permissions {
    actions = [
      # For the instance's own reads of role assignments and definitions, when a gateway signs in with Entra.
      "Microsoft.Authorization/*/read",
    ]
  }
}

# The role is assigned at the resource group rg-apim.
resource "azurerm_role_assignment" "config_validator" {
  name               = uuidv5("url", "/subscriptions/11111111-2222-3333-4444-555555555555/resourcegroups/rg-apim|${lower(var.principal_id)}|7c22e44f-684b-559c-a7cd-4127f62e8a7a")
  scope              = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-apim"
  role_definition_id = azurerm_role_definition.config_validator.role_definition_resource_id
  principal_id       = var.principal_id
  principal_type     = "ServicePrincipal"
}
