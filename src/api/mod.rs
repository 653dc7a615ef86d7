//! The doors: one route table over five surfaces, one live connection.
//!
//! Never names the store, an actor or a rule of the house: a handler translates in, asks `app`
//! once, translates out.

mod agents;
mod control;
mod document;
mod feathers;
pub mod live;
mod operator;
mod shared;
mod terminals;

use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{Error, web};

use crate::app::App;

pub use document::text as document;
pub use feathers::Links;
pub use shared::origin::Doorkeeper;

/// Every route of the server. Order: literal paths before `{id}`, since the first match answers. What
/// begins alike has one scope, so that a request is held against few patterns.
pub fn server(
    app: App,
    doorkeeper: Doorkeeper,
    links: Links,
) -> actix_web::App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse,
        Error = Error,
        InitError = (),
    >,
> {
    let app = actix_web::App::new()
        .app_data(web::Data::new(app))
        .app_data(web::Data::new(doorkeeper))
        // One for all workers: the requests of a real-time client come to any of them.
        .app_data(web::Data::new(links))
        // One for each worker, so that they do not wait for each other.
        .app_data(web::Data::new(shared::prepared::Prepared::default()))
        .configure(routes)
        .default_service(web::to(shared::unknown_route));
    #[cfg(feature = "failpoints")]
    let app = app.wrap(from_fn(shared::request::pass_points));
    // The last wrap is the outermost: identity, then host and origin, then the token.
    app.wrap(from_fn(shared::guard::token))
        .wrap(from_fn(shared::origin::check))
        .wrap(from_fn(shared::request::envelop))
        .wrap(from_fn(feathers::translate))
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(control::routes)
        .configure(operator::routes)
        .configure(feathers::routes)
        .configure(terminals::routes)
        .configure(agents::routes)
        .configure(document::pages::routes);
}
