//! The tools that keep objects equal to a source of their own, and what they leave on them.

/// A tool.
pub(super) struct Row {
    pub tool: &'static str,
    /// What its objects are called; their name follows.
    pub object: &'static str,
    /// Its field managers. One that ends in `/` is followed by the name of its object.
    pub managers: &'static [&'static str],
    /// The kinds of its objects in owner references.
    pub kinds: &'static [&'static str],
    /// What it leaves on an object, as labels or annotations.
    pub marks: &'static [Mark],
    /// Labels or annotations with which it leaves an object alone, in any case.
    pub leaves: &'static [(&'static str, &'static str)],
    /// Where an object is a copy of another one.
    pub source: Source,
    /// What to do instead, with `{namespace}`, `{name}` and `{key}` of the Secret.
    pub instead: &'static str,
    /// It writes objects as a whole, without what others have added.
    pub replaces: bool,
    /// It can merge keys into a Secret of somebody else, which then has its marks too. What it
    /// does not manage there, it leaves alone.
    pub merges: bool,
}

/// A label or an annotation.
pub(super) enum Mark {
    /// Its value is the name of the tool's object.
    Name(&'static str),
    /// Other tools set it as well: it counts beside a field manager of this one.
    Shared(&'static str),
    /// Any value.
    Has(&'static str),
    /// This value.
    Is(&'static str, &'static str),
    /// Its key begins with this.
    Begins(&'static str),
    /// The id of the object that it is on, in this form. What `*` stands for at the
    /// beginning is the name of the tool's object. On another object, it is a copy, and so
    /// are the other marks.
    Id(&'static str, &'static str),
}

/// The keys of labels or annotations that name the source of a copy.
pub(super) enum Source {
    None,
    /// The value is `namespace/name`, or the name alone.
    Path(&'static [&'static str]),
    /// The namespace, and the name; without it, the name is not known.
    Parts(&'static str, &'static str),
    /// The namespace. The name is the same.
    Namespace(&'static str),
}

const ROW: Row = Row {
    tool: "",
    object: "",
    managers: &[],
    kinds: &[],
    marks: &[],
    leaves: &[],
    source: Source::None,
    instead: "",
    replaces: false,
    merges: false,
};

/// The first row that fits decides: a copy has the marks of its source as well, and what a
/// secret operator makes has those of the tool that deployed the operator's object.
pub(super) const TABLE: &[Row] = &[
    // https://github.com/kyverno/kyverno/blob/main/pkg/background/common/constants.go
    // https://kyverno.io/docs/policy-types/cluster-policy/generate/
    Row {
        tool: "Kyverno",
        object: "Kyverno policy",
        marks: &[
            Mark::Name("generate.kyverno.io/policy-name"),
            // Until 1.9.
            Mark::Name("policy.kyverno.io/policy-name"),
        ],
        leaves: &[("policy.kyverno.io/synchronize", "disable")],
        source: Source::Parts(
            "generate.kyverno.io/source-namespace",
            "generate.kyverno.io/source-name",
        ),
        instead: "set `synchronize: false` in its generate rule",
        replaces: true,
        ..ROW
    },
    // https://github.com/emberstack/kubernetes-reflector#readme
    Row {
        tool: "Reflector",
        marks: &[Mark::Has("reflector.v1.k8s.emberstack.com/reflects")],
        source: Source::Path(&["reflector.v1.k8s.emberstack.com/reflects"]),
        ..ROW
    },
    // https://github.com/mittwald/kubernetes-replicator/blob/master/replicate/common/consts.go
    Row {
        tool: "kubernetes-replicator",
        marks: &[
            Mark::Has("replicator.v1.mittwald.de/replicate-from"),
            Mark::Has("replicator.v1.mittwald.de/replicated-by"),
        ],
        leaves: &[("replicator.v1.mittwald.de/replicate-once", "true")],
        source: Source::Path(&[
            "replicator.v1.mittwald.de/replicate-from",
            "replicator.v1.mittwald.de/replicated-by",
        ]),
        ..ROW
    },
    // https://github.com/kubeops/config-syncer/blob/master/pkg/syncer/lib.go
    Row {
        tool: "Config Syncer",
        marks: &[
            Mark::Has("kubed.appscode.com/origin"),
            Mark::Has("kubed.appscode.com/origin.name"),
        ],
        source: Source::Parts(
            "kubed.appscode.com/origin.namespace",
            "kubed.appscode.com/origin.name",
        ),
        instead: "change the Secret that it copies",
        ..ROW
    },
    // https://github.com/kubernetes-retired/hierarchical-namespaces/blob/master/docs/user-guide/concepts.md
    Row {
        tool: "the Hierarchical Namespace Controller",
        marks: &[Mark::Has("hnc.x-k8s.io/inherited-from")],
        source: Source::Namespace("hnc.x-k8s.io/inherited-from"),
        replaces: true,
        ..ROW
    },
    // https://github.com/bitnami-labs/sealed-secrets#managing-existing-secrets
    Row {
        tool: "Sealed Secrets",
        object: "SealedSecret",
        kinds: &["SealedSecret"],
        marks: &[
            Mark::Is("sealedsecrets.bitnami.com/patch", "true"),
            Mark::Is("sealedsecrets.bitnami.com/managed", "true"),
        ],
        instead: "remove the key `{key}` from the SealedSecret, and its annotations from the Secret",
        ..ROW
    },
    // https://github.com/external-secrets/external-secrets/blob/main/apis/externalsecrets/v1/externalsecret_types.go
    // The label `created-by` has a hash of the ExternalSecret's name.
    Row {
        tool: "External Secrets",
        object: "ExternalSecret",
        managers: &["externalsecrets.external-secrets.io/"],
        kinds: &["ExternalSecret"],
        marks: &[
            Mark::Is("reconcile.external-secrets.io/managed", "true"),
            Mark::Has("reconcile.external-secrets.io/created-by"),
            Mark::Has("reconcile.external-secrets.io/data-hash"),
        ],
        instead: "renew the token in the store that it reads, or set `refreshPolicy: CreatedOnce` in the \
                  ExternalSecret",
        merges: true,
        ..ROW
    },
    // https://github.com/kubernetes-sigs/secrets-store-csi-driver/blob/main/controllers/secretproviderclasspodstatus_controller.go
    // https://secrets-store-csi-driver.sigs.k8s.io/topics/sync-as-kubernetes-secret
    Row {
        tool: "the Secrets Store CSI driver",
        managers: &["secrets-store-csi", "csi-secrets-store"],
        kinds: &["SecretProviderClassPodStatus"],
        marks: &[Mark::Is("secrets-store.csi.k8s.io/managed", "true")],
        instead: "renew the token in the store, or remove the Secret from `secretObjects` of the \
                  SecretProviderClass",
        ..ROW
    },
    // https://github.com/hashicorp/vault-secrets-operator/blob/main/helpers/secrets.go
    Row {
        tool: "Vault Secrets Operator",
        managers: &["vault-secrets-operator"],
        kinds: &[
            "VaultStaticSecret",
            "VaultDynamicSecret",
            "VaultPKISecret",
            "HCPVaultSecretsApp",
        ],
        marks: &[
            Mark::Is("app.kubernetes.io/managed-by", "hashicorp-vso"),
            Mark::Has("secrets.hashicorp.com/vso-ownerRefUID"),
        ],
        instead: "renew the token in Vault, or give the gateway a Secret that it does not write",
        ..ROW
    },
    // https://github.com/1Password/onepassword-operator/blob/main/pkg/kubernetessecrets/kubernetes_secrets_builder.go
    Row {
        tool: "the 1Password operator",
        kinds: &["OnePasswordItem"],
        marks: &[Mark::Has("operator.1password.io/item-version")],
        instead: "renew the token in 1Password, or give the gateway a Secret that it does not write",
        ..ROW
    },
    // https://github.com/DopplerHQ/kubernetes-operator/blob/main/controllers/dopplersecret_controller_secrets.go
    Row {
        tool: "the Doppler operator",
        kinds: &["DopplerSecret"],
        marks: &[Mark::Is("secrets.doppler.com/subtype", "dopplerSecret")],
        instead: "renew the token in Doppler, or give the gateway a Secret that it does not write",
        ..ROW
    },
    // https://github.com/Infisical/kubernetes-operator/blob/main/internal/constants/constants.go
    Row {
        tool: "the Infisical operator",
        kinds: &["InfisicalSecret"],
        marks: &[Mark::Has("secrets.infisical.com/version")],
        instead: "renew the token in Infisical, or give the gateway a Secret that it does not write",
        ..ROW
    },
    // https://github.com/bitwarden/sm-kubernetes/blob/main/internal/controller/bitwardensecret_controller.go
    Row {
        tool: "the Bitwarden operator",
        kinds: &["BitwardenSecret"],
        marks: &[Mark::Has("k8s.bitwarden.com/bw-secret")],
        instead: "renew the token in Bitwarden, or give the gateway a Secret that it does not write",
        ..ROW
    },
    // https://learn.microsoft.com/azure/azure-arc/kubernetes/conceptual-extensions
    // Azure installs its extensions by Helm, and marks what they consist of: in AKS, the label
    // `clusterconfig.azure.com/extension-version` is on all of it.
    Row {
        tool: "an Azure Arc extension",
        marks: &[Mark::Begins("clusterconfig.azure.com/")],
        instead: "configure the extension to leave the token alone",
        ..ROW
    },
    // https://github.com/kubefleet-dev/kubefleet/blob/main/pkg/controllers/workapplier/controller.go
    Row {
        tool: "Azure Kubernetes Fleet Manager",
        managers: &["work-api-agent"],
        kinds: &["AppliedWork"],
        instead: "leave the Secret out of the placement",
        ..ROW
    },
    // https://github.com/karmada-io/karmada/blob/master/pkg/util/constants.go
    // https://github.com/karmada-io/karmada/issues/5120
    Row {
        tool: "Karmada",
        marks: &[Mark::Is("karmada.io/managed", "true")],
        instead: "leave the Secret out of the PropagationPolicy",
        replaces: true,
        ..ROW
    },
    // https://github.com/gardener/gardener/blob/master/docs/concepts/resource-manager.md
    // https://github.com/gardener/gardener/issues/8463
    Row {
        tool: "Gardener",
        object: "Gardener ManagedResource",
        marks: &[Mark::Name("resources.gardener.cloud/origin")],
        leaves: &[("resources.gardener.cloud/ignore", "true")],
        instead: "annotate it in its source with `resources.gardener.cloud/ignore: \"true\"`",
        replaces: true,
        ..ROW
    },
    // https://fluxcd.io/flux/components/helm/helmreleases/
    Row {
        tool: "Flux",
        object: "Flux HelmRelease",
        managers: &["helm-controller"],
        marks: &[Mark::Name("helm.toolkit.fluxcd.io/name")],
        instead: OF_CHART,
        ..ROW
    },
    // https://fluxcd.io/flux/components/kustomize/kustomizations/#controlling-the-apply-behavior-of-resources
    // https://github.com/fluxcd/pkg/blob/main/ssa/manager_apply.go
    Row {
        tool: "Flux",
        object: "Flux Kustomization",
        managers: &["kustomize-controller"],
        marks: &[Mark::Name("kustomize.toolkit.fluxcd.io/name")],
        leaves: &[
            ("kustomize.toolkit.fluxcd.io/reconcile", "disabled"),
            ("kustomize.toolkit.fluxcd.io/ssa", "Ignore"),
            ("kustomize.toolkit.fluxcd.io/ssa", "IfNotPresent"),
        ],
        instead: "annotate the Secret in Flux's source with `kustomize.toolkit.fluxcd.io/ssa: IfNotPresent`, and \
                  here so that Flux leaves it alone at once: kubectl -n {namespace} annotate secret {name} \
                  kustomize.toolkit.fluxcd.io/reconcile=disabled",
        ..ROW
    },
    // https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/
    // https://github.com/argoproj/argo-cd/blob/master/common/common.go
    Row {
        tool: "Argo CD",
        object: "Argo CD application",
        managers: &["argocd-controller", "argocd-application-controller"],
        marks: &[
            Mark::Id(
                "argocd.argoproj.io/tracking-id",
                "*:{group}/{kind}:{namespace}/{name}",
            ),
            Mark::Name("argocd.argoproj.io/instance"),
            Mark::Shared("app.kubernetes.io/instance"),
        ],
        instead: "let the Application ignore the token: `/data/{key}` in `ignoreDifferences`, and the sync option \
                  `RespectIgnoreDifferences=true`",
        ..ROW
    },
    // https://docs.cloud.google.com/kubernetes-engine/config-sync/docs/reference/labels-and-annotations
    Row {
        tool: "Config Sync",
        managers: &["configsync.gke.io"],
        marks: &[Mark::Id(
            "configsync.gke.io/resource-id",
            "{group}_{lower}_{namespace}_{name}",
        )],
        leaves: &[
            ("configmanagement.gke.io/managed", "disabled"),
            ("client.lifecycle.config.k8s.io/mutation", "ignore"),
        ],
        instead: "annotate it in its source with `client.lifecycle.config.k8s.io/mutation: ignore`",
        ..ROW
    },
    // https://carvel.dev/kapp/docs/latest/apply/
    Row {
        tool: "kapp",
        managers: &["kapp"],
        marks: &[Mark::Id(
            "kapp.k14s.io/identity",
            "v1;{namespace}/{group}/{kind}/{name};*",
        )],
        leaves: &[("kapp.k14s.io/update-strategy", "skip")],
        instead: "annotate it in its source with `kapp.k14s.io/update-strategy: skip`",
        ..ROW
    },
    // https://github.com/helm/helm/blob/main/pkg/action/validate.go
    Row {
        tool: "Helm",
        object: "Helm release",
        managers: &["helm"],
        marks: &[
            Mark::Name("meta.helm.sh/release-name"),
            Mark::Is("app.kubernetes.io/managed-by", "Helm"),
        ],
        instead: OF_CHART,
        ..ROW
    },
    // https://github.com/rancher/wrangler/blob/main/pkg/apply/desiredset_apply.go
    // https://docs.k3s.io/add-ons/helm
    Row {
        tool: "a bundle of Rancher or K3s",
        object: "Rancher or K3s bundle",
        marks: &[
            Mark::Name("objectset.rio.cattle.io/owner-name"),
            Mark::Name("objectset.rio.cattle.io/id"),
        ],
        instead: "leave the Secret out of the bundle",
        ..ROW
    },
    // https://github.com/kubernetes/kubernetes/blob/master/cluster/addons/addon-manager/README.md
    Row {
        tool: "the Kubernetes add-on manager",
        marks: &[Mark::Is("addonmanager.kubernetes.io/mode", "Reconcile")],
        instead: "set its label `addonmanager.kubernetes.io/mode: EnsureExists` in the add-on",
        ..ROW
    },
];

const OF_CHART: &str = "let the gateway use a Secret that is not the release's: with the gateway's chart, \
                        `secret.createSecret=false` and `secret.existingSecretName`";
