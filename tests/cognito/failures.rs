//! What fails on the way to AWS, and whether a client may have come of it.

use std::time::Duration;

use aws_sdk_cognitoidentityprovider::config::{Credentials, SharedCredentialsProvider};
use dcr_gateway::authorization_server::{ManageError, RegisterError, Registrar as _, ServerAccess};
use serde_json::json;
use tokio::net::TcpListener;

use crate::world::{at, cleared, world};

fn key() -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"))
}

#[tokio::test]
async fn a_refusal_of_aws_is_never_an_unknown_outcome() {
    let world = world("").await;
    let clearance = cleared(&json!({"scope": "openid"}));
    for (code, reason) in [
        ("TooManyRequestsException", "RateLimited"),
        ("LimitExceededException", "PolicyRefused"),
        ("InvalidParameterException", "Refused"),
        ("NotAuthorizedException", "Credential"),
        ("FeatureUnavailableInTierException", "Misdirected"),
    ] {
        world.pool.answer_next(400, code, "no");
        let error = world.cognito.register("r", &clearance, None).await.unwrap_err();
        assert!(error.surely_nothing_registered(), "{code}");
        assert!(format!("{error:?}").starts_with(reason), "{code}: {error:?}");
    }
}

#[tokio::test]
async fn an_internal_error_is_asked_for_once_and_leaves_the_outcome_unknown() {
    let world = world("").await;
    world.pool.answer_next(500, "InternalErrorException", "sorry");
    let error = world.cognito.register("r", &cleared(&json!({"scope": "openid"})), None).await.unwrap_err();
    assert!(matches!(error, RegisterError::Broken(_)), "{error:?}");
    assert_eq!(world.pool.inputs("CreateUserPoolClient").len(), 1, "the SDK repeated it");
}

#[tokio::test]
async fn where_looking_at_the_scopes_failed_surely_nothing_was_done() {
    let world = world("").await;
    let clearance = cleared(&json!({}));
    world.pool.answer_next(500, "InternalErrorException", "sorry");
    let error = world.cognito.register("r", &clearance, None).await.unwrap_err();
    assert!(matches!(error, RegisterError::Unreachable(_)), "{error:?}");
    assert!(world.pool.inputs("CreateUserPoolClient").is_empty());
    world.pool.answer_next(500, "InternalErrorException", "sorry");
    let error = world
        .cognito
        .update(&ServerAccess::ByApi("client1".to_owned()), "client1", &clearance, None)
        .await
        .unwrap_err();
    assert!(error.surely_nothing_changed(), "{error:?}");

    // As where nobody answers in time, and where it was the client that was looked at.
    let openid = cleared(&json!({"scope": "openid"}));
    let access = world.cognito.register("r", &openid, None).await.unwrap().access.unwrap();
    world.pool.answer_next(500, "InternalErrorException", "sorry");
    let error = world.cognito.update(&access, "client1", &openid, None).await.unwrap_err();
    assert!(error.surely_nothing_changed(), "{error:?}");
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cognito = at(&format!("http://{}", silent.local_addr().unwrap()), "", key());
    let error = cognito.register("r", &clearance, None).await.unwrap_err();
    assert!(matches!(error, RegisterError::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn a_throttled_change_says_when_to_come_again() {
    let world = world("").await;
    let clearance = cleared(&json!({"scope": "openid"}));
    let access = world.cognito.register("r", &clearance, None).await.unwrap().access.unwrap();
    world.pool.answer_next(400, "TooManyRequestsException", "Rate exceeded");
    let error = world.cognito.update(&access, "client1", &clearance, None).await.unwrap_err();
    assert!(matches!(error, ManageError::RateLimited { retry_after: Some(wait) } if wait == Duration::from_secs(1)));
}

#[tokio::test]
async fn where_nobody_listens_surely_nothing_was_registered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let cognito = at(&url, "", key());
    let error = cognito.register("r", &cleared(&json!({"scope": "openid"})), None).await.unwrap_err();
    assert!(matches!(error, RegisterError::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn a_server_that_hangs_up_or_says_nothing_leaves_the_outcome_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cognito = at(&format!("http://{}", listener.local_addr().unwrap()), "", key());
    let silent = tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        // Reads the request and hangs up.
        let mut some = [0; 16];
        tokio::io::AsyncReadExt::read_exact(&mut first, &mut some).await.unwrap();
        drop(first);
        // Reads the next, and says nothing.
        let (second, _) = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
        drop(second);
    });
    let clearance = cleared(&json!({"scope": "openid"}));
    let error = cognito.register("r", &clearance, None).await.unwrap_err();
    assert!(matches!(error, RegisterError::Broken(_)), "{error:?}");
    let error = cognito.read(&ServerAccess::ByApi("client1".to_owned())).await.unwrap_err();
    assert!(matches!(error, ManageError::TimedOut), "{error:?}");
    silent.abort();
}

#[tokio::test]
async fn without_a_credential_nothing_is_sent() {
    #[derive(Debug)]
    struct Nobody;
    impl aws_credential_types::provider::ProvideCredentials for Nobody {
        fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let error = aws_credential_types::provider::error::CredentialsError::not_loaded("there is none");
            aws_credential_types::provider::future::ProvideCredentials::ready(Err(error))
        }
    }
    let (url, pool) = crate::aws::start().await;
    let cognito = at(&url, "", SharedCredentialsProvider::new(Nobody));
    let error = cognito.register("r", &cleared(&json!({"scope": "openid"})), None).await.unwrap_err();
    assert!(matches!(error, RegisterError::Credential(_)), "{error:?}");
    assert!(pool.calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn who_would_wait_long_for_aws_is_told_to_come_again() {
    let world = world(", requests_per_second: 1").await;
    let access =
        world.cognito.register("r", &cleared(&json!({"scope": "openid"})), None).await.unwrap().access.unwrap();
    let reads = (0..8).map(|_| world.cognito.read(&access));
    let results = futures_of(reads).await;
    let limited = results.iter().filter(|result| matches!(result, Err(ManageError::RateLimited { .. }))).count();
    assert_eq!(limited, 3, "five slots within four seconds, three callers too many");
    assert_eq!(world.pool.inputs("DescribeUserPoolClient").len(), 5);
}

/// All of them at once.
async fn futures_of<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(move |context| {
        for (future, output) in futures.iter_mut().filter(|(_, output)| output.is_none()) {
            if let std::task::Poll::Ready(done) = future.as_mut().poll(context) {
                *output = Some(done);
            }
        }
        if futures.iter().any(|(_, output)| output.is_none()) {
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(futures.iter_mut().filter_map(|(_, output)| output.take()).collect())
    })
    .await
}
