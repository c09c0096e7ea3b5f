// az deployment sub create --subscription 11111111-2222-3333-4444-555555555555 --location REGION --template-file role.bicep --parameters principalId=OBJECT_ID
targetScope = 'subscription'

@description('The object id of the service principal or managed identity that rotates, not its client id and not the object id of the app registration')
param principalId string

resource tokenOperatorAssignment 'Microsoft.Resources/deployments@2022-09-01' = {
  name: 'tokenOperator-aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee'
  resourceGroup: 'rg-apim'
  properties: {
    mode: 'Incremental'
    template: {
      '$schema': 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#'
      contentVersion: '1.0.0.0'
      resources: [
        // The role is assigned at the gateway gw of contoso only.
        {
          type: 'Microsoft.Authorization/roleAssignments'
          apiVersion: '2022-04-01'
          scope: 'Microsoft.ApiManagement/service/contoso/gateways/gw'
          name: guid('/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-apim/providers/Microsoft.ApiManagement/service/contoso/gateways/gw', principalId, 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee')
          properties: {
            roleDefinitionId: '/subscriptions/11111111-2222-3333-4444-555555555555/providers/Microsoft.Authorization/roleDefinitions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee'
            principalId: principalId
            principalType: 'ServicePrincipal'
          }
        }
        // The role is assigned at the gateway gw-eu of contoso only.
        {
          type: 'Microsoft.Authorization/roleAssignments'
          apiVersion: '2022-04-01'
          scope: 'Microsoft.ApiManagement/service/contoso/gateways/gw-eu'
          name: guid('/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-apim/providers/Microsoft.ApiManagement/service/contoso/gateways/gw-eu', principalId, 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee')
          properties: {
            roleDefinitionId: '/subscriptions/11111111-2222-3333-4444-555555555555/providers/Microsoft.Authorization/roleDefinitions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee'
            principalId: principalId
            principalType: 'ServicePrincipal'
          }
        }
      ]
    }
  }
}
