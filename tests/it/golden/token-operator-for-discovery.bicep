// az deployment sub create --subscription 11111111-2222-3333-4444-555555555555 --location REGION --template-file role.bicep
targetScope = 'subscription'

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
          name: '5300c54c-35c3-5328-9d30-c303ba5ade9d'
          properties: {
            roleDefinitionId: tokenOperator.id
            principalId: '99999999-8888-7777-6666-555555555555'
            principalType: 'ServicePrincipal'
          }
        }
      ]
    }
  }
}

resource instanceFinder 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: '61a446c8-1e4f-51ed-a72d-ee097a9c1ef9'
  properties: {
    roleName: 'API Management Self-Hosted Gateway Instance Finder (11111111-2222-3333-4444-555555555555)'
    description: 'Can find the APIM instance of Self-Hosted Gateways by its name.'
    type: 'CustomRole'
    permissions: [
      {
        actions: [
          // For the query to Azure Resource Graph, or GET .../service, which finds the subscription and the resource group.
          'Microsoft.ApiManagement/service/read'
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

resource instanceFinderAssignment 'Microsoft.Resources/deployments@2022-09-01' = {
  name: 'instanceFinder-61a446c8-1e4f-51ed-a72d-ee097a9c1ef9'
  resourceGroup: 'rg-apim'
  properties: {
    mode: 'Incremental'
    template: {
      '$schema': 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#'
      contentVersion: '1.0.0.0'
      resources: [
        // The role is assigned at the instance contoso.
        {
          type: 'Microsoft.Authorization/roleAssignments'
          apiVersion: '2022-04-01'
          scope: 'Microsoft.ApiManagement/service/contoso'
          name: '60673eae-da59-5806-a072-f0e20a64f074'
          properties: {
            roleDefinitionId: instanceFinder.id
            principalId: '99999999-8888-7777-6666-555555555555'
            principalType: 'ServicePrincipal'
          }
        }
      ]
    }
  }
}
