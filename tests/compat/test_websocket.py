# SPDX-License-Identifier: MPL-2.0
"""The predecessor's WebSocket protocol, message by message, with the library that its clients used."""

import asyncio
import base64
import json
import os
import unittest

import websockets

URL = os.environ["SERVER"]
SHORT = "One two three."
LONG = "This sentence goes on for a while, and when it has gone on for long enough it still does not end. " * 3


class Protocol(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.socket = await websockets.connect(URL)
        start = await self.message()
        self.assertEqual(list(start), ["type", "session_id"])
        self.assertEqual(start["type"], "session_start")
        self.assertRegex(start["session_id"], r"^ws-[0-9a-f]{12}$")
        self.session = start["session_id"]

    async def asyncTearDown(self):
        await self.socket.close()

    async def send(self, **message):
        await self.socket.send(json.dumps(message))

    async def message(self, timeout=20.0):
        text = await asyncio.wait_for(self.socket.recv(), timeout)
        self.assertIsInstance(text, str, "only text frames are sent")
        return json.loads(text)

    async def nothing(self, time=0.4):
        with self.assertRaises(asyncio.TimeoutError):
            print(await self.message(time))

    async def utterance(self):
        """All frames up to silence, which is all that an old client knows of an end."""
        frames = []
        while True:
            try:
                message = await self.message(0.6 if frames else 20.0)
            except asyncio.TimeoutError:
                return frames
            self.assertEqual(message["type"], "audio")
            self.assertEqual((message["sample_rate"], message["frame_ms"]), (48000, 20))
            self.assertEqual(len(message["pcm"]), 2560)
            self.assertEqual(len(base64.b64decode(message["pcm"], validate=True)), 1920)
            frames.append(message)

    async def test_a_text_is_spoken(self):
        await self.send(type="text", text=SHORT, is_final=True)
        frames = await self.utterance()
        self.assertGreater(len(frames), 30)
        self.assertEqual([f["sequence"] for f in frames], list(range(1, len(frames) + 1)))
        self.assertEqual([f["is_final"] for f in frames], [False] * (len(frames) - 1) + [True])

    async def test_numbers_go_on(self):
        await self.send(type="text", text=SHORT)
        first = await self.utterance()
        await self.send(type="text", text=SHORT)
        second = await self.utterance()
        self.assertEqual(second[0]["sequence"], len(first) + 1)

    async def test_texts_sent_together_are_spoken_in_turn(self):
        for _ in range(3):
            await self.send(type="text", text=SHORT)
        frames = await self.utterance()
        self.assertEqual(sum(f["is_final"] for f in frames), 3)
        self.assertEqual(len({f["utterance_id"] for f in frames}), 3)

    async def test_is_final_may_be_anything_like_a_boolean(self):
        for value in (True, False, "true", "false", 1, 0, "yes", "off"):
            await self.send(type="text", text=" ", is_final=value)
        await self.nothing()
        await self.send(type="text", text=SHORT, is_final="maybe")
        self.assertEqual((await self.message())["type"], "error")

    async def test_errors_do_not_end_a_session(self):
        for raw, begins in (
            ("{", "Invalid JSON: "),
            ("", "Invalid JSON: "),
            ("[]", "Message processing error: "),
            ('"text"', "Message processing error: "),
            ('{"type": "text"}', "Message processing error: "),
            ('{"type": "text", "text": ""}', "Message processing error: "),
            ('{"type": "text", "text": 5}', "Message processing error: "),
            ('{"type": "control", "command": "pause"}', "Message processing error: "),
            ('{"type": "control", "command": "RELOAD"}', "Message processing error: "),
        ):
            await self.socket.send(raw)
            error = await self.message()
            self.assertEqual(sorted(error), ["code", "message", "type"])
            self.assertEqual((error["type"], error["code"]), ("error", "INVALID_MESSAGE"))
            self.assertTrue(error["message"].startswith(begins), (raw, error))
        await self.send(type="text", text=SHORT)
        self.assertGreater(len(await self.utterance()), 30)

    async def test_what_is_unknown_or_blank_is_ignored(self):
        await self.send(type="unknown", x=1)
        await self.send(text="no type")
        await self.send(type="text", text=" \n\t ")
        await self.nothing()

    async def test_control_acts_while_speaking(self):
        await self.send(type="text", text=LONG)
        for _ in range(10):
            await self.message()
        await self.send(type="control", command="PAUSE")
        paused = await self.utterance()
        self.assertLessEqual(len(paused), 10)
        await self.send(type="control", command="RESUME")
        for _ in range(10):
            self.assertEqual((await self.message())["type"], "audio")
        await self.send(type="control", command="STOP")
        stopped = await self.utterance()
        self.assertLessEqual(len(stopped), 10)
        self.assertTrue(stopped[-1]["is_final"])
        await self.send(type="text", text=SHORT)
        self.assertGreater(len(await self.utterance()), 30)

    async def test_the_library_keeps_the_connection_alive(self):
        pong = await self.socket.ping()
        await asyncio.wait_for(pong, 5)

    async def test_a_message_that_is_too_long_closes_with_1009(self):
        await self.socket.send(" " * (1024 * 1024 + 1))
        with self.assertRaises(websockets.ConnectionClosed) as closed:
            while True:
                await self.message()
        self.assertEqual(closed.exception.rcvd.code, 1009)

    async def test_a_path_and_an_origin_of_its_own_do_no_harm(self):
        async with websockets.connect(URL + "/some/path?and=query") as other:
            self.assertIn("session_start", await other.recv())


if __name__ == "__main__":
    unittest.main()
