//! The annotations that a rotation sets on the Secret, on the workload and on its
//! pod template, and the field managers that set them.

/// The field manager of every write. It does not begin with `kubectl`, because
/// Flux removes the fields of such managers.
pub const FIELD_MANAGER: &str = "apim-rotate";

/// The field manager of writes that only change annotations about a rotation.
pub const MARKS_MANAGER: &str = "apim-rotate-marks";

/// How the names of our annotations begin, except for [`LAST_USED_KEY`].
pub const OUR_PREFIX: &str = "apim-rotate/";

/// The key slot that signed the token: `primary` or `secondary`. The name comes
/// from the shell script `apim-shg-rotate`: the Secrets of its users have this
/// annotation already.
pub const LAST_USED_KEY: &str = "last-used-key";

/// The UUID of a rotation: on the Secret, the one that wrote the credential; on
/// a pod template, those that restarted the workload, one for each Secret that it
/// uses, separated by commas.
pub const ROTATION_ID: &str = "apim-rotate/rotation-id";

/// The key slot that signed the token before this one; absent if unknown.
pub const PREVIOUS_KEY: &str = "apim-rotate/previous-key";

/// When the credential expires, RFC 3339.
pub const EXPIRES_AT: &str = "apim-rotate/expires-at";

/// When the credential was written, RFC 3339.
pub const ROTATED_AT: &str = "apim-rotate/rotated-at";

/// The ARM id of the gateway, so that the next run does not look it up.
pub const GATEWAY: &str = "apim-rotate/gateway";

/// Present if the last rotation ran with `--no-restart`: something else
/// restarts the workload, so no restart is owed.
pub const RESTART_BY_OTHER: &str = "apim-rotate/restart-by-other";

/// The annotation that `kubectl rollout restart` sets. A rotation sets it to the
/// time of its write to the Secret instead of the current time, so that a
/// repeated restart changes nothing.
pub const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// The ids that the rotation id replaces in the annotations of workloads.
pub const PREVIOUS_IDS: &str = "apim-rotate/previous-ids";

/// On the Secret: the pod templates that are still to be restored after a refused
/// credential was put back, as JSON. See [`PutBack`](super::PutBack).
pub const PUT_BACK: &str = "apim-rotate/put-back";

/// On the workload itself: the rotations whose credentials were proved. It is not
/// on the pod template, so that setting it restarts nothing.
pub const PROVED: &str = "apim-rotate/proved";

/// On the workload itself: the rotations that nobody waits for (`--no-wait`).
pub const GIVEN_UP: &str = "apim-rotate/given-up";

/// The copy of the whole object that `kubectl apply` keeps, including the data
/// of a Secret.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// On a Secret with a credential of an Entra app: `app-secret` or `app-certificate`.
pub const KIND: &str = "apim-rotate/kind";

/// On a Secret with a credential of an Entra app: the client id of the app.
pub const CLIENT_ID: &str = "apim-rotate/client-id";

/// On a Secret with a credential of an Entra app that somebody else wrote: when that
/// was. The annotations describe it until it is written again.
pub const ADOPTED: &str = "apim-rotate/adopted";

/// On a Secret with a credential of an Entra app: the id of the credential in Entra.
pub const KEY_ID: &str = "apim-rotate/key-id";

/// The annotations that a rotation sets on the Secret.
pub const OF_SECRET: [&str; 9] = [
    LAST_USED_KEY,
    ROTATION_ID,
    PREVIOUS_KEY,
    EXPIRES_AT,
    ROTATED_AT,
    GATEWAY,
    RESTART_BY_OTHER,
    PREVIOUS_IDS,
    PUT_BACK,
];

/// The annotations that a rotation sets on the pod template.
pub const OF_TEMPLATE: [&str; 2] = [ROTATION_ID, RESTARTED_AT];

/// The annotations that a rotation sets on the workload itself.
pub const OF_WORKLOAD: [&str; 2] = [PROVED, GIVEN_UP];
