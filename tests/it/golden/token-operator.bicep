// az deployment sub create --subscription 11111111-2222-3333-4444-555555555555 --location REGION --template-file role.bicep --parameters principalId=OBJECT_ID
targetScope = 'subscription'

@description('The object id of the service principal or managed identity that rotates, not its client id and not the object id of the app registration')
param principalId string

resource tokenOperator 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: '602a2161-18aa-5010-8ccd-7ca52270f672'
  properties: {
    roleName: 'API Management Self-Hosted Gateway Token Operator (11111111-2222-3333-4444-555555555555)'
    description: 'Can retrieve APIM Self-Hosted Gateways and generate new access tokens for them.'
    type: 'CustomRole'
    permissions: [
      {
        actions: [
          // For GET .../gateways/NAME, which checks that the gateway exists before a token is minted.
          'Microsoft.ApiManagement/service/gateways/read'
          // For POST .../gateways/NAME/generateToken, which mints the token.
          'Microsoft.ApiManagement/service/gateways/generateToken/action'
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

resource tokenOperatorAssignment 'Microsoft.Resources/deployments@2022-09-01' = {
  name: 'tokenOperator-602a2161-18aa-5010-8ccd-7ca52270f672'
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
          name: guid('/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-apim/providers/Microsoft.ApiManagement/service/contoso/gateways/gw', principalId, '602a2161-18aa-5010-8ccd-7ca52270f672')
          properties: {
            roleDefinitionId: tokenOperator.id
            principalId: principalId
            principalType: 'ServicePrincipal'
          }
        }
      ]
    }
  }
}
