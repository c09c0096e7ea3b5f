use std::cell::{Cell, RefCell};

use futures::future::join_all;
use http::HeaderValue;

use super::*;

const GATEWAY: &str = "https://management.azure.com/subscriptions/S1/resourceGroups/g/providers/Microsoft.ApiManagement/service/s/gateways/g?api-version=2024-05-01";
const WRITES: &str = "x-ms-ratelimit-remaining-subscription-writes";

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

async fn write(budget: &Budget) -> Ticket {
    take(budget, &Method::POST, &url(GATEWAY)).await
}

async fn take(budget: &Budget, method: &Method, url: &Url) -> Ticket {
    let deadline = Instant::now() + Duration::from_hours(1);
    budget.take(method, url, deadline).await.unwrap()
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect()
}

/// Answers with what is left in ARM's bucket.
fn answer(ticket: Ticket, left: u32) {
    ticket.answered(StatusCode::OK, &headers(&[(WRITES, &left.to_string())]));
}

/// How long a number of writes take, each answered at once.
async fn time_for(budget: &Budget, writes: u32) -> Duration {
    let begun = Instant::now();
    for _ in 0..writes {
        write(budget).await.answered(StatusCode::OK, &HeaderMap::new());
    }
    begun.elapsed()
}

/// ARM's bucket of writes.
struct Server {
    bucket: RefCell<(f64, Instant)>,
    refused: Cell<u32>,
}

impl Server {
    fn holding(tokens: f64) -> Self {
        Self {
            bucket: RefCell::new((tokens, Instant::now())),
            refused: Cell::new(0),
        }
    }

    fn arrive(&self) -> (StatusCode, HeaderMap) {
        let mut bucket = self.bucket.borrow_mut();
        let (tokens, filled_at) = *bucket;
        let now = Instant::now();
        let tokens = (tokens + (now - filled_at).as_secs_f64() * 10.0).min(200.0);
        if tokens < 1.0 {
            *bucket = (tokens, now);
            self.refused.set(self.refused.get() + 1);
            let refusal = headers(&[(WRITES, "0"), ("retry-after", "1")]);
            return (StatusCode::TOO_MANY_REQUESTS, refusal);
        }
        *bucket = (tokens - 1.0, now);
        let left = (tokens - 1.0).floor().to_string();
        (StatusCode::OK, headers(&[(WRITES, &left)]))
    }

    /// Sends a thousand writes at once, with a latency that varies up to
    /// `longest` milliseconds, and repeats the refused ones.
    async fn thousand(&self, budget: &Budget, longest: u64) -> Duration {
        let begun = Instant::now();
        let writes = (1..=1000).map(async |number: u64| {
            let latency = |factor: u64| Duration::from_millis(number * factor % longest);
            loop {
                let ticket = write(budget).await;
                tokio::time::sleep(latency(7919)).await;
                let (status, headers) = self.arrive();
                tokio::time::sleep(latency(104_729)).await;
                ticket.answered(status, &headers);
                if status.is_success() {
                    return;
                }
            }
        });
        join_all(writes).await;
        begun.elapsed()
    }
}

fn between(shortest: f64, took: Duration, longest: f64) {
    let took = took.as_secs_f64();
    assert!(shortest <= took && took <= longest, "{took} s");
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_kept_exactly() {
    // 160 at once and 8 a second, or 198 at once and 10 a second.
    between(105.0, time_for(&Budget::new(false), 1000).await, 105.01);
    between(80.2, time_for(&Budget::new(true), 1000).await, 80.21);
}

#[tokio::test(start_paused = true)]
async fn arm_never_throttles_and_little_time_is_lost() {
    for (burst, floor) in [(false, 105.0), (true, 80.2)] {
        for (longest, lost) in [(2, 0.01), (300, 1.0), (4_000, 16.0)] {
            let server = Server::holding(200.0);
            let took = server.thousand(&Budget::new(burst), longest).await;
            assert_eq!(server.refused.get(), 0, "{longest} ms, burst {burst}");
            between(floor, took, floor + lost);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_another_run_emptied_throttles_nothing_either() {
    for burst in [false, true] {
        let server = Server::holding(10.0);
        let took = server.thousand(&Budget::new(burst), 300).await;
        assert_eq!(server.refused.get(), 0, "burst {burst}");
        between(98.0, took, 110.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_single_rotation_never_waits() {
    let budget = Budget::new(false);
    let begun = Instant::now();
    let _probes = (write(&budget).await, write(&budget).await);
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn many_requests_wait_for_the_first_answer_but_not_for_ever() {
    let budget = Budget::new(false);
    let begun = Instant::now();
    let probes = (write(&budget).await, write(&budget).await);
    let first_answer = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        answer(probes.0, 51);
    };
    let ((), many) = tokio::join!(first_answer, join_all((0..10).map(|_| write(&budget))));
    assert_eq!(begun.elapsed(), Duration::from_millis(400));
    drop(many);

    let budget = Budget::new(false);
    let begun = Instant::now();
    let _hanging = (write(&budget).await, write(&budget).await);
    let _third = write(&budget).await;
    assert_eq!(begun.elapsed(), PROBE_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn arms_own_count_overrides_ours() {
    // 40 of 200 are for others, so 42 leave two, of which one is in flight.
    for (burst, left) in [(false, 42), (true, 2)] {
        let budget = Budget::new(burst);
        let in_flight = (write(&budget).await, write(&budget).await);
        answer(in_flight.0, left);
        let begun = Instant::now();
        let third = write(&budget).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        let fourth = write(&budget).await;
        between(0.1, begun.elapsed(), 0.102);
        // A late answer with an older count changes nothing.
        answer(third, left + 100);
        let begun = Instant::now();
        let fifth = write(&budget).await;
        between(0.0, begun.elapsed(), 0.002);
        let _sixth = write(&budget).await;
        between(0.1, begun.elapsed(), 0.102);
        drop((in_flight.1, fourth, fifth));
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_in_flight_are_not_refilled() {
    let budget = Budget::new(true);
    answer(write(&budget).await, 199);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let slow = join_all((0..198).map(|_| write(&budget))).await;
    let begun = Instant::now();
    let unblocks = async {
        tokio::time::sleep(Duration::from_mins(1)).await;
        drop(slow);
    };
    tokio::join!(unblocks, async { drop(write(&budget).await) });
    between(60.0, begun.elapsed(), 60.2);
}

#[tokio::test(start_paused = true)]
async fn a_429_pauses_its_bucket_and_no_other() {
    let budget = Budget::new(false);
    let (first, second) = (write(&budget).await, write(&budget).await);
    let refuse = |ticket: Ticket, seconds| {
        let headers = headers(&[("retry-after", seconds)]);
        ticket.answered(StatusCode::TOO_MANY_REQUESTS, &headers);
    };
    refuse(first, "17");
    refuse(second, "5");
    let begun = Instant::now();
    for other in [
        GATEWAY.replace("S1", "S2"),
        "https://management.azure.com/x".into(),
    ] {
        drop(take(&budget, &Method::POST, &url(&other)).await);
    }
    drop(take(&budget, &Method::GET, &url(GATEWAY)).await);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let same = GATEWAY.replace("S1", "s1");
    drop(take(&budget, &Method::PATCH, &url(&same)).await);
    assert_eq!(begun.elapsed(), Duration::from_secs(17));
}

#[tokio::test(start_paused = true)]
async fn the_tenant_has_a_bucket_with_a_header_of_its_own() {
    let budget = Budget::new(true);
    let list = url("https://management.azure.com/subscriptions?api-version=1");
    let left = headers(&[
        ("x-ms-ratelimit-remaining-tenant-reads", "1"),
        ("x-ms-ratelimit-remaining-subscription-reads", "0"),
    ]);
    take(&budget, &Method::GET, &list)
        .await
        .answered(StatusCode::OK, &left);
    let begun = Instant::now();
    drop(take(&budget, &Method::GET, &list).await);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    take(&budget, &Method::GET, &list)
        .await
        .answered(StatusCode::OK, &left);
    let _next = take(&budget, &Method::GET, &list).await;
    let _after = take(&budget, &Method::GET, &list).await;
    between(0.04, begun.elapsed(), 0.042);
}

#[tokio::test(start_paused = true)]
async fn requests_are_served_in_order() {
    let budget = Budget::new(false);
    time_for(&budget, 160).await;
    let served = RefCell::new(Vec::new());
    let waiting = (0..20).map(async |number| {
        let ticket = write(&budget).await;
        served.borrow_mut().push(number);
        tokio::time::sleep(Duration::from_millis(number * 37 % 100)).await;
        drop(ticket);
    });
    join_all(waiting).await;
    assert_eq!(served.into_inner(), (0..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_wait_past_the_deadline_ends_at_once_and_blocks_no_other() {
    let budget = Budget::new(false);
    let refused = headers(&[("retry-after", "60")]);
    write(&budget)
        .await
        .answered(StatusCode::TOO_MANY_REQUESTS, &refused);
    let begun = Instant::now();
    let patient = async {
        drop(write(&budget).await);
        begun.elapsed().as_secs()
    };
    let hasty = async {
        let deadline = begun + Duration::from_secs(30);
        let wait = budget.take(&Method::POST, &url(GATEWAY), deadline).await.err();
        (wait, begun.elapsed().as_secs())
    };
    let (served, (wait, gave_up)) = tokio::join!(patient, hasty);
    assert_eq!((wait, gave_up, served), (Some(Duration::from_mins(1)), 0, 60));
}

#[tokio::test(start_paused = true)]
async fn queries_of_the_resource_graph_have_a_quota_of_their_own() {
    let budget = Budget::new(false);
    let graph = url("https://management.azure.com/providers/Microsoft.ResourceGraph/resources?api-version=1");
    let quota = |left: &str, resets: &str| {
        headers(&[
            ("x-ms-user-quota-remaining", left),
            ("x-ms-user-quota-resets-after", resets),
        ])
    };
    let query = async || take(&budget, &Method::POST, &graph).await;
    query().await.answered(StatusCode::OK, &quota("14", "00:00:05"));
    let begun = Instant::now();
    query()
        .await
        .answered(StatusCode::TOO_MANY_REQUESTS, &quota("0", "00:00:04"));
    assert_eq!(begun.elapsed(), Duration::ZERO);
    // Writes of the tenant go on.
    let other = url("https://management.azure.com/providers/Microsoft.Other/x?api-version=1");
    take(&budget, &Method::POST, &other).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    query().await;
    assert!(begun.elapsed() >= Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[test]
fn the_end_of_a_quota_is_a_wait_where_azure_names_no_other() {
    let asked = |status: u16, pairs: &[(&'static str, &str)]| {
        wait_asked(StatusCode::from_u16(status).unwrap(), &headers(pairs))
    };
    let resets = "x-ms-user-quota-resets-after";
    assert_eq!(asked(429, &[(resets, "00:01:05")]), Some(Duration::from_secs(65)));
    assert_eq!(
        asked(429, &[(resets, "00:00:05"), ("retry-after", "9")]),
        Some(Duration::from_secs(9))
    );
    assert_eq!(asked(200, &[(resets, "00:00:05")]), None);
    for text in [
        "",
        "5",
        "00:05",
        "a:b:c",
        "00:00:05:00",
        "18446744073709551615:00:00",
    ] {
        assert_eq!(asked(429, &[(resets, text)]), None, "{text}");
    }
}
