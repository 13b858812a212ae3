//! The stylesheet, the script and the icon: part of the program, under names that change with what is in them.

use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};

use crate::problem::Problem;

/// Where each lies.
pub(crate) static ASSETS: LazyLock<Assets> = LazyLock::new(Assets::new);

/// What pages link to.
pub(crate) struct Assets {
    stylesheet: Asset,
    script: Asset,
    icon: Asset,
}

struct Asset {
    path: String,
    media_type: &'static str,
    bytes: &'static [u8],
}

impl Assets {
    fn new() -> Self {
        Self {
            stylesheet: Asset::new(
                "dashboard",
                "css",
                "text/css; charset=utf-8",
                include_bytes!("../../assets/dashboard.css"),
            ),
            script: Asset::new(
                "dashboard",
                "js",
                "text/javascript; charset=utf-8",
                include_bytes!("../../assets/dashboard.js"),
            ),
            icon: Asset::new(
                "icon",
                "svg",
                "image/svg+xml",
                include_bytes!("../../assets/icon.svg"),
            ),
        }
    }

    /// The path of the stylesheet.
    pub(crate) fn stylesheet(&self) -> &str {
        &self.stylesheet.path
    }

    /// The path of the script.
    pub(crate) fn script(&self) -> &str {
        &self.script.path
    }

    /// The path of the icon.
    pub(crate) fn icon(&self) -> &str {
        &self.icon.path
    }
}

impl Asset {
    fn new(stem: &str, extension: &str, media_type: &'static str, bytes: &'static [u8]) -> Self {
        let hash = blake3::hash(bytes).to_hex();
        Self {
            path: format!("/assets/{stem}-{}.{extension}", &hash.as_str()[..16]),
            media_type,
            bytes,
        }
    }
}

/// One of them, for good: another content has another name.
pub(crate) async fn asset(Path(name): Path<String>) -> Response {
    let assets = [&ASSETS.stylesheet, &ASSETS.script, &ASSETS.icon];
    let wanted = assets
        .into_iter()
        .find(|asset| asset.path.strip_prefix("/assets/") == Some(name.as_str()));
    match wanted {
        Some(asset) => (
            [
                (CONTENT_TYPE, HeaderValue::from_static(asset.media_type)),
                (
                    CACHE_CONTROL,
                    HeaderValue::from_static("public, max-age=31536000, immutable"),
                ),
            ],
            Body::from(asset.bytes),
        )
            .into_response(),
        None => Problem::new(StatusCode::NOT_FOUND)
            .with_detail("there is no such resource")
            .into_response(),
    }
}
