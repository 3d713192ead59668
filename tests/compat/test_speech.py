# SPDX-License-Identifier: MPL-2.0
"""Text in, sound out."""

import time
import unittest

import grpc
from wire import FRAME_BYTES, FRAME_MS, LEAD_MS, RATE, Call, Client, M, spoken

# The tone engine: 60 ms for a word and 20 for each of its letters, 200 more behind a sentence.
TEXT = "alpha bravo charlie."
TEXT_MS = 3 * 60 + 20 * (5 + 5 + 7)


class Speech(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = Client()

    def setUp(self):
        self.session = self.client.session()

    def test_frames_are_as_they_always_were(self):
        call = Call(self.client, self.session, TEXT)
        sound = call.end()
        self.assertGreaterEqual(len(sound), TEXT_MS * RATE // 1000 * 2)
        for number, frame in enumerate(call.frames, 1):
            self.assertEqual(frame.session_id, self.session)
            self.assertEqual(len(frame.audio_data), FRAME_BYTES)
            self.assertEqual((frame.sample_rate, frame.frame_duration_ms), (RATE, FRAME_MS))
            self.assertEqual(frame.sequence_number, number)
            self.assertEqual(frame.is_final, number == len(call.frames), number)

    def test_the_next_call_counts_from_one_again(self):
        first, second = (Call(self.client, self.session, TEXT) for _ in range(2))
        self.assertEqual(first.end(), second.end())
        for call in first, second:
            self.assertEqual(call.frames[0].sequence_number, 1)

    def test_sound_comes_before_the_text_ends(self):
        call = Call(self.client, self.session, "alpha bravo charlie, ", final=False)
        call.wait(1)
        call.say("delta echo, ")
        call.wait(20)
        self.assertFalse(call.ended)
        call.say("foxtrot.", final=True)
        streamed = call.end()
        # Where text pauses so does the sound, but nothing is lost or changed by it.
        self.assertEqual(streamed, spoken(self.client, self.session, "alpha bravo charlie, delta echo, foxtrot."))

    def test_a_final_chunk_ends_the_text(self):
        call = Call(self.client, self.session, TEXT)
        # The client's side of the stream is still open.
        call.end()
        self.assertTrue(call.frames[-1].is_final)

    def test_so_does_a_half_close(self):
        call = Call(self.client, self.session, TEXT, final=False)
        call.half_close()
        self.assertEqual(call.end(), spoken(self.client, self.session, TEXT))
        self.assertTrue(call.frames[-1].is_final)

    def test_text_behind_the_final_chunk_is_not_spoken(self):
        call = Call(self.client, self.session, TEXT)
        call.say("delta.", final=True)
        self.assertEqual(call.end(), spoken(self.client, self.session, TEXT))

    def test_text_may_be_cut_anywhere(self):
        whole = spoken(self.client, self.session, TEXT)
        call = Call(self.client, self.session)
        for letter in TEXT:
            call.say(letter)
        call.say("", final=True)
        self.assertEqual(call.end(), whole)

    def test_only_the_first_chunk_needs_the_session(self):
        call = Call(self.client, self.session, "alpha ", final=False)
        call.session = ""
        call.say("bravo charlie.", final=True)
        self.assertEqual(call.end(), spoken(self.client, self.session, TEXT))

    def test_nobody_is_ahead_of_real_time_by_more_than_the_lead(self):
        call = Call(self.client, self.session, "alpha bravo charlie delta echo foxtrot golf hotel india.")
        call.end()
        self.assertGreater(len(call.frames), 60)
        for number, at in enumerate(call.times, 1):
            # The worker's clock began after this one.
            passed = (at - call.began) * 1000
            self.assertLessEqual(number * FRAME_MS - LEAD_MS, passed + 1, f"frame {number}")

    def test_the_first_frame_does_not_wait_for_a_long_text(self):
        call = Call(self.client, self.session, TEXT * 200, final=False)
        call.wait(10)
        # Minutes of sound are due: whoever collects them first has not come this far.
        self.assertLess(time.monotonic() - call.began, 15)
        call.stream.cancel()

    def test_without_any_text_there_is_no_sound(self):
        self.assertEqual(list(self.client.synthesize(iter([]), timeout=20)), [])

    def test_blank_text_is_an_empty_utterance(self):
        for model in "tone", "espeak":
            session = self.client.session(model)
            for text in "", " ", "\n\t \u00a0\u3000", "…":
                call = Call(self.client, session, text)
                call.end()
                self.assertTrue(call.frames[-1].is_final, repr(text))
                self.assertLess(len(call.frames), 50, repr(text))

    def test_odd_text_is_spoken_or_passed_over(self):
        odd = {
            "emoji": "Well 👩‍👩‍👧‍👦 done 🎉!",
            "right to left": "שלום עולם. مرحبا بالعالم",
            "NUL": "one\0two.",
            "control characters": "a\x01b\x07c\x1b[31md\x7f\x9f.",
            "marks alone": "e\u0301\u0301\u0301\u0301 \u202e \ufeff \ufffd",
            "no spaces": "你好世界。",
            "a noncharacter": "\uffff\U0010ffff",
            "markup": "<speak><break time='1s'/>&amp;&bogus;</speak",
        }
        for model in "tone", "espeak":
            session = self.client.session(model)
            calls = {name: Call(self.client, session, text) for name, text in odd.items()}
            for name, call in calls.items():
                with self.subTest(model=model, text=name):
                    call.end()
                    self.assertTrue(call.frames[-1].is_final)
            self.assertTrue(spoken(self.client, session, "still here."))

    def test_a_megabyte_of_text_is_taken_and_can_be_stopped(self):
        for model in "tone", "espeak":
            with self.subTest(model=model):
                session = self.client.session(model)
                call = Call(self.client, session, "alpha bravo charlie. " * 50_000)
                call.wait(5)
                self.assertTrue(self.client.Control(session_id=session, command="STOP").success)
                call.end()
                self.assertEqual(call.frames[-1].audio_data, b"")
                self.assertTrue(call.frames[-1].is_final)

    def test_more_than_a_message_may_have_is_refused(self):
        with self.assertRaises(grpc.RpcError) as refused:
            Call(self.client, self.session, "x" * 5_000_000).end()
        self.assertIn(
            refused.exception.code(), (grpc.StatusCode.OUT_OF_RANGE, grpc.StatusCode.RESOURCE_EXHAUSTED)
        )
        self.assertTrue(spoken(self.client, self.session, TEXT))

    def test_text_that_is_no_utf8_is_refused(self):
        # Field 1 is the session, field 2 two bytes that begin nothing.
        name = self.session.encode()
        bad = b"\x0a" + bytes([len(name)]) + name + b"\x12\x02\xff\xfe\x18\x01"
        raw = self.client.channel.stream_stream("/tts.TTSService/Synthesize", response_deserializer=M["AudioFrame"].FromString)
        with self.assertRaises(grpc.RpcError) as refused:
            list(raw(iter([bad]), timeout=20))
        self.assertIn(refused.exception.code(), (grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT))


if __name__ == "__main__":
    unittest.main()
