use redis::AsyncCommands;
use sexton_tests::Redis;

async fn get(redis: &Redis) -> Option<String> {
    redis.connect().await.get("key").await.unwrap()
}

async fn set(redis: &Redis) {
    let () = redis.connect().await.set("key", "value").await.unwrap();
}

#[tokio::test]
async fn redis_restarted_empty_has_lost_its_keys_and_kept_its_port() {
    let mut redis = Redis::start().await;
    let url = redis.url();
    set(&redis).await;
    redis.restart_empty().await;
    assert_eq!(get(&redis).await, None);
    assert_eq!(redis.url(), url);
}

#[tokio::test]
async fn redis_restarted_in_good_order_keeps_its_keys() {
    let mut redis = Redis::start().await;
    set(&redis).await;
    redis.restart().await;
    assert_eq!(get(&redis).await.as_deref(), Some("value"));
    redis.restart_empty().await;
    assert_eq!(get(&redis).await, None);
}

#[tokio::test]
async fn killed_redis_refuses_connections_until_it_is_started_again() {
    let mut redis = Redis::start().await;
    redis.kill().await;
    let client = redis::Client::open(redis.url()).unwrap();
    assert!(client.get_multiplexed_async_connection().await.is_err());
    redis.start_again().await;
    assert_eq!(get(&redis).await, None);
}

#[tokio::test]
async fn redis_with_a_password_refuses_connections_without_it() {
    let redis = Redis::builder().password("secret1").arg("--maxmemory-policy").arg("allkeys-lru").start().await;
    let policy: Vec<String> =
        redis::cmd("CONFIG").arg("GET").arg("maxmemory-policy").query_async(&mut redis.connect().await).await.unwrap();
    assert_eq!(policy[1], "allkeys-lru");
    let anonymous = redis::Client::open(format!("redis://127.0.0.1:{}/", redis.port())).unwrap();
    let mut connection = anonymous.get_multiplexed_async_connection().await.unwrap();
    let answer: redis::RedisResult<String> = redis::cmd("PING").query_async(&mut connection).await;
    assert!(answer.unwrap_err().to_string().contains("NOAUTH"));
}

#[tokio::test]
async fn two_redis_servers_share_nothing() {
    let (one, two) = tokio::join!(Redis::start(), Redis::start());
    set(&one).await;
    assert_eq!(get(&two).await, None);
}

/// With `SEXTON_TEST_VALKEY`, no test of Redis runs on Redis.
#[tokio::test]
async fn valkey_takes_the_place_of_redis_where_it_is_asked_for() {
    let redis = Redis::start().await;
    let about: String = redis::cmd("INFO").arg("server").query_async(&mut redis.connect().await).await.unwrap();
    assert_eq!(about.contains("server_name:valkey"), std::env::var_os("SEXTON_TEST_VALKEY").is_some(), "{about}");
}
