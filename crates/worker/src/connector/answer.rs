//! The answer to a request, read up to a limit and brought into the form that all connectors read.

use std::{
    io::{self, Read},
    time::Instant,
};

use flate2::read::MultiGzDecoder;
use reqwest::{
    Response,
    header::{CONTENT_ENCODING, ETAG, HeaderName},
};
use sexton_core::outcome::{ANSWER_TOO_LONG, NO_ANSWER_MEMORY, Received, asked_patience};

use super::{
    exchange::reason_of,
    memory::{AnswerMemory, FREE},
};

/// Reads at most `limit` bytes, encoded and decoded. It reads to the end where that is cheap, also after success: only
/// then can the connection be reused. What an answer may need beyond a free beginning is reserved in `memory`, and
/// waited for until `deadline`.
pub(super) async fn read(mut response: Response, limit: usize, memory: &AnswerMemory, deadline: Instant) -> Received {
    let status = response.status().as_u16();
    let header = |name: &str| response.headers().get(name)?.to_str().ok();
    let retry_after = asked_patience(status, header);
    let owned = |name: HeaderName| header(name.as_str()).map(str::to_owned);
    let (etag, encoding) = (owned(ETAG), owned(CONTENT_ENCODING));
    let url = response.url().clone();
    let most = most_needed(&response, encoding.as_deref(), limit);
    let (mut body, mut broken, mut reserved) = (Vec::new(), None, None);
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > limit => {
                broken = Some(ANSWER_TOO_LONG);
                break;
            }
            Ok(Some(chunk)) => {
                if reserved.is_none() && (encoding.is_some() || body.len() + chunk.len() > FREE) {
                    reserved = memory.reserve(most, deadline).await;
                    if reserved.is_none() {
                        broken = Some(NO_ANSWER_MEMORY);
                        break;
                    }
                }
                body.extend_from_slice(&chunk);
            }
            Ok(None) => break,
            Err(error) => {
                broken = Some(reason_of(&error));
                break;
            }
        }
    }
    if broken.is_none() && !body.is_empty() {
        match decode(body, encoding.as_deref(), limit) {
            Ok(decoded) => body = decoded,
            Err(why) => (body, broken) = (Vec::new(), Some(why)),
        }
    }
    if body.starts_with(BYTE_ORDER_MARK) {
        body.drain(..BYTE_ORDER_MARK.len());
    }
    Received { status, retry_after, body, broken, etag, url, reserved: reserved.unwrap_or_default() }
}

/// The most bytes that an answer takes while it is read: as it came, and decoded.
fn most_needed(response: &Response, encoding: Option<&str>, limit: usize) -> usize {
    let said = response.content_length().and_then(|length| usize::try_from(length).ok());
    let as_it_comes = said.unwrap_or(limit).min(limit);
    if encoding.is_some() { as_it_comes + limit } else { as_it_comes }
}

/// JSON has none (RFC 8259 §8.1), but some servers write it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Decodes a body. No encoding is asked for; some servers and proxies use one all the same.
fn decode(body: Vec<u8>, encoding: Option<&str>, limit: usize) -> Result<Vec<u8>, &'static str> {
    match encoding.map(|encoding| encoding.trim().to_ascii_lowercase()).as_deref() {
        None | Some("" | "identity") => Ok(body),
        // A few bytes may stand for any number of them.
        Some("gzip" | "x-gzip") => match unzip(&body, limit) {
            Ok(decoded) if decoded.len() > limit => Err(ANSWER_TOO_LONG),
            Ok(decoded) => Ok(decoded),
            Err(_) => Err("answer_not_decoded"),
        },
        Some(_) => Err("answer_not_decoded"),
    }
}

fn unzip(body: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    let mut decoded = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(body).take(most).read_to_end(&mut decoded)?;
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn zipped(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn encoded_body_is_decoded_up_to_the_limit() {
        let text = [b'a'; 1000];
        for encoding in ["gzip", " GZIP", "x-gzip"] {
            assert_eq!(decode(zipped(&text), Some(encoding), 1000).as_deref(), Ok(&text[..]), "{encoding}");
        }
        assert_eq!(decode(zipped(&text), Some("gzip"), 999), Err(ANSWER_TOO_LONG));
        assert_eq!(decode(text.to_vec(), Some("identity"), 1000).as_deref(), Ok(&text[..]));
        for (body, encoding) in [(text.to_vec(), "gzip"), (zipped(&text)[..20].to_vec(), "gzip"), (text.to_vec(), "br")]
        {
            assert_eq!(decode(body, Some(encoding), 1000), Err("answer_not_decoded"), "{encoding}");
        }
    }
}
