#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""A media server in miniature: text in, a caller's 8 kHz audio in, speech out, in one pipeline.

    ./embed.py caller.s16     # 8 kHz mono, 16 bit little-endian, somebody speaks in it
"""
import array
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
from gi.repository import GLib, Gst, GstApp  # noqa: E402, F401

PIECE = 8000 // 50 * 2  # bytes of 20 ms, as telephony has it


class App:
    def __init__(self, recording):
        self.recording = recording
        self.pieces = 0  # of 20 ms that the caller has sent
        self.audible = 0
        self.interrupted = False
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.parse_launch(
            "appsrc name=caller is-live=true format=time"
            "  caps=audio/x-raw,format=S16LE,layout=interleaved,rate=8000,channels=1"
            " ! vad name=ears ! fakesink async=false"
            " appsrc name=text format=time caps=text/x-raw,format=utf8"
            " ! ttssink name=mouth synthesizer=espeaktts interrupted-by=ears"
        )
        self.caller = self.pipeline.get_by_name("caller")
        self.text = self.pipeline.get_by_name("text")

        out = Gst.ElementFactory.make("appsink")
        out.props.caps = Gst.Caps.from_string("audio/x-raw,format=S16LE,rate=8000,channels=1")
        out.props.emit_signals = True
        out.connect("new-sample", self.on_sound)
        self.pipeline.get_by_name("mouth").set_property("audio-sink", out)
        self.pipeline.get_by_name("ears").connect("speech-onset", self.on_speech)

        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.on_error)
        bus.connect("message::element", self.on_message)

    # From the streaming thread of the ears: do little, block never.
    def on_speech(self, _ears, _now, onset, probability):
        print(f"speech-onset at {onset // Gst.MSECOND} ms, probability {probability:.2f}")

    # From the audio sink's streaming thread: what the caller is to hear, each 10 ms.
    def on_sound(self, sink):
        sample = sink.emit("pull-sample")
        buffer = sample.get_buffer()
        samples = array.array("h", buffer.extract_dup(0, buffer.get_size()))
        if any(abs(s) > 104 for s in samples):
            self.audible += 1
        return Gst.FlowReturn.OK

    # The application's own thread, about each 20 ms: what came from the network by now. Time
    # stamps count samples: what wakes up late would otherwise tear holes into the sound.
    def hear_caller(self):
        now = self.pipeline.get_current_running_time()
        while now != Gst.CLOCK_TIME_NONE and (self.pieces + 1) * 20 * Gst.MSECOND <= now:
            piece = b""
            if self.audible >= 300:  # the caller listens for three seconds first
                piece = self.recording.read(PIECE)
            buffer = Gst.Buffer.new_wrapped(piece.ljust(PIECE, b"\0"))
            buffer.pts = self.pieces * 20 * Gst.MSECOND
            buffer.duration = 20 * Gst.MSECOND
            self.caller.emit("push-buffer", buffer)
            self.pieces += 1
        return GLib.SOURCE_CONTINUE

    def on_error(self, _bus, message):
        print(message.parse_error()[0].message, file=sys.stderr)
        self.loop.quit()

    def on_message(self, _bus, message):
        s = message.get_structure()
        if s.get_name() == "ttssink/interrupted":
            print("heard:", s.get_string("heard-text"))
            print("unheard:", s.get_string("unheard-text"))
            self.interrupted = True
            self.loop.quit()

    def say(self, words):
        self.text.emit("push-buffer", Gst.Buffer.new_wrapped(words.encode()))

    def run(self):
        self.pipeline.set_state(Gst.State.PLAYING)
        # Text as a language model writes it: any pieces, any time.
        self.say("Welcome to the line. I will now re")
        self.say("ad to you a rather long list of opening hours, which nobody ever wants to hear, ")
        self.say("and I will go on until somebody stops me, and on, and on, and on and on and on.")
        GLib.timeout_add(20, self.hear_caller)
        GLib.timeout_add_seconds(30, self.loop.quit)
        self.loop.run()
        self.pipeline.set_state(Gst.State.NULL)
        print("audible frames:", self.audible)
        return 0 if self.interrupted else 1


if __name__ == "__main__":
    Gst.init(None)
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} caller.s16")
    with open(sys.argv[1], "rb") as file:
        sys.exit(App(file).run())
