# For the provider hashicorp/azurerm.

variable "principal_id" {
  description = "The object id of the service principal of the gateway's app, not its client id and not the object id of the app registration"
  type        = string
}

resource "azurerm_role_definition" "config_reader" {
  role_definition_id = "a65642bd-3953-5301-845c-ae5328562b73"
  name               = "API Management Gateway Configuration Reader Role (11111111-2222-3333-4444-555555555555)"
  description        = "Can read self-hosted gateway configuration from Configuration API"
  scope              = "/subscriptions/11111111-2222-3333-4444-555555555555"
  assignable_scopes  = ["/subscriptions/11111111-2222-3333-4444-555555555555"]

  permissions {
    data_actions = [
      # For the gateway's own requests to the configuration endpoint.
      "Microsoft.ApiManagement/service/gateways/getConfiguration/action",
    ]
  }
}

# The role is assigned at the instance contoso.
resource "azurerm_role_assignment" "config_reader" {
  name               = uuidv5("url", "/subscriptions/11111111-2222-3333-4444-555555555555/resourcegroups/rg-apim/providers/microsoft.apimanagement/service/contoso|${lower(var.principal_id)}|a65642bd-3953-5301-845c-ae5328562b73")
  scope              = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-apim/providers/Microsoft.ApiManagement/service/contoso"
  role_definition_id = azurerm_role_definition.config_reader.role_definition_resource_id
  principal_id       = var.principal_id
  principal_type     = "ServicePrincipal"
}
