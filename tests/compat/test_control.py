# SPDX-License-Identifier: MPL-2.0
"""PAUSE, RESUME, STOP and RELOAD, and whom they do not concern."""

import time
import unittest

from wire import FRAME_MS, Call, Client, eventually, spoken

TEXT = "alpha bravo charlie delta echo foxtrot."
# What ends a clause is known by what follows it.
OPEN = "alpha bravo charlie, delta echo foxtrot, "


class Control(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = Client()
        cls.whole = spoken(cls.client, cls.client.session(), TEXT)

    def setUp(self):
        self.session = self.client.session()

    def control(self, command, session=None):
        reply = self.client.Control(session_id=session or self.session, command=command)
        self.assertTrue(reply.success, reply.message)
        self.assertLess(abs(reply.timestamp_ms / 1000 - time.time()), 60)
        return reply

    def test_a_pause_loses_nothing_and_repeats_nothing(self):
        call = Call(self.client, self.session, TEXT)
        for count in 1, 12, 25:
            call.wait(count)
            self.control("PAUSE")
            self.control("PAUSE")
            time.sleep(0.25)
            self.control("RESUME")
            self.control("RESUME")
        self.assertEqual(call.end(), self.whole)
        numbers = [frame.sequence_number for frame in call.frames]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))

    def test_a_pause_is_no_head_start(self):
        call = Call(self.client, self.session, TEXT)
        call.wait(3)
        self.control("PAUSE")
        time.sleep(0.1)
        before, resumed = len(call.frames), time.monotonic()
        time.sleep(0.4)
        self.control("RESUME")
        call.end()
        # Between the pause and the end the clock ran for so long, the pause not counted.
        ran = (call.times[-1] - resumed - 0.4) * 1000
        self.assertLessEqual((len(call.frames) - before) * FRAME_MS - 60, ran + FRAME_MS)

    def test_after_the_reply_there_is_silence(self):
        """At most one frame. A busy machine may hand out late what came before; hence most of some trials."""
        for command in "PAUSE", "STOP":
            quiet = 0
            for _ in range(5):
                session = self.client.session()
                call = Call(self.client, session, TEXT)
                call.wait(4)
                self.control(command, session)
                sound = [frame for frame in call.frames if frame.audio_data]
                time.sleep(0.1)
                quiet += sum(bool(frame.audio_data) for frame in call.frames) <= len(sound) + 1
                self.client.EndSession(session_id=session)
                call.end()
            self.assertGreaterEqual(quiet, 3, command)

    def test_a_stop_ends_the_call_with_a_marker(self):
        call = Call(self.client, self.session, OPEN, final=False)
        call.wait(3)
        self.control("STOP")
        call.end()
        last = call.frames[-1]
        self.assertEqual((last.is_final, last.audio_data, last.sequence_number), (True, b"", len(call.frames)))
        self.assertLess(len(call.frames) * 1920, len(self.whole))

    def test_so_does_a_stop_before_the_first_frame(self):
        # Half a word: nothing to speak yet.
        call = Call(self.client, self.session, "alp", final=False)
        eventually(lambda: self.client.metric("queue_depth") >= 1, "the call does not begin")
        self.control("STOP")
        call.end()
        self.assertEqual([frame.is_final for frame in call.frames], [True])

    def test_there_is_life_after_a_stop(self):
        other = self.client.session()
        for _ in range(3):
            call = Call(self.client, self.session, TEXT)
            call.wait(2)
            self.control("STOP")
            call.end()
        self.assertEqual(spoken(self.client, self.session, TEXT), self.whole)
        self.assertEqual(spoken(self.client, other, TEXT), self.whole)
        self.assertEqual(spoken(self.client, self.client.session(), TEXT), self.whole)

    def test_a_stop_ends_a_paused_call(self):
        call = Call(self.client, self.session, TEXT)
        call.wait(3)
        self.control("PAUSE")
        self.control("STOP")
        call.end()
        self.assertTrue(call.frames[-1].is_final)
        # The pause was that call's.
        self.assertEqual(spoken(self.client, self.session, TEXT), self.whole)

    def test_commands_concern_one_session(self):
        others = [self.client.session() for _ in range(4)]
        calls = [Call(self.client, other, TEXT) for other in others]
        mine = Call(self.client, self.session, TEXT)
        mine.wait(3)
        for command in "PAUSE", "RESUME", "PAUSE", "STOP", "STOP":
            self.control(command)
        mine.end()
        for call in calls:
            self.assertEqual(call.end(), self.whole)

    def test_calls_of_one_session_run_side_by_side(self):
        """The orchestrator of old shares one session between all its callers."""
        texts = [TEXT, "golf.", "hotel india juliett.", "kilo lima mike november oscar."]
        apart = [spoken(self.client, self.client.session(), text) for text in texts]
        calls = [Call(self.client, self.session, text) for text in texts]
        for call, sound in zip(calls, apart):
            self.assertEqual(call.end(), sound)
            numbers = [frame.sequence_number for frame in call.frames]
            self.assertEqual(numbers, list(range(1, len(numbers) + 1)))

    def test_commands_with_nothing_to_command_are_taken(self):
        for command in "PAUSE", "RESUME", "STOP", "PAUSE":
            self.control(command)
        self.assertEqual(spoken(self.client, self.session, TEXT), self.whole)

    def test_an_unknown_session_is_told(self):
        for command in "PAUSE", "RESUME", "STOP", "RELOAD":
            reply = self.client.Control(session_id="nobody", command=command)
            self.assertFalse(reply.success)
            self.assertTrue(reply.message.startswith("Session nobody not found"), reply.message)
        self.assertFalse(self.client.Control(session_id="", command="STOP").success)

    def test_an_unknown_command_is_told(self):
        for session in self.session, "nobody":
            reply = self.client.Control(session_id=session, command=9)
            self.assertEqual((reply.success, reply.message), (False, "Unknown command: 9"))
        self.assertFalse(self.client.Control(session_id=self.session, command=-1).success)

    def test_reload_reads_the_voices_anew_and_goes_on(self):
        call = Call(self.client, self.session, TEXT)
        call.wait(2)
        self.control("RELOAD")
        self.assertEqual(call.end(), self.whole)
        self.assertEqual(spoken(self.client, self.session, TEXT), self.whole)

    def test_whoever_only_commands_does_not_own_the_session(self):
        """A supervisor that pauses, resumes and hangs up ends nobody's speech."""
        call = Call(self.client, self.session, TEXT)
        call.wait(2)
        supervisor = Client()
        for command in "PAUSE", "RESUME":
            self.assertTrue(supervisor.Control(session_id=self.session, command=command).success)
        supervisor.close()
        self.assertEqual(call.end(), self.whole)
        time.sleep(0.3)
        self.assertEqual(spoken(self.client, self.session, TEXT), self.whole)


if __name__ == "__main__":
    unittest.main()
