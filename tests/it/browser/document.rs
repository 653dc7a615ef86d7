//! The pages of the document in a real browser.
//! Never a page that asks another server.

use super::chromium::Chromium;
use crate::app::TestApp;

/// Tells the page's waits of every change.
const WATCH: &str = "new MutationObserver(() => dispatchEvent(new Event('news')))
    .observe(document, {subtree: true, childList: true, characterData: true}); 0";
/// That it is the page that was asked for.
const PAGE: &str = "document.readyState === 'complete' && document.getElementById('swagger-ui')";
/// What the page loaded from elsewhere.
const FOREIGN: &str = "performance.getEntriesByType('resource').map((one) => one.name)
    .filter((name) => !name.startsWith(location.origin) && !name.startsWith('data:')).join()";

#[tokio::test]
async fn the_pages_show_every_route_and_try_one_out_with_a_token() {
    let app = TestApp::start().await;
    let ada = app.sign_in("ada").await;
    for path in ["/docs/", "/swagger"] {
        let mut page = Chromium::open(&(app.url() + path)).await;
        // The blank page before it is complete as well.
        page.until(PAGE).await;
        page.run(WATCH).await;
        page.until("document.querySelectorAll('.opblock').length > 50")
            .await;
        let allow = format!("ui.preauthorizeApiKey('bearer', '{}'); 0", ada.token);
        page.run(&allow).await;
        // A post: the browser names the page's origin in it.
        let open = "document.querySelector(
            '#operations-auth-post_api_auth_verify .opblock-summary-control').click(); 0";
        page.run(open).await;
        page.until("document.querySelector('.btn.execute')").await;
        page.run("document.querySelector('.btn.execute').click(); 0")
            .await;
        page.until("document.querySelector('.live-responses-table .response-col_status')")
            .await;
        page.until("document.querySelector('.live-responses-table').innerText.includes('\"ada\"')")
            .await;
        assert_eq!(page.run(FOREIGN).await, "", "{path}");
    }
}

/// What the page shows itself on, and how dark that is: the sum of its three colours.
const GROUND: &str = "[document.documentElement, document.querySelector('.swagger-ui')]
    .map((one) => getComputedStyle(one).backgroundColor.match(/[0-9.]+/g).map(Number))
    .filter((colours) => colours.length === 3)
    .map((colours) => colours.reduce((sum, one) => sum + one))";

#[tokio::test]
async fn the_pages_are_dark_for_whom_it_is_dark_and_can_be_changed() {
    let app = TestApp::start().await;
    let mut page = Chromium::open(&(app.url() + "/health")).await;
    for path in ["/docs/", "/swagger"] {
        for (scheme, dark) in [("dark", true), ("light", false)] {
            page.open_in(scheme, &(app.url() + path)).await;
            page.until(PAGE).await;
            page.run(WATCH).await;
            page.until("document.querySelector('.dark-mode-toggle button')")
                .await;
            for dark in [dark, !dark] {
                let shown = page.run(GROUND).await;
                let grounds = shown.as_array().unwrap();
                let dim = grounds.iter().any(|ground| ground.as_f64() < Some(200.0));
                assert_eq!(dim, dark, "{path} when it is {scheme}: {shown}");
                page.run("document.querySelector('.dark-mode-toggle button').click(); 0")
                    .await;
            }
            assert_eq!(page.run(FOREIGN).await, "", "{path}");
        }
    }
    page.close().await;
}
