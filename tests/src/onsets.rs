// SPDX-License-Identifier: MPL-2.0

//! What a mouth did when a caller spoke up: the truth beside what it told, without mercy. A caller
//! who was not heard counts as the slowest of all, and a stop before anybody spoke is no early
//! success but a false alarm.

use crate::caller::Label;

/// A stop so long before the label hides whatever the ears made of the speech, in seconds.
const BEFORE: f64 = 0.1;

/// What a line told of itself, in seconds of running time.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// When the last audible sample before a stop was pushed.
    pub stops: Vec<f64>,
    /// When the rest of an utterance was dropped.
    pub commits: Vec<f64>,
    /// When the ears began to hear a voice (true), and when they no longer did.
    pub voice: Vec<(f64, bool)>,
}

/// What became of one caller.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reaction {
    /// The mouth stopped, so many milliseconds after the label.
    Stopped(f64),
    /// The ears had taken the noise for speech just before: nothing can be said.
    Already,
    /// Nothing happened.
    Unheard,
}

impl Told {
    /// What the mouth made of the caller of `label`.
    pub fn reaction(&self, label: &Label) -> Reaction {
        let stopped = |from: f64, to: f64| {
            let mut stops = self.stops.iter().copied();
            stops.find(|at| (label.start + from..label.start + to).contains(at))
        };
        if let Some(at) = stopped(0.0, window(label)) {
            return Reaction::Stopped((at - label.start) * 1000.0);
        }
        if stopped(-BEFORE, 0.0).is_some() || self.hears_voice(label.start) {
            return Reaction::Already;
        }
        Reaction::Unheard
    }

    /// When the rest was dropped for the caller of `label`, in milliseconds after it.
    pub fn commit(&self, label: &Label) -> Option<f64> {
        let mut commits = self.commits.iter().map(|at| at - label.start);
        let found = commits.find(|after| (0.0..window(label)).contains(after));
        found.map(|after| after * 1000.0)
    }

    /// Whether the ears heard a voice at `time`.
    pub fn hears_voice(&self, time: f64) -> bool {
        let before = self.voice.iter().rfind(|(at, _)| *at <= time);
        before.is_some_and(|(_, voice)| *voice)
    }
}

/// How long a stop is taken for one by the caller of `label`, in seconds.
fn window(label: &Label) -> f64 {
    (label.end - label.start + 0.3).min(1.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_counts_from_the_label_on() {
        let label = Label {
            start: 10.0,
            audible: None,
            end: 10.8,
            text: "rear left".into(),
        };
        let told = |stops: &[f64], voice: &[(f64, bool)]| Told {
            stops: stops.to_vec(),
            commits: vec![9.9, 10.3],
            voice: voice.to_vec(),
        };
        let after = |reaction| match reaction {
            Reaction::Stopped(ms) => ms,
            other => panic!("{other:?}"),
        };
        assert!((after(told(&[10.05], &[]).reaction(&label)) - 50.0).abs() < 1e-6);
        // The noise had stopped it, and let go again before the caller was heard.
        let stopped_twice = told(
            &[9.95, 10.07],
            &[(9.95, true), (10.01, false), (10.07, true)],
        );
        assert!((after(stopped_twice.reaction(&label)) - 70.0).abs() < 1e-6);
        assert_eq!(told(&[9.95], &[]).reaction(&label), Reaction::Already);
        assert_eq!(
            told(&[9.0], &[(9.0, true)]).reaction(&label),
            Reaction::Already
        );
        for (stops, voice) in [
            (&[][..], &[][..]),
            (&[9.0], &[(9.0, true), (9.6, false)]),
            (&[11.2], &[]),
        ] {
            assert_eq!(told(stops, voice).reaction(&label), Reaction::Unheard);
        }
        let commit = told(&[], &[]).commit(&label).unwrap();
        assert!((commit - 300.0).abs() < 1e-6);
    }
}
