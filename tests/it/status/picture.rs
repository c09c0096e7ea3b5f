//! The picture of the table in the README, made from what the program prints.

use std::path::Path;

use anstyle_svg::Term;

use super::gallery::gallery;

#[tokio::test]
async fn the_picture_in_the_readme_is_fresh() {
    let case = gallery("picture").await;
    let ended = case.apim(&["status", "--color", "always"]).exits(0).await;
    let screen = format!("$ kubectl apim status\n{}{}", ended.stdout, ended.stderr);
    let fresh = Term::new().render_svg(&screen.replace(&case.namespace, "shop"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/status.svg");
    #[expect(clippy::disallowed_methods, reason = "the switch for drawing it again")]
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == fresh,
        "docs/status.svg is stale; draw it again with: UPDATE=1 cargo test --test it status::picture"
    );
}
