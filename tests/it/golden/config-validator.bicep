// az deployment sub create --subscription 11111111-2222-3333-4444-555555555555 --location REGION --template-file role.bicep --parameters principalId=OBJECT_ID
targetScope = 'subscription'

@description('The object id of the system-assigned managed identity of the API Management instance')
param principalId string

resource configValidator 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: '7c22e44f-684b-559c-a7cd-4127f62e8a7a'
  properties: {
    roleName: 'API Management Configuration API Access Validator Service Role (11111111-2222-3333-4444-555555555555)'
    description: 'Can access RBAC permissions on the API Management resource to authorize requests in Configuration API.'
    type: 'CustomRole'
    permissions: [
      {
        actions: [
          // For the instance's own reads of role assignments and definitions, when a gateway signs in with Entra.
          'Microsoft.Authorization/*/read'
        ]
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
    assignableScopes: [
      '/subscriptions/11111111-2222-3333-4444-555555555555'
    ]
  }
}

resource configValidatorAssignment 'Microsoft.Resources/deployments@2022-09-01' = {
  name: 'configValidator-7c22e44f-684b-559c-a7cd-4127f62e8a7a'
  resourceGroup: 'rg-apim'
  properties: {
    mode: 'Incremental'
    template: {
      '$schema': 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#'
      contentVersion: '1.0.0.0'
      resources: [
        // The role is assigned at the resource group rg-apim.
        {
          type: 'Microsoft.Authorization/roleAssignments'
          apiVersion: '2022-04-01'
          name: guid('/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-apim', principalId, '7c22e44f-684b-559c-a7cd-4127f62e8a7a')
          properties: {
            roleDefinitionId: configValidator.id
            principalId: principalId
            principalType: 'ServicePrincipal'
          }
        }
      ]
    }
  }
}
