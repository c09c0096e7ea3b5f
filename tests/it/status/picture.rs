//! The picture of the table in the README, made from what the program prints.

use anstyle_svg::Term;

use super::gallery::gallery;
use crate::documents::is_current;

#[tokio::test]
async fn the_picture_in_the_readme_is_fresh() {
    let case = gallery("picture").await;
    let ended = case.apim(&["status", "--color", "always"]).exits(0).await;
    let screen = format!("$ kubectl apim status\n{}{}", ended.stdout, ended.stderr);
    let fresh = Term::new().render_svg(&screen.replace(&case.namespace, "shop"));
    is_current("docs/status.svg", &fresh, "status::picture");
}
