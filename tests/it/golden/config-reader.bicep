// az deployment sub create --subscription 11111111-2222-3333-4444-555555555555 --location REGION --template-file role.bicep --parameters principalId=OBJECT_ID
targetScope = 'subscription'

@description('The object id of the service principal of the gateway\'s app, not its client id and not the object id of the app registration')
param principalId string

resource configReader 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: 'a65642bd-3953-5301-845c-ae5328562b73'
  properties: {
    roleName: 'API Management Gateway Configuration Reader Role (11111111-2222-3333-4444-555555555555)'
    description: 'Can read self-hosted gateway configuration from Configuration API'
    type: 'CustomRole'
    permissions: [
      {
        actions: []
        notActions: []
        dataActions: [
          // For the gateway's own requests to the configuration endpoint.
          'Microsoft.ApiManagement/service/gateways/getConfiguration/action'
        ]
        notDataActions: []
      }
    ]
    assignableScopes: [
      '/subscriptions/11111111-2222-3333-4444-555555555555'
    ]
  }
}

resource configReaderAssignment 'Microsoft.Resources/deployments@2022-09-01' = {
  name: 'configReader-a65642bd-3953-5301-845c-ae5328562b73'
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
          name: guid('/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-apim/providers/Microsoft.ApiManagement/service/contoso', principalId, 'a65642bd-3953-5301-845c-ae5328562b73')
          properties: {
            roleDefinitionId: configReader.id
            principalId: principalId
            principalType: 'ServicePrincipal'
          }
        }
      ]
    }
  }
}
