// SPDX-License-Identifier: MPL-2.0

//! Sound of the mouth as frames for a client: speech only, 20 ms each, and which utterance it is of. No clock, no thread.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

/// Samples per second on the way to a client.
pub const RATE: u32 = 48_000;
/// How long a frame is.
pub const FRAME: Duration = Duration::from_millis(20);
/// How large it is: S16LE, one channel.
pub const FRAME_BYTES: usize = 1_920;

/// 20 ms of speech on their way to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// S16LE, mono, 48 kHz: [`FRAME_BYTES`].
    pub pcm: Bytes,
    /// The utterance that it is of.
    pub utterance: Arc<str>,
    /// Where in that utterance its first sample lies.
    pub position: Duration,
    /// It is the last frame of the utterance.
    pub last: bool,
}

/// What the mouth's sound holds from some place on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passage {
    /// Speech of an utterance, from that place in it on.
    Speech(Arc<str>, Duration),
    /// The utterance is complete.
    End(Arc<str>),
    /// Silence inside an utterance.
    Silence,
}

/// Cuts what a mouth plays into frames.
#[derive(Debug, Default)]
pub struct Framer {
    /// Changes within the next buffer, by its bytes.
    changes: Vec<(usize, Passage)>,
    speaking: Option<Arc<str>>,
    /// Less than a frame of it.
    pcm: Vec<u8>,
    /// Where the first sample of `pcm` lies.
    position: Duration,
    /// Nothing of this utterance leaves any more.
    dropped: Option<Arc<str>>,
    /// The next silence is the end of the utterance, which was stopped.
    stopped: bool,
}

fn bytes_in(time: Duration) -> usize {
    let samples = time.as_nanos() * u128::from(RATE) / 1_000_000_000;
    usize::try_from(samples).unwrap_or(usize::MAX / 4) * 2
}

fn time_of(bytes: usize) -> Duration {
    Duration::from_nanos((bytes as u64 / 2) * 1_000_000_000 / u64::from(RATE))
}

impl Framer {
    /// A change inside the next buffer, so long after its start.
    pub fn passage(&mut self, offset: Duration, passage: Passage) {
        self.changes.push((bytes_in(offset), passage));
    }

    /// The utterance that leaves.
    pub fn speaking(&self) -> Option<&Arc<str>> {
        self.speaking.as_ref()
    }

    /// Drops what has not left of the utterance that leaves, and what still comes of it.
    pub fn clear(&mut self) -> Option<Arc<str>> {
        self.pcm.clear();
        self.stopped = false;
        let speaking = self.speaking.take();
        if speaking.is_some() {
            self.dropped.clone_from(&speaking);
        }
        speaking
    }

    /// The utterance that leaves is being stopped: what leaves before the next silence is the last of it.
    pub fn stop(&mut self) {
        self.stopped = self.speaking.is_some();
    }

    /// A buffer of the mouth; `give` gets each frame that is complete.
    pub fn sound(&mut self, sound: &[u8], mut give: impl FnMut(Frame)) {
        let mut at = 0;
        for (offset, passage) in std::mem::take(&mut self.changes) {
            let offset = offset.clamp(at, sound.len());
            self.speech(&sound[at..offset], &mut give);
            at = offset;
            match passage {
                Passage::Speech(id, position) => {
                    if self.dropped.as_ref() == Some(&id) {
                        continue;
                    }
                    // Where speech goes on elsewhere, what was there before is complete.
                    self.fill_up(false, &mut give);
                    self.dropped = None;
                    self.speaking = Some(id);
                    self.position = position;
                }
                Passage::End(id) => {
                    if self.dropped.as_ref() == Some(&id) {
                        self.speaking = None;
                        continue;
                    }
                    self.stopped = false;
                    self.speaking = Some(id);
                    self.fill_up(true, &mut give);
                    self.speaking = None;
                }
                Passage::Silence => {
                    let last = std::mem::take(&mut self.stopped) && self.speaking.is_some();
                    self.fill_up(last, &mut give);
                    self.speaking = None;
                }
            }
        }
        self.speech(&sound[at..], &mut give);
    }

    fn speech(&mut self, mut sound: &[u8], give: &mut impl FnMut(Frame)) {
        if self.speaking.is_none() {
            return;
        }
        while !sound.is_empty() {
            let taken = (FRAME_BYTES - self.pcm.len()).min(sound.len());
            self.pcm.extend_from_slice(&sound[..taken]);
            sound = &sound[taken..];
            if self.pcm.len() == FRAME_BYTES {
                self.give(false, give);
            }
        }
    }

    /// A frame that is not full is filled up with silence; the last one may be nothing else.
    fn fill_up(&mut self, last: bool, give: &mut impl FnMut(Frame)) {
        if self.pcm.is_empty() && !last {
            return;
        }
        self.pcm.resize(FRAME_BYTES, 0);
        self.give(last, give);
    }

    fn give(&mut self, last: bool, give: &mut impl FnMut(Frame)) {
        let Some(utterance) = self.speaking.clone() else {
            self.pcm.clear();
            return;
        };
        let position = self.position;
        self.position += time_of(self.pcm.len());
        give(Frame {
            pcm: Bytes::copy_from_slice(&self.pcm),
            utterance,
            position,
            last,
        });
        self.pcm.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// Ten milliseconds of that sample.
    fn sound(sample: u8) -> Vec<u8> {
        vec![sample; FRAME_BYTES / 2]
    }

    #[derive(Default)]
    struct Taken(Vec<(String, u64, bool, u8, u8)>);

    impl Taken {
        fn of(&mut self, framer: &mut Framer, sample: u8) {
            framer.sound(&sound(sample), |frame| {
                assert_eq!(frame.pcm.len(), FRAME_BYTES);
                self.0.push((
                    frame.utterance.to_string(),
                    frame.position.as_millis() as u64,
                    frame.last,
                    frame.pcm[0],
                    frame.pcm[FRAME_BYTES - 1],
                ));
            });
        }
    }

    fn speech(id: &str, at: u64) -> Passage {
        Passage::Speech(id.into(), ms(at))
    }

    #[test]
    fn only_speech_leaves_and_the_last_frame_says_so() {
        let (mut framer, mut taken) = (Framer::default(), Taken::default());
        taken.of(&mut framer, 1);
        framer.passage(ms(5), speech("a", 0));
        taken.of(&mut framer, 2);
        taken.of(&mut framer, 3);
        taken.of(&mut framer, 4);
        framer.passage(ms(0), Passage::End("a".into()));
        taken.of(&mut framer, 0);
        taken.of(&mut framer, 0);
        assert_eq!(
            taken.0,
            [("a".into(), 0, false, 2, 4), ("a".into(), 20, true, 4, 0),]
        );
        assert_eq!(framer.speaking(), None);
    }

    #[test]
    fn an_utterance_that_fills_its_frames_ends_with_a_silent_one() {
        let (mut framer, mut taken) = (Framer::default(), Taken::default());
        framer.passage(ms(0), speech("a", 0));
        taken.of(&mut framer, 1);
        taken.of(&mut framer, 2);
        framer.passage(ms(0), Passage::End("a".into()));
        framer.passage(ms(0), speech("b", 0));
        taken.of(&mut framer, 3);
        taken.of(&mut framer, 4);
        let expected = [
            ("a".into(), 0, false, 1, 2),
            ("a".into(), 20, true, 0, 0),
            ("b".into(), 0, false, 3, 4),
        ];
        assert_eq!(taken.0, expected);
    }

    #[test]
    fn a_pause_goes_on_where_it_is_told_to() {
        let (mut framer, mut taken) = (Framer::default(), Taken::default());
        framer.passage(ms(0), speech("a", 0));
        taken.of(&mut framer, 1);
        framer.passage(ms(4), Passage::Silence);
        taken.of(&mut framer, 2);
        taken.of(&mut framer, 0);
        framer.passage(ms(0), speech("a", 8));
        taken.of(&mut framer, 3);
        taken.of(&mut framer, 4);
        let expected = [("a".into(), 0, false, 1, 0), ("a".into(), 8, false, 3, 4)];
        assert_eq!(taken.0, expected);
    }

    #[test]
    fn what_is_stopped_fades_and_ends() {
        let (mut framer, mut taken) = (Framer::default(), Taken::default());
        framer.stop();
        framer.passage(ms(0), speech("a", 0));
        taken.of(&mut framer, 1);
        framer.stop();
        framer.passage(ms(4), Passage::Silence);
        taken.of(&mut framer, 2);
        assert_eq!(taken.0, [("a".into(), 0, true, 1, 0)]);
    }

    #[test]
    fn nothing_leaves_of_what_was_cleared() {
        let (mut framer, mut taken) = (Framer::default(), Taken::default());
        framer.passage(ms(0), speech("a", 0));
        taken.of(&mut framer, 1);
        assert_eq!(framer.clear().as_deref(), Some("a"));
        taken.of(&mut framer, 2);
        framer.passage(ms(0), Passage::End("a".into()));
        taken.of(&mut framer, 3);
        assert_eq!(taken.0, []);
        framer.passage(ms(0), speech("b", 0));
        taken.of(&mut framer, 4);
        taken.of(&mut framer, 5);
        assert_eq!(taken.0, [("b".into(), 0, false, 4, 5)]);
        assert_eq!(framer.clear().as_deref(), Some("b"));
        assert_eq!(framer.clear(), None);
    }
}
