//! What an answer means to a target of `kind = "http"`: its settings decide first, then [`classify`].
//!
//! A 2xx that confirms nothing (202, 207, or not what `success_when` wants) is retried, because the deletion may be
//! under way. If it never confirms, the deletion dies as `exhausted`. Every unknown answer is rejected.

use std::time::SystemTime;

use url::Url;

use super::{
    Answer, Failure, HttpAnswer, Look, Outcome, Reserved, classify,
    conditions::{body_meets, is_gone_answer, needs_body},
    reason_in,
};
use crate::config::{Verify, target::http::Http};

/// Successes that do not say that anything was deleted: 202 promises to try (RFC 9110 §15.3.3), and a 207 may hold a
/// refusal (RFC 4918 §13).
const UNDECIDED: [u16; 2] = [202, 207];

/// The body is longer than what is read of it.
pub const ANSWER_TOO_LONG: &str = "answer_too_long";

/// The process had no memory left for the answer until the call's deadline.
pub const NO_ANSWER_MEMORY: &str = "no_answer_memory";

/// An answer as it was received.
#[derive(Debug, Clone)]
pub struct Received {
    /// The status.
    pub status: u16,
    /// How long its headers ask to be spared; see [`super::asked_patience`].
    pub retry_after: Option<String>,
    /// The beginning of the body.
    pub body: Vec<u8>,
    /// Why the body broke off before its end, if it did.
    pub broken: Option<&'static str>,
    /// The `ETag` header, if any.
    pub etag: Option<String>,
    /// The URL that was asked last, after redirects: what the answer is about.
    pub url: Url,
    /// The memory that is reserved for it.
    pub reserved: Reserved,
}

impl Received {
    /// The failure that this answer is, with a reason of our own.
    #[must_use]
    pub fn failure(&self, reason: &str) -> Failure {
        Failure { status: Some(self.status), reason: reason.to_owned() }
    }

    /// Whether the status is 2xx.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// Whether the body broke off, and what is missing may be a reason that decides what the failure means. `by_reason`
    /// says so of a status. An answer that is too long will be so again: then the status decides where it can.
    #[must_use]
    pub fn lacks_a_reason(&self, by_reason: impl Fn(u16) -> bool) -> bool {
        // A 403 is about credentials, or says "too fast".
        let decides = self.broken != Some(ANSWER_TOO_LONG) || self.status == 403 || by_reason(self.status);
        !self.is_success() && self.broken.is_some() && decides
    }

    /// What the answer to a call means by its status, the reason in its body and `Retry-After` alone.
    #[must_use]
    pub fn classified(&self, now: SystemTime) -> Outcome {
        let reason = if self.is_success() { None } else { reason_in(&self.body) };
        let retry_after = self.retry_after.as_deref();
        match classify(HttpAnswer { status: self.status, retry_after, reason: reason.as_deref() }, &[], now) {
            // A gateway says that it has no answer of the target (RFC 9110 §15.6.3, §15.6.5), which may have acted.
            Outcome::Retry(failure) if matches!(self.status, 502 | 504) => Outcome::Lost(failure),
            outcome => outcome,
        }
    }
}

/// What the answer to a call that deletes means.
#[must_use]
pub fn classify_delete(http: &Http, received: &Received, now: SystemTime) -> Outcome {
    let status = received.status;
    let body_decides = match received.is_success() {
        true => http.success_when.is_some() || http.gone.iter().any(needs_body),
        false => received.lacks_a_reason(|status| http.gone.iter().any(|gone| gone.status() == status)),
    };
    if let (Some(why), true) = (received.broken, body_decides) {
        return Outcome::Lost(received.failure(why));
    }
    if http.gone.iter().any(|gone| is_gone_answer(gone, status, &received.body)) {
        return Outcome::Confirmed { answer: Answer::Gone { status } };
    }
    if received.is_success() {
        let accepted = match &http.success {
            Some(success) => success.contains(&status),
            None => http.success_when.is_some() || !UNDECIDED.contains(&status),
        };
        return match accepted && http.success_when.as_ref().is_none_or(|when| body_meets(when, &received.body)) {
            true => Outcome::Confirmed { answer: Answer::Deleted { status } },
            // The deletion may be under way: a target that must not be called twice is not.
            false => Outcome::Lost(received.failure("not_confirmed")),
        };
    }
    match received.classified(now) {
        // The proxy refuses our credentials (RFC 9110 §15.5.8): it would refuse every other call as well.
        Outcome::Rejected(_) if status == 407 && http.proxy.is_some() => {
            Outcome::Unauthorized(received.failure("proxy_unauthorized"))
        }
        outcome => outcome,
    }
}

/// What the answer to a look means.
#[must_use]
pub fn classify_look(verify: &Verify, received: &Received, now: SystemTime) -> Look {
    if verify.status.contains(&received.status) {
        return Look::Gone;
    }
    if let Some(why) = received.broken {
        return Look::Failed(Outcome::Retry(received.failure(why)));
    }
    if received.is_success() && verify.when.as_ref().is_some_and(|when| body_meets(when, &received.body)) {
        return Look::Gone;
    }
    match received.classified(now) {
        // A second look does no harm.
        Outcome::Lost(failure) => Look::Failed(Outcome::Retry(failure)),
        failed @ (Outcome::Retry(_) | Outcome::Throttled { .. } | Outcome::Unauthorized(_)) => Look::Failed(failed),
        _ => Look::Differs(received.failure("not_verified")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{TargetKind, parse};

    fn http(settings: &str) -> Http {
        let text = format!(
            "[database]\nurl = 'sqlite://x'\n[resources.r]\ntable = 'r'\nkey = 'id'\nmarker = {{ column = 'd' }}\n\
             [[resources.r.targets]]\nname = 't'\nkind = 'http'\nurl = 'https://h.example/{{id}}'\n{settings}\n"
        );
        let config = parse("sexton.toml", &text, |_| None).unwrap();
        let target = config.resources.values().next().unwrap().targets[0].clone();
        let TargetKind::Http(http) = target.kind else { panic!("{target:?}") };
        http
    }

    fn received(status: u16, body: &str) -> Received {
        let url = Url::parse("https://h.example/1").unwrap();
        let body = body.as_bytes().to_vec();
        Received { status, retry_after: None, body, broken: None, etag: None, url, reserved: Reserved::default() }
    }

    fn call(settings: &str, status: u16, body: &str) -> Outcome {
        classify_delete(&http(settings), &received(status, body), SystemTime::now())
    }

    #[test]
    fn success_is_what_was_said_to_be_success() {
        let confirmed = |outcome| matches!(outcome, Outcome::Confirmed { answer: Answer::Deleted { .. } });
        assert!(confirmed(call("", 299, "")) && confirmed(call("success = [202]", 202, "")));
        let not_confirmed = Outcome::Lost(Failure { status: Some(202), reason: "not_confirmed".to_owned() });
        assert_eq!(call("success = [200]", 202, ""), not_confirmed);
        let when = "success_when = { pointer = '/deleted', equals = true }";
        assert!(confirmed(call(when, 200, r#"{"deleted":true}"#)));
        for body in ["", r#"{"deleted":false}"#, r#"{"deleted":tru"#] {
            assert_eq!(call(when, 202, body), not_confirmed, "{body}");
        }
        assert!(confirmed(call(when, 202, r#"{"deleted":true}"#)), "its body says so");
        for undecided in UNDECIDED {
            assert!(matches!(call("", undecided, ""), Outcome::Lost(_)), "{undecided}");
        }
    }

    #[test]
    fn answer_that_breaks_off_is_lost_where_its_body_decides() {
        let broken = |settings: &str, status| {
            let received = Received { broken: Some("timeout"), ..received(status, "") };
            classify_delete(&http(settings), &received, SystemTime::now())
        };
        assert!(matches!(broken("", 200), Outcome::Confirmed { .. }));
        for (settings, status) in [
            ("success_when = { pointer = '/deleted', equals = true }", 200),
            ("gone = [{ status = 200, reason = 'gone' }]", 200),
            ("", 410),
            ("", 400),
        ] {
            assert!(matches!(broken(settings, status), Outcome::Lost(_)), "{settings} {status}");
        }
        let too_long = |settings: &str, status| {
            let received = Received { broken: Some(ANSWER_TOO_LONG), ..received(status, "") };
            classify_delete(&http(settings), &received, SystemTime::now())
        };
        assert!(matches!(too_long("", 400), Outcome::Rejected(_)), "no reason makes anything else of it");
        for (settings, status) in [("", 410), ("", 403), ("gone = [{ status = 400, reason = 'gone' }]", 400)] {
            assert!(matches!(too_long(settings, status), Outcome::Lost(_)), "{settings} {status}");
        }
    }

    #[test]
    fn answers_that_leave_it_open_whether_the_target_acted() {
        for status in 100..=999 {
            let open = matches!(call("", status, ""), Outcome::Lost(_));
            assert_eq!(open, matches!(status, 202 | 207 | 502 | 504), "{status}");
        }
    }

    #[test]
    fn every_status_of_a_look_has_a_meaning_and_only_agreement_is_agreement() {
        let http = http(
            "verify = { url = 'https://h.example/{id}', status = [404], when = { pointer = '/s', equals = 'x' } }",
        );
        let look =
            |status, body| classify_look(http.verify.as_ref().unwrap(), &received(status, body), SystemTime::now());
        for status in 100..=999 {
            let got = look(status, "{}");
            let as_documented = match status {
                404 => got == Look::Gone,
                408 | 500..=599 => matches!(got, Look::Failed(Outcome::Retry(_))),
                429 => matches!(got, Look::Failed(Outcome::Throttled { .. })),
                401 | 403 => matches!(got, Look::Failed(Outcome::Unauthorized(_))),
                _ => matches!(&got, Look::Differs(failure) if failure.reason == "not_verified"),
            };
            assert!(as_documented, "{status}: {got:?}");
        }
        assert_eq!(look(200, r#"{"s":"x"}"#), Look::Gone);
        assert!(matches!(look(400, r#"{"s":"x"}"#), Look::Differs(_)), "only a success speaks of the object");
    }
}
