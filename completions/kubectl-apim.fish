# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_kubectl_apim_global_optspecs
    string join \n kubeconfig= context= cluster= user= n/namespace= as= as-group= as-uid= request-timeout= server= token= client-certificate= client-key= certificate-authority= insecure-skip-tls-verify tls-server-name= v/verbose= log-format= color= h/help V/version
end

function __fish_kubectl_apim_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_kubectl_apim_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_kubectl_apim_using_subcommand
    set -l cmd (__fish_kubectl_apim_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -l kubeconfig -d 'Path to the kubeconfig file' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -l context -d 'The kubeconfig context to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -l cluster -d 'The kubeconfig cluster to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -l user -d 'The kubeconfig user to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -s n -l namespace -d 'The namespace; the context\'s when absent' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -l as -d 'Username to impersonate, a user or a service account' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -l as-uid -d 'UID to impersonate' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -l request-timeout -d 'How long to wait for one answer of the server (1s, 2m, 3h; a bare number is seconds, 0 is forever)' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -l server -d 'The address of the Kubernetes API server' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -l token -d 'Bearer token for the API server' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -l client-certificate -d 'Path to a client certificate file for TLS' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -l client-key -d 'Path to a client key file for TLS' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -l certificate-authority -d 'Path to a certificate file of the certificate authority' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -l tls-server-name -d 'Name to expect in the server\'s certificate instead of its host name' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -s v -l verbose -d 'Say more: -v the causes of an error, -v=6 every request; never a secret' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -l log-format -d 'How progress and warnings are written to stderr; text, and json in a pod' -r -f -a "text\t'Lines for people'
json\t'One JSON object a line'"
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate, which makes the connection insecure'
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -s V -l version -d 'Print version'
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -f -a "rotate" -d 'Mint a new token for a gateway, store it, restart the gateway and prove that it works'
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -f -a "status" -d 'Say which credential lapses when, which pods run with an old one, and what to do about it'
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -f -a "install-cronjob" -d 'Install a CronJob that rotates gateways before their tokens lapse, with the least rights for it'
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -f -a "uninstall-cronjob" -d 'Remove what `install-cronjob` has installed, and nothing else'
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -f -a "render-rbac" -d 'Print the least rights that a scheduled rotation works with, in Kubernetes or in Azure'
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -f -a "completion" -d 'Print the completion script for a shell'
complete -c kubectl-apim -n "__fish_kubectl_apim_needs_command" -f -a "version" -d 'Print the version'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l k8s-object -d 'The workload as TYPE/NAME' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -s t -l token-secret -d 'The Secret that holds the token' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -s g -l apim-gateway -d 'The gateway\'s id in API Management' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -s a -l apim-instance -d 'The API Management instance' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -s r -l resource-group -d 'The resource group of the instance' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -s s -l subscription-id -d 'The subscription of the instance' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -s k -l token-key -d 'Key to sign the token with: the last one again, the other one, or one by name' -r -f -a "last\t'The slot used last, as the Secret\'s annotation says; else primary'
rotate\t'The slot that was not used last; primary when none is known'
primary\t'The primary key'
secondary\t'The secondary key'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l expiry -d 'How long the token is to live, at most 30d' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l if-expiring-within -d 'Rotate only if the token expires within this time' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l if-older-than -d 'Rotate only if the token was written longer ago than this' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l prove -d 'How to prove the credential; `logs` where pods may be read, `rollout` in a pod' -r -f -a "logs\t'The rollout completes and no new pod logs that the credential was refused'
rollout\t'The rollout completes'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l timeout -d 'How long a rotation may take; proof ends 30s before it' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l dry-run -d 'Only say what would be done; no token is minted' -r -f -a "none\t'Do it'
client\t'Only read'
server\t'Read, and let the API server check both patches without storing them'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -s o -l output -d 'Output format' -r -f -a "table\t'Lines for people'
wide\t'One row with gateway, instance and outcome'
json\t'JSON'
yaml\t'YAML'
name\t'TYPE/NAME of what was changed'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -s l -l selector -d 'Only workloads with these labels, as for kubectl: app=gw,tier!=test' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l contexts -d 'Look in these contexts of the kubeconfig, by name or glob: eu-*,us-1' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l gateways -d 'A file with the gateways that may be rotated, a line each: namespace, TYPE/NAME, ARM id' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l max-parallel -d 'How many workloads may be restarting at once' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l max-parallel-per-instance -d 'How many of them may belong to one API Management instance' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l canary -d 'How many gateways to rotate and prove before the others; 1, and none with --no-wait' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l max-failures -d 'After how many failures no other gateway is begun; 2% of them, but at least 1' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l auth -d 'How to sign in' -r -f -a "auto\t'The first of the others that is there, in this order'
service-principal\t'A service principal\'s client secret or certificate'
workload-identity\t'A token of the cluster that a federated credential trusts, as Azure Workload Identity sets up'
managed-identity\t'The identity that Azure gives to a VM, a node or an app'
azure-cli\t'Whoever is signed in to the Azure CLI'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -s c -l client-id -d 'The client id of the service principal, the workload identity or a user-assigned managed identity' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -s p -l client-secret -d 'The service principal\'s secret, or the path of its certificate with the key, PEM or PKCS#12' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l client-secret-file -d 'A file with the service principal\'s secret or certificate; - for stdin' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l client-secret-password-file -d 'A file with the password of the certificate' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l tenant -d 'The tenant, by id or domain' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l cloud -d 'The cloud: public, china, usgov or the URL of its Azure Resource Manager; else told by the endpoint' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l api-version -d 'The API version of Azure Resource Manager, for an instance that demands a newer one' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l azure-ca-file -d 'A file of further certificate authorities to trust for Azure, PEM' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l kubeconfig -d 'Path to the kubeconfig file' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l context -d 'The kubeconfig context to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l cluster -d 'The kubeconfig cluster to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l user -d 'The kubeconfig user to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -s n -l namespace -d 'The namespace; the context\'s when absent' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l as -d 'Username to impersonate, a user or a service account' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l as-uid -d 'UID to impersonate' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l request-timeout -d 'How long to wait for one answer of the server (1s, 2m, 3h; a bare number is seconds, 0 is forever)' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l server -d 'The address of the Kubernetes API server' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l token -d 'Bearer token for the API server' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l client-certificate -d 'Path to a client certificate file for TLS' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l client-key -d 'Path to a client key file for TLS' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l certificate-authority -d 'Path to a certificate file of the certificate authority' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l tls-server-name -d 'Name to expect in the server\'s certificate instead of its host name' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -s v -l verbose -d 'Say more: -v the causes of an error, -v=6 every request; never a secret' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l log-format -d 'How progress and warnings are written to stderr; text, and json in a pod' -r -f -a "text\t'Lines for people'
json\t'One JSON object a line'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l force -d 'Mint a token even where an unfinished rotation could be completed'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l no-wait -d 'Do not wait for the restart and its proof'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l no-restart -d 'Do not restart the gateway, because something else does when the Secret changes'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l adopt -d 'Write a Secret that Helm, Argo CD, Flux or a controller owns'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l events -d 'Write Kubernetes Events on the gateway\'s workloads: rotated, failed, expiring within 7 days'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -s A -l all-namespaces -d 'Look in all namespaces'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l all -d 'Rotate all gateways of the namespace'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -s y -l yes -d 'Do not ask: I trust whoever can write Secrets in these namespaces'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l burst -d 'Use all requests that Azure grants, and leave none to others in the subscription'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l no-headers -d 'Leave out the line with the names of the columns'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l debug -d 'Write a debug log to stderr; never a secret'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate, which makes the connection insecure'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand rotate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -s l -l selector -d 'Only workloads with these labels, as for kubectl: app=gw,tier!=test' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -s o -l output -d 'Output format' -r -f -a "table\t'A table'
wide\t'The table with more columns, and the reason of each verdict'
json\t'JSON'
yaml\t'YAML'
name\t'TYPE/NAME of each workload'
prometheus\t'Metrics for Prometheus, for the textfile collector or a Pushgateway'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l sort-by -d 'What to sort by' -r -f -a "name\t'Namespace and name'
expires-in\t'What expires first'
verdict\t'What is worst'
rotated-at\t'What was rotated the longest time ago'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l fail-within -d 'Exit with 9 if a token lapses within this time, or a gateway needs a hand or cannot be read' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l auth -d 'How to sign in' -r -f -a "auto\t'The first of the others that is there, in this order'
service-principal\t'A service principal\'s client secret or certificate'
workload-identity\t'A token of the cluster that a federated credential trusts, as Azure Workload Identity sets up'
managed-identity\t'The identity that Azure gives to a VM, a node or an app'
azure-cli\t'Whoever is signed in to the Azure CLI'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -s c -l client-id -d 'The client id of the service principal, the workload identity or a user-assigned managed identity' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -s p -l client-secret -d 'The service principal\'s secret, or the path of its certificate with the key, PEM or PKCS#12' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l client-secret-file -d 'A file with the service principal\'s secret or certificate; - for stdin' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l client-secret-password-file -d 'A file with the password of the certificate' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l tenant -d 'The tenant, by id or domain' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l cloud -d 'The cloud: public, china, usgov or the URL of its Azure Resource Manager; else told by the endpoint' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l api-version -d 'The API version of Azure Resource Manager, for an instance that demands a newer one' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l azure-ca-file -d 'A file of further certificate authorities to trust for Azure, PEM' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l kubeconfig -d 'Path to the kubeconfig file' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l context -d 'The kubeconfig context to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l cluster -d 'The kubeconfig cluster to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l user -d 'The kubeconfig user to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -s n -l namespace -d 'The namespace; the context\'s when absent' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l as -d 'Username to impersonate, a user or a service account' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l as-uid -d 'UID to impersonate' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l request-timeout -d 'How long to wait for one answer of the server (1s, 2m, 3h; a bare number is seconds, 0 is forever)' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l server -d 'The address of the Kubernetes API server' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l token -d 'Bearer token for the API server' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l client-certificate -d 'Path to a client certificate file for TLS' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l client-key -d 'Path to a client key file for TLS' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l certificate-authority -d 'Path to a certificate file of the certificate authority' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l tls-server-name -d 'Name to expect in the server\'s certificate instead of its host name' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -s v -l verbose -d 'Say more: -v the causes of an error, -v=6 every request; never a secret' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l log-format -d 'How progress and warnings are written to stderr; text, and json in a pod' -r -f -a "text\t'Lines for people'
json\t'One JSON object a line'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -s A -l all-namespaces -d 'Look in all namespaces'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l no-headers -d 'Leave out the line with the names of the columns'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -s w -l watch -d 'Go on, and print each gateway again when something about it has changed'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l azure -d 'Ask Azure too: whether the gateway exists, its location, its APIs, the tier and the minimum API version'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate, which makes the connection insecure'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l k8s-object -d 'The workload as TYPE/NAME' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -s t -l token-secret -d 'The Secret that holds the token' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -s g -l apim-gateway -d 'The gateway\'s id in API Management' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -s a -l apim-instance -d 'The API Management instance' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -s r -l resource-group -d 'The resource group of the instance' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -s s -l subscription-id -d 'The subscription of the instance' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l name -d 'The name of what is installed' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l schedule -d 'When it runs, as five fields; daily at a time of the name\'s own when absent' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l time-zone -d 'The time zone of the schedule' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l if-expiring-within -d 'Which tokens a run rotates: those that expire within this time' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l timeout -d 'How long the rotation of one gateway may take' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l prove -d 'Let each run prove the token by the logs of the new pods too, for which its Role may list pods and read their logs' -r -f -a "logs\t'The rollout completes and no new pod logs that the credential was refused'
rollout\t'The rollout completes'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l dry-run -d 'Only say what would be done' -r -f -a "none\t'Do it'
client\t'Only read'
server\t'Read, and let the API server check both patches without storing them'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -s o -l output -d 'Output format' -r -f -a "table\t'A line an object: what was done to it'
json\t'The objects as JSON'
yaml\t'The objects as YAML'
name\t'TYPE/NAME of what was changed'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l auth -d 'How the pods sign in' -r -f -a "workload-identity\t'A token of the ServiceAccount, which a federated credential in Entra trusts'
managed-identity\t'The identity of the node'
service-principal\t'A service principal, whose client secret or certificate a Secret holds'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -s c -l client-id -d 'The client id of the service principal, the workload identity or a user-assigned managed identity' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l tenant -d 'The tenant, by id or domain' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l client-secret-file -d 'A file with the service principal\'s secret, or its certificate with the key; - for stdin' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l existing-secret -d 'A Secret of your own that holds it, under `client-secret` or the key named' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l cloud -d 'The cloud: public, china, usgov or the URL of its Azure Resource Manager; else told by the endpoint' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l image -d 'The image, pinned by a tag or a digest' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l image-pull-policy -d 'When the image is pulled' -r -f -a "Always\t'At every start'
IfNotPresent\t'Where it is not there yet'
Never\t'Never'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l image-pull-secret -d 'A Secret to pull the image with; may be repeated' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l toleration -d 'A taint to tolerate: KEY, KEY=VALUE, each with :EFFECT for one effect alone; may be repeated' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l node-selector -d 'A label that nodes must have; may be repeated' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l proxy -d 'The proxy on the way to Azure: http://HOST:PORT' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l ca-configmap -d 'A ConfigMap with further authorities to trust for Azure, PEM, under `ca.crt` or the key named' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l kubeconfig -d 'Path to the kubeconfig file' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l context -d 'The kubeconfig context to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l cluster -d 'The kubeconfig cluster to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l user -d 'The kubeconfig user to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -s n -l namespace -d 'The namespace; the context\'s when absent' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l as -d 'Username to impersonate, a user or a service account' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l as-uid -d 'UID to impersonate' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l request-timeout -d 'How long to wait for one answer of the server (1s, 2m, 3h; a bare number is seconds, 0 is forever)' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l server -d 'The address of the Kubernetes API server' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l token -d 'Bearer token for the API server' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l client-certificate -d 'Path to a client certificate file for TLS' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l client-key -d 'Path to a client key file for TLS' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l certificate-authority -d 'Path to a certificate file of the certificate authority' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l tls-server-name -d 'Name to expect in the server\'s certificate instead of its host name' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -s v -l verbose -d 'Say more: -v the causes of an error, -v=6 every request; never a secret' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l log-format -d 'How progress and warnings are written to stderr; text, and json in a pod' -r -f -a "text\t'Lines for people'
json\t'One JSON object a line'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l all -d 'All gateways of the namespace'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l suspend -d 'Install it without letting it run'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l adopt -d 'Write a Secret that Helm, Argo CD, Flux or a controller owns'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l events -d 'Let each run tell the workloads by Kubernetes Events, for which its Role may create Events'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l run-now -d 'Run it now too, follow the run to its end and exit with its code'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l replace-legacy -d 'Take over the objects that the article about the script apim-shg-rotate installs under this name'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l diff -d 'Show what differs from what is there'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l network-policy -d 'Install a NetworkPolicy too, which lets the pods out to the ports 53, 443, 6443 and the proxy\'s'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate, which makes the connection insecure'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand install-cronjob" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand uninstall-cronjob" -l dry-run -d 'Only say what would be removed' -r -f -a "none\t'Do it'
client\t'Only read'
server\t'Read, and let the API server check both patches without storing them'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand uninstall-cronjob" -l kubeconfig -d 'Path to the kubeconfig file' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand uninstall-cronjob" -l context -d 'The kubeconfig context to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand uninstall-cronjob" -l cluster -d 'The kubeconfig cluster to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand uninstall-cronjob" -l user -d 'The kubeconfig user to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand uninstall-cronjob" -s n -l namespace -d 'The namespace; the context\'s when absent' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand uninstall-cronjob" -l as -d 'Username to impersonate, a user or a service account' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand uninstall-cronjob" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand uninstall-cronjob" -l as-uid -d 'UID to impersonate' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand uninstall-cronjob" -l request-timeout -d 'How long to wait for one answer of the server (1s, 2m, 3h; a bare number is seconds, 0 is forever)' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand uninstall-cronjob" -l server -d 'The address of the Kubernetes API server' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand uninstall-cronjob" -l token -d 'Bearer token for the API server' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand uninstall-cronjob" -l client-certificate -d 'Path to a client certificate file for TLS' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand uninstall-cronjob" -l client-key -d 'Path to a client key file for TLS' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand uninstall-cronjob" -l certificate-authority -d 'Path to a certificate file of the certificate authority' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand uninstall-cronjob" -l tls-server-name -d 'Name to expect in the server\'s certificate instead of its host name' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand uninstall-cronjob" -s v -l verbose -d 'Say more: -v the causes of an error, -v=6 every request; never a secret' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand uninstall-cronjob" -l log-format -d 'How progress and warnings are written to stderr; text, and json in a pod' -r -f -a "text\t'Lines for people'
json\t'One JSON object a line'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand uninstall-cronjob" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand uninstall-cronjob" -s y -l yes -d 'Do not ask'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand uninstall-cronjob" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate, which makes the connection insecure'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand uninstall-cronjob" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -s t -l token-secret -d 'The Secrets that hold the tokens; may be repeated' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l secret-key -d 'The key of the Secrets that holds the token, for --admission-policy without a request' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -s l -l selector -d 'Only workloads with these labels, as for kubectl: app=gw,tier!=test' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l name -d 'The name of everything that is printed' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l prove -d '`logs` adds the rights to list pods and to read their logs' -r -f -a "logs\t'The rollout completes and no new pod logs that the credential was refused'
rollout\t'The rollout completes'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l scope -d 'How far the rights reach' -r -f -a "namespace\t'The named objects of one namespace'
cluster\t'All namespaces, as for `rotate -A`'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l gateways -d 'A file with the gateways that may be rotated, a line each: namespace, TYPE/NAME, ARM id' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l azure -d 'Print a custom role in Azure and its assignment instead; nothing is asked' -r -f -a "json\t'An ARM template'
bicep\t'Bicep'
terraform\t'Terraform, by the provider azurerm'
az\t'A shell script that calls the Azure CLI'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l role -d 'Which role' -r -f -a "token-operator\t'Mints tokens; for the identity that rotates'
config-validator\t'Reads who has which role; for the managed identity of the instance, whose gateways sign in by Entra'
config-reader\t'Reads the configuration; for the Entra app of a gateway'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l principal-id -d 'The object id of whom the role is for; a parameter when absent' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -s g -l apim-gateway -d 'The gateway\'s id in API Management; all gateways of the instance when absent' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -s a -l apim-instance -d 'The API Management instance' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -s r -l resource-group -d 'The resource group of the instance' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -s s -l subscription-id -d 'The subscription of the instance' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l kubeconfig -d 'Path to the kubeconfig file' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l context -d 'The kubeconfig context to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l cluster -d 'The kubeconfig cluster to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l user -d 'The kubeconfig user to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -s n -l namespace -d 'The namespace; the context\'s when absent' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l as -d 'Username to impersonate, a user or a service account' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l as-uid -d 'UID to impersonate' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l request-timeout -d 'How long to wait for one answer of the server (1s, 2m, 3h; a bare number is seconds, 0 is forever)' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l server -d 'The address of the Kubernetes API server' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l token -d 'Bearer token for the API server' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l client-certificate -d 'Path to a client certificate file for TLS' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l client-key -d 'Path to a client key file for TLS' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l certificate-authority -d 'Path to a certificate file of the certificate authority' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l tls-server-name -d 'Name to expect in the server\'s certificate instead of its host name' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -s v -l verbose -d 'Say more: -v the causes of an error, -v=6 every request; never a secret' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l log-format -d 'How progress and warnings are written to stderr; text, and json in a pod' -r -f -a "text\t'Lines for people'
json\t'One JSON object a line'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l all -d 'All gateways of the namespace'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l events -d 'Add the right to write Events'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l admission-policy -d 'Add policies that let the account change the credential, the annotations of a rotation and nothing else'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l for-discovery -d 'Add a role that finds the subscription and the resource group by the instance\'s name'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate, which makes the connection insecure'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand render-rbac" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand completion" -l kubeconfig -d 'Path to the kubeconfig file' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand completion" -l context -d 'The kubeconfig context to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand completion" -l cluster -d 'The kubeconfig cluster to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand completion" -l user -d 'The kubeconfig user to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand completion" -s n -l namespace -d 'The namespace; the context\'s when absent' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand completion" -l as -d 'Username to impersonate, a user or a service account' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand completion" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand completion" -l as-uid -d 'UID to impersonate' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand completion" -l request-timeout -d 'How long to wait for one answer of the server (1s, 2m, 3h; a bare number is seconds, 0 is forever)' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand completion" -l server -d 'The address of the Kubernetes API server' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand completion" -l token -d 'Bearer token for the API server' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand completion" -l client-certificate -d 'Path to a client certificate file for TLS' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand completion" -l client-key -d 'Path to a client key file for TLS' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand completion" -l certificate-authority -d 'Path to a certificate file of the certificate authority' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand completion" -l tls-server-name -d 'Name to expect in the server\'s certificate instead of its host name' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand completion" -s v -l verbose -d 'Say more: -v the causes of an error, -v=6 every request; never a secret' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand completion" -l log-format -d 'How progress and warnings are written to stderr; text, and json in a pod' -r -f -a "text\t'Lines for people'
json\t'One JSON object a line'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand completion" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand completion" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate, which makes the connection insecure'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand completion" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand version" -s o -l output -d 'Output format' -r -f -a "table\t'Lines for people'
wide\t'One row with gateway, instance and outcome'
json\t'JSON'
yaml\t'YAML'
name\t'TYPE/NAME of what was changed'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand version" -l kubeconfig -d 'Path to the kubeconfig file' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand version" -l context -d 'The kubeconfig context to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand version" -l cluster -d 'The kubeconfig cluster to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand version" -l user -d 'The kubeconfig user to use' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand version" -s n -l namespace -d 'The namespace; the context\'s when absent' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand version" -l as -d 'Username to impersonate, a user or a service account' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand version" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand version" -l as-uid -d 'UID to impersonate' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand version" -l request-timeout -d 'How long to wait for one answer of the server (1s, 2m, 3h; a bare number is seconds, 0 is forever)' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand version" -l server -d 'The address of the Kubernetes API server' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand version" -l token -d 'Bearer token for the API server' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand version" -l client-certificate -d 'Path to a client certificate file for TLS' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand version" -l client-key -d 'Path to a client key file for TLS' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand version" -l certificate-authority -d 'Path to a certificate file of the certificate authority' -r -F
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand version" -l tls-server-name -d 'Name to expect in the server\'s certificate instead of its host name' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand version" -s v -l verbose -d 'Say more: -v the causes of an error, -v=6 every request; never a secret' -r
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand version" -l log-format -d 'How progress and warnings are written to stderr; text, and json in a pod' -r -f -a "text\t'Lines for people'
json\t'One JSON object a line'"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand version" -l color -d 'When to use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand version" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate, which makes the connection insecure'
complete -c kubectl-apim -n "__fish_kubectl_apim_using_subcommand version" -s h -l help -d 'Print help (see more with \'--help\')'
