//! What is believed of answers "gone": each test is a line of answers, one in a tick.

use super::*;

const MS: Duration = Duration::from_millis(1);

/// What a process was told, one answer or none in a tick.
struct Process {
    answers: GoneAnswers,
    start: Instant,
    ids: Vec<DeletionId>,
}

impl Process {
    /// `g` stands for gone, `l` for gone after a loss, `d` for deleted, a dot for none.
    fn after_answers(pattern: &str) -> Self {
        let (mut answers, start) = (GoneAnswers::new(Duration::ZERO), Instant::now());
        let ids: Vec<_> = pattern.chars().map(|_| DeletionId::new()).collect();
        for (n, answer) in pattern.chars().enumerate().filter(|(_, answer)| *answer != '.') {
            let evidence = match answer {
                'g' => GoneEvidence::Gone,
                'l' => GoneEvidence::GoneAfterLoss,
                _ => GoneEvidence::Deleted,
            };
            answers.note_answer(evidence, ids[n], tick(start, n));
        }
        Self { answers, start, ids }
    }

    /// The judgement about the answer number `at`, made when `now` ticks have passed.
    fn judge(&self, at: usize, now: usize, asked: u32) -> Judgement {
        self.judge_doubted(Doubted { in_run: false, ..self.doubted_in_run(at, now, asked) }, now)
    }

    /// The same about an answer that was found to be part of a run.
    fn judge_in_run(&self, at: usize, now: usize, asked: u32) -> Judgement {
        self.judge_doubted(self.doubted_in_run(at, now, asked), now)
    }

    fn doubted_in_run(&self, at: usize, now: usize, asked: u32) -> Doubted {
        Doubted { id: self.ids[at], age: 100 * MS * (now - at) as u32, asked, in_run: true }
    }

    fn judge_doubted(&self, doubted: Doubted, now: usize) -> Judgement {
        self.answers.judge(doubted, 0.5, HeldNow::default(), tick(self.start, now))
    }

    /// The judgement about a "gone" that came to another process at `at`.
    fn judge_foreign(&self, at: usize, now: usize, asked: u32) -> Judgement {
        let age = 100 * MS * (now - at) as u32;
        self.judge_doubted(Doubted { id: DeletionId::new(), age, asked, in_run: false }, now)
    }
}

fn tick(start: Instant, n: usize) -> Instant {
    start + 100 * MS * u32::try_from(n).unwrap()
}

fn first(id: DeletionId) -> Doubted {
    Doubted { id, age: Duration::from_secs(60), asked: 0, in_run: false }
}

fn judge(pattern: &str, at: usize, now: usize) -> Judgement {
    Process::after_answers(pattern).judge(at, now, 0)
}

const AGAIN: Judgement = Judgement::AskAgain { in_run: false };
const IN_RUN: Judgement = Judgement::Wait { time: WINDOW, in_run: true };

#[test]
fn single_answer_is_believed_after_a_while() {
    assert_eq!(judge("g", 0, 10), Judgement::Wait { time: 2000 * MS, in_run: false });
    assert_eq!(judge("g", 0, 30), Judgement::Believe);
    assert_eq!(judge("l", 0, 30), Judgement::Believe);
    assert_eq!(judge("dddddgddddd", 5, 35), Judgement::Believe);
}

#[test]
fn many_below_the_limit_are_believed() {
    let mixed = "dgddg".repeat(20);
    for at in [1, 31, 64] {
        assert_eq!(judge(&mixed, at, at + 30), Judgement::Believe, "{at}");
    }
}

#[test]
fn last_of_many_are_believed_although_nothing_follows() {
    let Process { answers, start, ids } = Process::after_answers(&format!("{}gggggg", "dgd".repeat(6)));
    let judged = answers.judge(first(ids[23]), 0.7, HeldNow::default(), tick(start, 60));
    assert_eq!(judged, Judgement::Believe);
}

#[test]
fn run_is_never_believed_at_either_end() {
    let (good, gone) = ("d".repeat(50), "g".repeat(60));
    let outage = format!("{good}{gone}{good}");
    for at in [50, 51, 80, 108, 109] {
        let judged: Vec<_> = (at + 30..at + 200).step_by(10).map(|now| judge(&outage, at, now)).collect();
        assert!(!judged.contains(&Judgement::Believe), "{at}: {judged:?}");
        assert!(judged.contains(&AGAIN), "{at}: {judged:?}");
    }
    assert_eq!(judge(&outage, 50, 85), IN_RUN, "while it lasts");
}

#[test]
fn what_chance_makes_of_the_usual_share_is_no_run() {
    let usual = "dgd".repeat(10);
    // Four in sequence, and at the end four of five.
    let work = format!("{usual}gggg{usual}ggdgg");
    for at in [31, 33, 64, 68] {
        assert_eq!(judge(&work, at, at + 40), Judgement::Believe, "{at}");
    }
    // Twelve are no chance any more.
    let outage = format!("{usual}gggggggggggg");
    for at in [30, 41] {
        assert_eq!(judge(&outage, at, at + 40), IN_RUN, "{at}");
    }
}

#[test]
fn run_that_ends_in_silence_is_asked_with_growing_pauses_until_an_operator_must_look() {
    let run = "g".repeat(10);
    assert_eq!(judge(&run, 5, 100), IN_RUN);
    for (asked, pause) in [(0, 150), (1, 300), (2, 600), (3, 1200), (4, 2400)] {
        let process = Process::after_answers(&run);
        assert_eq!(process.judge_in_run(5, 5 + pause - 1, asked), IN_RUN, "{asked}");
        let after = process.judge_in_run(5, 5 + pause, asked);
        let expected = if asked < 4 { Judgement::AskAgain { in_run: true } } else { Judgement::OpenBreaker };
        assert_eq!(after, expected, "{asked}");
    }
}

#[test]
fn answers_after_a_loss_are_a_run_if_the_target_deletes_nothing() {
    assert_eq!(judge("llllllll", 4, 40), IN_RUN);
    assert_eq!(judge("lllldlll", 5, 40), Judgement::Believe);
}

#[test]
fn slow_answers_are_a_run_if_the_target_deletes_nothing_between() {
    let slow = format!("d{}", "..............................g".repeat(5));
    assert_eq!(judge(&slow, 155, 190), IN_RUN);
    let slow = format!("{slow}..............................d");
    assert_eq!(judge(&slow, 155, 190), AGAIN);
}

#[test]
fn one_deletion_that_is_asked_often_is_no_run() {
    let (mut answers, id) = (GoneAnswers::new(Duration::ZERO), DeletionId::new());
    let start = Instant::now();
    for n in 0..6 {
        answers.note_answer(GoneEvidence::Gone, id, tick(start, n * 40));
    }
    let judged = answers.judge(first(id), 0.5, HeldNow::default(), tick(start, 231));
    assert_eq!(judged, Judgement::Believe);
}

#[test]
fn run_that_other_processes_had_is_one_also_when_its_tail_is_left() {
    let Process { answers, start, ids } = Process::after_answers("g");
    let mut held = HeldNow::default();
    held.note_held(12, Some(start), start);
    held.note_held(1, Some(start), tick(start, 39));
    assert_eq!(answers.judge(first(ids[0]), 0.5, held, tick(start, 40)), IN_RUN);
    let deletes = Process::after_answers("ddg");
    assert_eq!(deletes.answers.judge(first(deletes.ids[2]), 0.5, held, tick(start, 40)), Judgement::Believe);
    held.note_held(1, None, tick(start, 200));
    assert_eq!(held.most, 1);
}

#[test]
fn what_this_process_did_not_see_is_for_another_or_asked_a_few_times() {
    let good = Process::after_answers(&"d".repeat(60));
    let own = "its own good answers say nothing about another process";
    assert_eq!(good.judge_foreign(20, 60, 0), Judgement::Elsewhere, "{own}");
    assert_eq!(good.judge_foreign(20, 20 + 120, 0), AGAIN, "that process does not come to it");
    assert_eq!(good.judge_foreign(20, 20 + 120, 4), Judgement::Believe);
    let run = Process::after_answers(&"g".repeat(60));
    assert_eq!(run.judge_foreign(20, 20 + 120, 4), IN_RUN);
}

#[test]
fn what_is_said_time_and_again_while_the_target_deletes_is_believed() {
    let process = Process::after_answers(&format!("{}gggggg{}d", "d".repeat(20), ".".repeat(60)));
    assert_eq!(process.judge(23, 90, 3), AGAIN);
    assert_eq!(process.judge(23, 90, 4), Judgement::Believe);
    assert_eq!(process.judge_in_run(23, 90, 4), AGAIN, "asked in an outage");
}

#[test]
fn usual_share_of_a_quiet_target_is_that_of_the_time_from_which_all_answers_are_remembered() {
    let process = Process::after_answers(&"dddddddddddddddddddg".repeat(200));
    let Count { gone, deleted, .. } = process.answers.all_but(0, 0);
    assert!(gone * 15 < deleted, "{gone} {deleted}");
}

#[test]
fn what_was_said_before_an_operator_looked_is_asked_again_at_once() {
    let mut process = Process::after_answers("ggggg");
    process.answers.clear(tick(process.start, 10));
    assert_eq!(process.judge(4, 11, 0), AGAIN);
}

#[test]
fn few_after_many_deletions_are_a_run_at_any_speed() {
    let start = Instant::now();
    let mut answers = GoneAnswers::new(Duration::ZERO);
    for n in 0..600 {
        answers.note_answer(GoneEvidence::Deleted, DeletionId::new(), start + n * MS);
    }
    let ids: Vec<_> = (0..20).map(|_| DeletionId::new()).collect();
    for (id, n) in ids.iter().zip(601..) {
        answers.note_answer(GoneEvidence::Gone, *id, start + n * MS);
    }
    for id in ids {
        let judged = answers.judge(first(id), 0.5, HeldNow::default(), start + 5000 * MS);
        assert_eq!(judged, IN_RUN);
    }
}
