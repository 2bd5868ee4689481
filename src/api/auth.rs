//! The API key: `Authorization: Bearer KEY`, compared in constant time, on everything but `/health`.

use actix_web::dev::ServiceRequest;
use actix_web::http::header;
use sha2::{Digest, Sha256};

use super::error::ApiError;

/// Paths that probes reach without a key.
const OPEN: [&str; 1] = ["/health"];

/// Lets a request pass or says why not.
///
/// # Errors
/// 401 without the key or with a wrong one.
pub(crate) fn check(request: &ServiceRequest, key: Option<&str>) -> Result<(), ApiError> {
    let Some(key) = key.filter(|_| !OPEN.contains(&request.path())) else { return Ok(()) };
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .and_then(|(scheme, key)| {
            scheme.eq_ignore_ascii_case("bearer").then_some(key.trim_start())
        });
    match given {
        Some(given) if same(given, key) => Ok(()),
        Some(_) => Err(ApiError::Unauthorized("the API key is wrong".into())),
        None => Err(ApiError::Unauthorized(
            "an API key is needed; send it as `Authorization: Bearer KEY`".into(),
        )),
    }
}

/// Compares digests, so that the time taken says nothing about the key.
fn same(given: &str, key: &str) -> bool {
    let (given, key) = (Sha256::digest(given), Sha256::digest(key));
    given.iter().zip(key.iter()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn checked(path: &str, value: Option<&str>) -> bool {
        let mut request = TestRequest::with_uri(path);
        if let Some(value) = value {
            request = request.insert_header(("authorization", value));
        }
        check(&request.to_srv_request(), Some("secret")).is_ok()
    }

    #[test]
    fn only_the_key_opens_and_health_is_open() {
        assert!(checked("/v1/models", Some("Bearer secret")));
        assert!(checked("/v1/models", Some("bearer secret")), "schemes have no case");
        assert!(!checked("/v1/models", Some("Basic secret")));
        assert!(!checked("/v1/models", Some("Bearer secre")));
        assert!(!checked("/v1/models", Some("secret")));
        assert!(!checked("/metrics", None));
        assert!(checked("/health", None));
        assert!(check(&TestRequest::default().to_srv_request(), None).is_ok());
    }
}
