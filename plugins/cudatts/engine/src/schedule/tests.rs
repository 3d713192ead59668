// SPDX-License-Identifier: MPL-2.0

use super::*;

const FRAME: Duration = Duration::from_millis(80);
const AHEAD: Duration = Duration::from_millis(500);
const MS: Duration = Duration::from_millis(1);

fn limits(slots: usize, max_batch: usize) -> Limits {
    Limits {
        slots,
        max_batch,
        frame: FRAME,
        margin: 0.15,
        idle_after: Duration::from_secs(3),
    }
}

fn want(rate: f64) -> Want {
    Want {
        look_ahead: AHEAD,
        rate,
    }
}

/// One that has learned that a step costs so much.
fn learned(limits: Limits, fixed: Duration, each: Duration) -> Scheduler {
    let mut scheduler = Scheduler::new(limits);
    for _ in 0..10 {
        for slots in [1, 4] {
            scheduler.generated(slots, fixed + each * slots as u32);
            scheduler.decoded(slots, each * slots as u32);
        }
    }
    scheduler
}

fn ready(scheduler: &mut Scheduler, now: Moment, id: Id) {
    scheduler.open(now, id, want(1.0)).unwrap();
    scheduler.ready(now, id);
}

fn stepped(work: &Work) -> Vec<Id> {
    work.step.iter().map(|(id, _)| *id).collect()
}

/// Makes sound of all that was stepped.
fn sound(scheduler: &mut Scheduler, now: Moment, work: &Work) {
    for (id, _) in &work.step {
        scheduler.sounded(now, *id, 1, FRAME, true);
    }
}

#[test]
fn without_text_nothing_is_done() {
    let mut scheduler = Scheduler::new(limits(4, 4));
    scheduler.open(MS, 1, want(1.0)).unwrap();
    assert!(scheduler.next(MS).is_empty());
    scheduler.ready(2 * MS, 1);
    let work = scheduler.next(2 * MS);
    assert_eq!(work.begin, [(1, 0)]);
    assert_eq!(work.step, [(1, 0)]);
}

#[test]
fn who_has_enough_waits_until_half_of_it_is_played() {
    let mut scheduler = Scheduler::new(limits(4, 4));
    ready(&mut scheduler, MS, 1);
    let mut frames = 0;
    loop {
        let work = scheduler.next(MS);
        if work.is_empty() {
            break;
        }
        frames += work.step.len();
        sound(&mut scheduler, MS, &work);
    }
    // 500 ms in frames of 80.
    assert_eq!(frames, 7);
    assert!(!scheduler.taken(MS, 1, FRAME * 3));
    assert!(scheduler.next(MS).is_empty());
    assert!(scheduler.taken(MS, 1, FRAME));
    assert_eq!(stepped(&scheduler.next(MS)), [1]);
}

#[test]
fn the_soonest_deadlines_go_first_and_newcomers_by_their_age() {
    let mut scheduler = Scheduler::new(limits(8, 2));
    for id in 1..=3 {
        ready(&mut scheduler, MS * id as u32, id);
    }
    // All begin, the two oldest are stepped.
    let work = scheduler.next(10 * MS);
    assert_eq!(
        work.begin.len(),
        2,
        "no more than a step holds begin at once"
    );
    assert_eq!(stepped(&work), [1, 2]);
    sound(&mut scheduler, 10 * MS, &work);
    let work = scheduler.next(11 * MS);
    // The third has no sound yet; of the others the first took its own later, so lasts longer.
    assert_eq!(stepped(&work), [3, 1]);
    sound(&mut scheduler, 11 * MS, &work);
    scheduler.taken(12 * MS, 1, FRAME);
    scheduler.taken(12 * MS, 2, FRAME);
    scheduler.taken(12 * MS, 3, FRAME);
    assert_eq!(stepped(&scheduler.next(20 * MS)), [2, 3]);
}

#[test]
fn who_runs_dry_first_is_stepped_first_whatever_is_in_store() {
    let mut scheduler = Scheduler::new(limits(2, 1));
    ready(&mut scheduler, MS, 1);
    ready(&mut scheduler, MS, 2);
    for _ in 0..2 {
        let work = scheduler.next(MS);
        sound(&mut scheduler, MS, &work);
    }
    // Each has played a frame by then; the second took its own earlier.
    scheduler.taken(10 * MS, 2, FRAME);
    scheduler.taken(50 * MS, 1, FRAME);
    assert_eq!(stepped(&scheduler.next(60 * MS)), [2]);
    // It lasts until 170 ms with that, the other until 130.
    scheduler.sounded(60 * MS, 2, 1, FRAME, false);
    assert_eq!(stepped(&scheduler.next(60 * MS)), [1]);
}

#[test]
fn others_come_along_where_that_costs_little() {
    // On a GPU all of a step's cost is its own, on a CPU it is the slots'.
    for (fixed, each, expected) in [(MS * 4, MS / 100, 4), (MS / 10, MS * 4, 1)] {
        let mut scheduler = learned(limits(8, 8), fixed, each);
        for id in 1..=4 {
            ready(&mut scheduler, MS, id);
        }
        for _ in 0..20 {
            let work = scheduler.next(MS);
            sound(&mut scheduler, MS, &work);
        }
        for id in 1..=4 {
            scheduler.taken(MS, id, FRAME);
        }
        assert!(scheduler.next(MS).is_empty());
        scheduler.taken(MS, 2, FRAME * 4);
        assert_eq!(scheduler.next(MS).step.len(), expected);
    }
}

#[test]
fn a_closed_one_frees_its_slot_for_the_next_step() {
    let mut scheduler = Scheduler::new(limits(1, 1));
    ready(&mut scheduler, MS, 1);
    assert_eq!(scheduler.next(MS).begin, [(1, 0)]);
    assert!(scheduler.close(1));
    assert!(!scheduler.close(1));
    ready(&mut scheduler, MS, 2);
    let work = scheduler.next(MS);
    assert_eq!((work.release, work.begin), (vec![], vec![(2, 0)]));
    scheduler.close(2);
    assert_eq!(scheduler.next(MS).release, [0]);
    assert!(scheduler.next(MS).is_empty());
    assert_eq!(scheduler.census(MS), Census::default());
    // What comes late is of no consequence.
    scheduler.sounded(MS, 2, 1, FRAME, true);
    scheduler.over(MS, 2, true);
    scheduler.ready(MS, 2);
    assert!(scheduler.next(MS).is_empty());
}

#[test]
fn between_chunks_the_slot_is_kept_only_if_there_is_text() {
    let mut scheduler = Scheduler::new(limits(1, 1));
    ready(&mut scheduler, MS, 1);
    scheduler.next(MS);
    scheduler.unmade(1);
    scheduler.over(MS, 1, true);
    let work = scheduler.next(MS);
    assert_eq!((work.begin, work.step), (vec![(1, 0)], vec![(1, 0)]));
    scheduler.unmade(1);
    scheduler.over(MS, 1, false);
    // It waits for text: nothing is done for it, and after a while another has its place.
    assert_eq!(scheduler.next(MS).release, [0]);
    let later = Duration::from_secs(10);
    assert!(matches!(
        scheduler.open(2 * MS, 2, want(1.0)),
        Err(Refusal::Slots { slots: 1 })
    ));
    scheduler.open(later, 2, want(1.0)).unwrap();
    scheduler.ready(later, 2);
    assert_eq!(scheduler.next(later).begin, [(2, 0)]);
    // Its text comes after all: it waits for the slot, and gets it.
    scheduler.ready(later, 1);
    assert_eq!(scheduler.next(later).begin, []);
    scheduler.close(2);
    assert_eq!(scheduler.next(later).begin, [(1, 0)]);
}

#[test]
fn admission_counts_what_a_step_would_cost_and_says_so() {
    // Five at 16 ms are 80 ms: with 15 % kept free four fit.
    let mut scheduler = learned(limits(16, 16), MS / 10, MS * 16);
    for id in 1..=4 {
        scheduler.open(MS, id, want(1.0)).unwrap();
    }
    let refusal = scheduler.open(MS, 5, want(1.0)).unwrap_err();
    let sentence = refusal.to_string();
    for part in [
        "speaks 4 ",
        "80.1 ms of the gen",
        "80.0 ms of the dec",
        "15 %",
    ] {
        assert!(sentence.contains(part), "{part}: {sentence}");
    }
    assert_eq!(scheduler.refused(), 1);
    scheduler.close(2);
    scheduler.open(MS, 5, want(1.0)).unwrap();
    // Who has waited for text for long is no load.
    let later = Duration::from_secs(4);
    assert_eq!(scheduler.census(later).load, 0);
    scheduler.open(later, 6, want(1.0)).unwrap();
}

#[test]
fn the_first_is_never_refused_and_faster_speech_counts_for_more() {
    let mut slow = learned(limits(4, 4), MS, MS * 500);
    slow.open(MS, 1, want(1.0)).unwrap();
    assert!(slow.open(MS, 2, want(1.0)).is_err());
    let mut scheduler = learned(limits(16, 16), MS / 10, MS * 16);
    scheduler.open(MS, 1, want(3.0)).unwrap();
    scheduler.open(MS, 2, want(0.5)).unwrap();
    assert!(scheduler.open(MS, 3, want(1.0)).is_err());
    scheduler.open(MS, 3, want(0.5)).unwrap();
}

#[test]
fn the_slower_thread_decides() {
    let mut scheduler = Scheduler::new(limits(16, 16));
    for slots in [1, 4, 1, 4] {
        scheduler.generated(slots, MS * slots as u32);
        scheduler.decoded(slots, MS * 30 * slots as u32);
    }
    scheduler.open(MS, 1, want(1.0)).unwrap();
    scheduler.open(MS, 2, want(1.0)).unwrap();
    assert!(scheduler.open(MS, 3, want(1.0)).is_err());
}

#[test]
fn beginning_takes_no_longer_than_a_step() {
    let mut scheduler = learned(limits(16, 16), MS * 20, MS / 10);
    scheduler.admitted(MS * 10);
    for id in 1..=8 {
        ready(&mut scheduler, MS, id);
    }
    assert_eq!(scheduler.next(MS).begin, [(1, 0), (2, 1)]);
}

/// A machine with a clock of its own, and consumers that play what they take.
struct World {
    now: Moment,
    scheduler: Scheduler,
    fixed: Duration,
    each: Duration,
    listeners: BTreeMap<Id, Listener>,
    underruns: usize,
    first_audio: Vec<Duration>,
}

struct Listener {
    came: Moment,
    /// When it has played all that it took.
    dry: Option<Moment>,
    stored: u32,
    to_make: u32,
    to_play: u32,
}

impl World {
    fn new(limits: Limits, fixed: Duration, each: Duration) -> Self {
        Self {
            now: MS,
            scheduler: learned(limits, fixed, each),
            fixed,
            each,
            listeners: BTreeMap::new(),
            underruns: 0,
            first_audio: Vec::new(),
        }
    }

    fn ask(&mut self, id: Id, frames: u32) -> bool {
        if self.scheduler.open(self.now, id, want(1.0)).is_err() {
            return false;
        }
        self.scheduler.ready(self.now, id);
        self.listeners.insert(
            id,
            Listener {
                came: self.now,
                dry: None,
                stored: 0,
                to_make: frames,
                to_play: frames,
            },
        );
        true
    }

    /// Consumers take what they play until then.
    fn play(&mut self, until: Moment) {
        loop {
            let due = self
                .listeners
                .iter()
                .filter(|(_, listener)| listener.stored > 0)
                .map(|(id, listener)| (listener.dry.unwrap_or(self.now), *id))
                .min();
            let Some((at, id)) = due.filter(|(at, _)| *at <= until) else {
                break;
            };
            let at = at.max(self.now);
            let listener = self.listeners.get_mut(&id).unwrap();
            if listener.dry.is_none() {
                self.first_audio.push(at - listener.came);
            }
            listener.stored -= 1;
            listener.to_play -= 1;
            listener.dry = Some(listener.dry.unwrap_or(at).max(at) + FRAME);
            self.scheduler.taken(at, id, FRAME);
            if listener.to_play == 0 {
                self.listeners.remove(&id);
            }
        }
        self.now = until;
    }

    /// A step, or a moment of sleep.
    fn turn(&mut self) {
        let work = self.scheduler.next(self.now);
        if work.step.is_empty() {
            self.play(self.now + MS);
            return;
        }
        let took = self.fixed + self.each * work.step.len() as u32;
        self.play(self.now + took);
        self.scheduler.generated(work.step.len(), took);
        self.scheduler.decoded(work.step.len(), took / 2);
        for (id, _) in &work.step {
            let Some(listener) = self.listeners.get_mut(id) else {
                continue;
            };
            let awaited = listener.stored == 0 && listener.dry.is_none_or(|dry| dry <= self.now);
            if listener.dry.is_some_and(|dry| dry < self.now) && listener.stored == 0 {
                self.underruns += 1;
            }
            self.scheduler.sounded(self.now, *id, 1, FRAME, awaited);
            listener.stored += 1;
            listener.to_make -= 1;
            if listener.to_make == 0 {
                self.scheduler.close(*id);
            }
        }
    }
}

#[test]
fn ten_times_more_ask_than_fit_and_the_admitted_hear_no_gap() {
    for (fixed, each, fit) in [(MS * 2, MS * 4, 16), (MS * 10, MS / 2, 116)] {
        let mut world = World::new(limits(200, 200), fixed, each);
        let mut admitted = 0;
        // All of them within two seconds, for 30 s of speech each.
        for id in 0..10 * fit {
            admitted += u64::from(world.ask(id, 375));
            let next = Duration::from_secs(2) * id as u32 / (10 * fit) as u32;
            while world.now < next {
                world.turn();
            }
        }
        let range = fit * 9 / 10..=fit;
        assert!(range.contains(&admitted), "{admitted} of {fit}");
        while !world.listeners.is_empty() {
            world.turn();
        }
        assert_eq!((world.underruns, world.scheduler.underruns()), (0, 0));
    }
}

#[test]
fn coming_and_going_under_full_load_leaves_no_gap_either() {
    let mut world = World::new(limits(64, 8), MS * 3, MS * 3);
    let (mut id, mut seed, mut admitted) = (0, 1_u64, 0);
    while world.now < Duration::from_secs(120) {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // Ten ask in a second, for 1 to 9 s each.
        let frames = 12 + (seed >> 33) as u32 % 100;
        admitted += usize::from(world.ask(id, frames));
        id += 1;
        if seed >> 60 == 0 {
            let gone = *world.listeners.keys().next().unwrap();
            world.listeners.remove(&gone);
            world.scheduler.close(gone);
        }
        let next = world.now + Duration::from_millis(seed >> 56);
        while world.now < next {
            world.turn();
        }
    }
    assert!(admitted > 200, "{admitted}");
    assert!(world.scheduler.refused() > 200);
    assert_eq!((world.underruns, world.scheduler.underruns()), (0, 0));
    world.first_audio.sort_unstable();
    let p99 = world.first_audio[world.first_audio.len() * 99 / 100];
    assert!(p99 < Duration::from_millis(150), "{p99:?}");
}

#[test]
fn an_overloaded_machine_counts_its_underruns() {
    let mut world = World::new(limits(8, 8), MS, MS);
    for id in 0..8 {
        assert!(world.ask(id, 100));
    }
    // It has become ten times slower than it was when they were admitted.
    world.each = MS * 20;
    while !world.listeners.is_empty() {
        world.turn();
    }
    assert!(world.underruns > 50);
    assert_eq!(world.scheduler.underruns(), world.underruns as u64);
}

#[test]
fn who_stops_listening_costs_nothing() {
    let mut scheduler = Scheduler::new(limits(4, 4));
    ready(&mut scheduler, MS, 1);
    ready(&mut scheduler, MS, 2);
    for round in 0..1000_u32 {
        let now = FRAME * round;
        let work = scheduler.next(now);
        if round > 20 {
            assert!(!stepped(&work).contains(&1));
        }
        sound(&mut scheduler, now, &work);
        scheduler.taken(now, 2, FRAME);
    }
}
