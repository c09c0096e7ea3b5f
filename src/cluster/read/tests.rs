use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::cluster::explain;
use crate::cluster::inputs::ConnectInputs;
use crate::error::Error;
use crate::model::request::KubeConnection;

/// What the server does with a request.
#[derive(Clone, Copy)]
enum Step {
    Answer(&'static str),
    Hang,
    Reset,
}

use Step::{Answer, Hang, Reset};

const SECRET: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ndate: Sun, 22 Nov 2026 10:00:00 GMT\r\n\
                      content-length: 32\r\n\r\n{\"metadata\":{\"name\":\"gw-token\"}}";
const CUT: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n{\"metadata\":";
const SHORT: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{\"metadata\":";
const BUSY: &str = "HTTP/1.1 429 Too Many Requests\r\ncontent-type: text/plain; charset=utf-8\r\nretry-after: 1\r\n\
                    content-length: 43\r\n\r\nToo many requests, please try again later.\n";
const BUSY_FOR_A_MINUTE: &str =
    "HTTP/1.1 429 Too Many Requests\r\nretry-after: 60\r\ncontent-length: 9\r\n\r\ntoo many\n";
const BUSY_WITHOUT_A_WAIT: &str =
    "HTTP/1.1 429 Too Many Requests\r\nretry-after: 0\r\ncontent-length: 9\r\n\r\ntoo many\n";
const PAGE: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 19\r\n\r\n<html>s3cr3t</html>";
const OTHER_JSON: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 21\r\n\r\n{\"metadata\":\"s3cr3t\"}";

/// A server that does one step for each request, and the last for all others.
struct Server {
    url: String,
    seen: Arc<Mutex<Vec<Instant>>>,
}

impl Server {
    async fn start(steps: &'static [Step]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let of_task = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, steps, of_task.clone()));
            }
        });
        Self { url, seen }
    }

    async fn cluster(&self, time: Duration) -> Cluster {
        let connection = KubeConnection {
            server: Some(self.url.clone()),
            namespace: Some("shop".to_owned()),
            ..KubeConnection::default()
        };
        let inputs = ConnectInputs::new(&|_| None, false, Timestamp::UNIX_EPOCH);
        let inputs = inputs.until(Instant::now() + time);
        Cluster::connect(&connection, inputs).await.unwrap()
    }

    fn seen(&self) -> Vec<Instant> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, steps: &'static [Step], seen: Arc<Mutex<Vec<Instant>>>) {
    let mut head = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => head.extend_from_slice(&buffer[..read]),
            _ => return,
        }
        if !head.windows(4).any(|end| end == b"\r\n\r\n") {
            continue;
        }
        head.clear();
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(Instant::now());
            seen.len()
        };
        match steps[number.min(steps.len()) - 1] {
            Answer(answer) => {
                stream.write_all(answer.as_bytes()).await.unwrap();
                // An answer that is cut off ends with its connection.
                if answer == SHORT {
                    return;
                }
            }
            Hang => std::future::pending().await,
            Reset => return,
        }
    }
}

async fn read(cluster: &Cluster) -> Result<(), Error> {
    let read = cluster.secret("gw-token").await;
    read.map(drop)
        .map_err(|error| explain(error, "reading secret/gw-token"))
}

async fn write(cluster: &Cluster, dry_run: bool) -> Result<(), Error> {
    let request = || {
        http::Request::patch("/api/v1/namespaces/shop/secrets/gw-token")
            .body(b"{}".to_vec())
            .map_err(kube::Error::HttpError)
    };
    let send = async || cluster.client.request::<serde_json::Value>(request()?).await;
    let written = cluster.writing(dry_run, send).await;
    written
        .map(drop)
        .map_err(|error| explain(error, "writing secret/gw-token"))
}

const SOON: Duration = Duration::from_secs(4);

#[tokio::test]
async fn no_request_is_sent_before_the_wait_that_the_server_asks_for() {
    let server = Server::start(&[Answer(BUSY), Answer(SECRET)]).await;
    let cluster = server.cluster(SOON).await;
    let written = write(&cluster, false).await.unwrap_err();
    assert_eq!(
        written.to_string(),
        "writing secret/gw-token: the API server is overloaded (429), and asks to wait 1 second"
    );
    // Neither this nor any other request to the same server.
    let other = cluster.in_namespace("other");
    let (one, two) = tokio::join!(read(&cluster), read(&other));
    one.unwrap();
    two.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    for request in &seen[1..] {
        assert!(request.duration_since(seen[0]) >= Duration::from_secs(1));
    }
}

#[tokio::test]
async fn a_wait_past_the_deadline_ends_at_once() {
    let server = Server::start(&[Answer(BUSY_FOR_A_MINUTE)]).await;
    let cluster = server.cluster(SOON).await;
    let begun = Instant::now();
    for _ in 0..2 {
        let error = read(&cluster).await.unwrap_err().to_string();
        assert!(
            error.contains("overloaded (429), and asks to wait 60 seconds"),
            "{error}"
        );
    }
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_wait_of_no_time_makes_no_storm() {
    let server = Server::start(&[Answer(BUSY_WITHOUT_A_WAIT)]).await;
    let cluster = server.cluster(Duration::from_secs(2)).await;
    read(&cluster).await.unwrap_err();
    assert!(server.seen().len() <= 3, "{} requests", server.seen().len());
}

#[tokio::test]
async fn what_cannot_get_better_is_not_repeated_and_not_quoted() {
    for answer in [PAGE, OTHER_JSON] {
        let steps: &[Step] = Box::leak(Box::new([Answer(answer)]));
        let server = Server::start(steps).await;
        let error = read(&server.cluster(SOON).await).await.unwrap_err();
        assert!(
            error
                .to_string()
                .contains("not what a Kubernetes API server sends")
        );
        assert!(!format!("{error:?}").contains("s3cr3t"), "{error:?}");
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn what_broke_on_the_way_is_read_again() {
    for step in [Answer(CUT), Answer(SHORT), Reset] {
        let steps: &[Step] = Box::leak(Box::new([Answer(SECRET), step, Answer(SECRET)]));
        let server = Server::start(steps).await;
        let cluster = server.cluster(SOON).await;
        read(&cluster).await.unwrap();
        read(&cluster).await.unwrap();
        assert_eq!(server.seen().len(), 3);
    }
}

#[tokio::test]
async fn a_dry_run_is_repeated_and_a_write_is_not() {
    for (dry_run, requests) in [(true, 3), (false, 2)] {
        let server = Server::start(&[Answer(SECRET), Reset, Answer(SECRET)]).await;
        let cluster = server.cluster(SOON).await;
        read(&cluster).await.unwrap();
        assert_eq!(write(&cluster, dry_run).await.is_ok(), dry_run);
        assert_eq!(server.seen().len(), requests);
    }
}

#[tokio::test]
async fn a_write_that_hangs_leaves_time_to_read_it_back() {
    let server = Server::start(&[Hang, Answer(SECRET)]).await;
    let cluster = server.cluster(SOON).await;
    let begun = Instant::now();
    let error = write(&cluster, false).await.unwrap_err().to_string();
    assert!(error.contains("it did not answer in time"), "{error}");
    assert!(begun.elapsed() < SOON * 3 / 4, "{:?}", begun.elapsed());
    read(&cluster).await.unwrap();
}

#[tokio::test]
async fn nothing_outlives_the_deadline_by_five_seconds() {
    let server = Server::start(&[Hang]).await;
    let cluster = server.cluster(Duration::from_millis(200)).await;
    let begun = Instant::now();
    // However many requests a run still makes then.
    for _ in 0..9 {
        read(&cluster).await.unwrap_err();
        write(&cluster, false).await.unwrap_err();
    }
    assert!(
        begun.elapsed() < Duration::from_millis(4_700),
        "{:?}",
        begun.elapsed()
    );
}
