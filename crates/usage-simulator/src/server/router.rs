//! Paths and layers.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::get;

use super::api_error::ApiError;
use super::shared::Shared;
use super::surface::Surface;
use super::{costs_route, directory_route, faulty, gates, usage_route};

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let mut routes = Router::new()
        .route("/v1/organization/projects", get(directory_route::projects))
        .route(
            "/v1/organization/projects/{id}/api_keys",
            get(directory_route::api_keys),
        )
        .route("/v1/organization/users", get(directory_route::users))
        .route("/v1/organization/costs", get(costs_route::costs));
    for surface in Surface::USAGE {
        let path = format!("/v1/organization/{}", surface.path);
        routes = routes.route(
            &path,
            get(move |shared, access, shift, query| {
                usage_route::usage(surface, shared, access, shift, query)
            }),
        );
    }
    routes
        .route_layer(from_fn_with_state(Arc::clone(&shared), gates::authenticate))
        .method_not_allowed_fallback(|request: Request| async move {
            ApiError::method_not_allowed(request.method().as_str(), request.uri().path()).into_response()
        })
        .fallback(|request: Request| async move {
            let message = format!("Invalid URL ({} {})", request.method(), request.uri().path());
            ApiError::not_found(message).into_response()
        })
        .layer(from_fn_with_state(Arc::clone(&shared), gates::rate_limit))
        .layer(from_fn_with_state(Arc::clone(&shared), gates::ordered_failures))
        .layer(from_fn_with_state(Arc::clone(&shared), faulty::inner))
        .layer(from_fn_with_state(Arc::clone(&shared), gates::log))
        .layer(from_fn_with_state(Arc::clone(&shared), faulty::outer))
        .with_state(shared)
}
