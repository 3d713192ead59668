# SPDX-License-Identifier: MPL-2.0
"""Models, and what a worker says of itself. Alone at its worker: references are counted."""

import threading
import unittest

from wire import Call, Client, spoken

TEXT = "alpha bravo charlie delta."


class Models(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = Client()

    def model(self, name):
        models = {model.model_id: model for model in self.client.ListModels().models}
        return models[name]

    def references(self, name):
        return int(self.model(name).metadata["refcount"])

    def test_models_are_what_they_are(self):
        tone, espeak = self.model("tone"), self.model("espeak")
        self.assertEqual((tone.family, espeak.family), ("tone", "espeak"))
        self.assertTrue(tone.is_loaded)
        self.client.LoadModel(model_id="espeak", preload_only=True)
        espeak = self.model("espeak")
        self.assertTrue(espeak.is_loaded)
        self.assertTrue({"en", "fr", "de"} <= {tag.split("-")[0] for tag in espeak.languages})
        self.assertGreaterEqual(int(espeak.metadata["idle_seconds"]), 0)

    def test_sessions_hold_references_and_give_them_back(self):
        before = self.references("espeak")
        names = [self.client.session("espeak") for _ in range(3)]
        self.assertEqual(self.references("espeak"), before + 3)
        for name in names:
            self.assertTrue(self.client.StartSession(session_id=name, model_id="espeak").success)
        self.assertEqual(self.references("espeak"), before + 3)
        for name in names * 2:
            self.client.EndSession(session_id=name)
        self.assertEqual(self.references("espeak"), before)

    def test_a_load_is_taken_back_once(self):
        before = self.references("espeak")
        for _ in range(2):
            reply = self.client.LoadModel(model_id="espeak")
            self.assertEqual((reply.success, reply.message), (True, "Model loaded"))
            self.assertGreaterEqual(reply.load_duration_ms, 0)
        self.assertTrue(self.client.LoadModel(model_id="espeak", preload_only=True).success)
        self.assertEqual(self.references("espeak"), before + 2)
        for _ in range(2):
            reply = self.client.UnloadModel(model_id="espeak")
            self.assertTrue(reply.success)
            self.assertEqual(reply.message, "Model unload initiated (will unload when idle)")
        for _ in range(3):
            self.assertFalse(self.client.UnloadModel(model_id="espeak").success)
        self.assertEqual(self.references("espeak"), before)

    def test_an_unload_takes_no_session_its_model(self):
        name = self.client.session()
        call = Call(self.client, name, TEXT)
        call.wait(2)
        before = self.references("tone")
        for _ in range(3):
            reply = self.client.UnloadModel(model_id="tone")
            self.assertFalse(reply.success)
            self.assertIn("sessions", reply.message)
        self.assertEqual(self.references("tone"), before)
        self.assertEqual(call.end(), spoken(self.client, name, TEXT))
        self.client.EndSession(session_id=name)

    def test_many_loads_at_once_are_one(self):
        before = self.references("espeak")
        replies = []
        load = lambda: replies.append(Client().LoadModel(model_id="espeak"))
        threads = [threading.Thread(target=load) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertTrue(all(reply.success for reply in replies))
        self.assertEqual(self.references("espeak"), before + 8)
        resident = list(self.client.GetCapabilities().resident_models)
        self.assertEqual(resident.count("espeak"), 1)
        for _ in range(8):
            self.assertTrue(self.client.UnloadModel(model_id="espeak").success)

    def test_a_bad_model_is_told(self):
        reply = self.client.LoadModel(model_id="piper-nowhere")
        self.assertFalse(reply.success)
        self.assertTrue(reply.message.startswith("Failed to load model: "), reply.message)
        self.assertIn("piper-nowhere", reply.message)
        reply = self.client.UnloadModel(model_id="piper-nowhere")
        self.assertFalse(reply.success)
        self.assertIn("piper-nowhere", reply.message)

    def test_capabilities_are_measured(self):
        reply = self.client.GetCapabilities()
        able = reply.capabilities
        self.assertTrue(able.streaming and able.cpu_ok)
        self.assertFalse(able.zero_shot or able.lora or able.emotive_zero_prompt)
        self.assertGreater(able.max_concurrent_sessions, 0)
        self.assertIn("tone", reply.resident_models)
        self.assertTrue(able.languages)
        before = dict(reply.metrics)
        calls = [Call(self.client, self.client.session(), "alpha bravo charlie, ", final=False) for _ in range(3)]
        for call in calls:
            call.wait(1)
        during = dict(self.client.GetCapabilities().metrics)
        self.assertEqual(during["queue_depth"], before["queue_depth"] + 3)
        self.assertEqual(during["sessions"], before["sessions"] + 3)
        for call in calls:
            call.say("", final=True)
            call.end()
        after = dict(self.client.GetCapabilities().metrics)
        self.assertEqual(after["queue_depth"], before["queue_depth"])
        self.assertEqual(after["utterances_total"], before["utterances_total"] + 3)
        frames = sum(sum(bool(frame.audio_data) for frame in call.frames) for call in calls)
        self.assertEqual(after["frames_total"], before["frames_total"] + frames)
        # The tone engine costs little, and something.
        self.assertTrue(0 < after["rtf"] < 1, after["rtf"])
        self.assertTrue(0 < after["first_audio_p50_ms"] <= after["first_audio_p95_ms"])


if __name__ == "__main__":
    unittest.main()
