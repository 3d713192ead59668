/* SPDX-License-Identifier: MPL-2.0
 *
 * A media server in miniature: text in, a caller's 8 kHz audio in, speech out, in one pipeline.
 *
 *   gcc embed.c -o embed $(pkg-config --cflags --libs gstreamer-app-1.0)
 *   ./embed caller.s16     # 8 kHz mono, 16 bit little-endian, somebody speaks in it
 */
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RATE 8000
#define PIECE (RATE / 50 * 2) /* 20 ms, as telephony has it */

typedef struct {
  GMainLoop *loop;
  GstElement *pipeline, *mouth;
  GstAppSrc *caller;
  FILE *recording;
  guint64 pieces; /* of 20 ms that the caller has sent */
  gint audible, interrupted; /* atomic: set by streaming threads */
} App;

/* From the streaming thread of the ears: do little, block never. */
static void on_speech (GstElement *ears, guint64 now, guint64 onset, gdouble probability, gpointer user_data) {
  printf ("speech-onset at %" G_GUINT64_FORMAT " ms, probability %.2f\n", onset / GST_MSECOND, probability);
}

/* From the audio sink's streaming thread: what the caller is to hear, each 10 ms. */
static GstFlowReturn on_sound (GstAppSink *sink, gpointer user_data) {
  App *app = user_data;
  GstSample *sample = gst_app_sink_pull_sample (sink);
  GstMapInfo map;
  if (sample == NULL)
    return GST_FLOW_EOS;
  if (gst_buffer_map (gst_sample_get_buffer (sample), &map, GST_MAP_READ)) {
    const gint16 *samples = (const gint16 *) map.data;
    for (gsize n = 0; n < map.size / 2; n++)
      if (abs (samples[n]) > 104) {
        g_atomic_int_inc (&app->audible);
        break;
      }
    gst_buffer_unmap (gst_sample_get_buffer (sample), &map);
  }
  gst_sample_unref (sample);
  return GST_FLOW_OK;
}

/* The application's own thread, about each 20 ms: what came from the network by now. Time stamps
 * count samples: what wakes up late would otherwise tear holes into the sound. */
static gboolean hear_caller (gpointer user_data) {
  App *app = user_data;
  GstClockTime now = gst_element_get_current_running_time (app->pipeline);
  if (!GST_CLOCK_TIME_IS_VALID (now))
    return G_SOURCE_CONTINUE;
  for (; (app->pieces + 1) * 20 * GST_MSECOND <= now; app->pieces++) {
    guint8 *piece = g_malloc0 (PIECE);
    /* The caller listens for three seconds first. */
    if (g_atomic_int_get (&app->audible) >= 300 && fread (piece, 1, PIECE, app->recording) < PIECE)
      clearerr (app->recording);
    GstBuffer *buffer = gst_buffer_new_wrapped (piece, PIECE);
    GST_BUFFER_PTS (buffer) = app->pieces * 20 * GST_MSECOND;
    GST_BUFFER_DURATION (buffer) = 20 * GST_MSECOND;
    gst_app_src_push_buffer (app->caller, buffer);
  }
  return G_SOURCE_CONTINUE;
}

static gboolean on_message (GstBus *bus, GstMessage *message, gpointer user_data) {
  App *app = user_data;
  const GstStructure *s = gst_message_get_structure (message);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    GError *error = NULL;
    gst_message_parse_error (message, &error, NULL);
    fprintf (stderr, "%s\n", error->message);
    g_error_free (error);
    g_main_loop_quit (app->loop);
  } else if (s != NULL && gst_structure_has_name (s, "ttssink/interrupted")) {
    printf ("heard: %s\n", gst_structure_get_string (s, "heard-text"));
    printf ("unheard: %s\n", gst_structure_get_string (s, "unheard-text"));
    g_atomic_int_set (&app->interrupted, TRUE);
    g_main_loop_quit (app->loop);
  }
  return G_SOURCE_CONTINUE;
}

static gboolean on_timeout (gpointer user_data) {
  fprintf (stderr, "nobody interrupted within 30 s\n");
  g_main_loop_quit (user_data);
  return G_SOURCE_REMOVE;
}

static void say (GstAppSrc *text, const gchar *words) {
  gst_app_src_push_buffer (text, gst_buffer_new_wrapped (g_strdup (words), strlen (words)));
}

int main (int argc, char *argv[]) {
  App app = { 0 };
  gst_init (&argc, &argv);
  app.recording = argc > 1 ? fopen (argv[1], "rb") : NULL;
  if (app.recording == NULL) {
    fprintf (stderr, "usage: %s caller.s16\n", argv[0]);
    return 2;
  }

  GError *error = NULL;
  app.pipeline = gst_parse_launch (
      "appsrc name=caller is-live=true format=time "
      "  caps=audio/x-raw,format=S16LE,layout=interleaved,rate=8000,channels=1 "
      "! vad name=ears ! fakesink async=false "
      "appsrc name=text format=time caps=text/x-raw,format=utf8 "
      "! ttssink name=mouth synthesizer=espeaktts interrupted-by=ears", &error);
  if (app.pipeline == NULL) {
    fprintf (stderr, "%s\n", error->message);
    return 1;
  }
  app.mouth = gst_bin_get_by_name (GST_BIN (app.pipeline), "mouth");
  app.caller = GST_APP_SRC (gst_bin_get_by_name (GST_BIN (app.pipeline), "caller"));

  /* Any sink will do; the caller's codec wants 8 kHz. */
  GstElement *out = gst_element_factory_make ("appsink", NULL);
  GstCaps *caps = gst_caps_from_string ("audio/x-raw,format=S16LE,rate=8000,channels=1");
  GstAppSinkCallbacks callbacks = { .new_sample = on_sound };
  gst_app_sink_set_caps (GST_APP_SINK (out), caps);
  gst_app_sink_set_callbacks (GST_APP_SINK (out), &callbacks, &app, NULL);
  g_object_set (app.mouth, "audio-sink", out, NULL);
  gst_caps_unref (caps);

  GstElement *ears = gst_bin_get_by_name (GST_BIN (app.pipeline), "ears");
  g_signal_connect (ears, "speech-onset", G_CALLBACK (on_speech), &app);
  gst_object_unref (ears);

  app.loop = g_main_loop_new (NULL, FALSE);
  GstBus *bus = gst_element_get_bus (app.pipeline);
  guint watch = gst_bus_add_watch (bus, on_message, &app);
  gst_element_set_state (app.pipeline, GST_STATE_PLAYING);

  /* Text as a language model writes it: any pieces, any time. */
  GstAppSrc *text = GST_APP_SRC (gst_bin_get_by_name (GST_BIN (app.pipeline), "text"));
  say (text, "Welcome to the line. I will now re");
  say (text, "ad to you a rather long list of opening hours, which nobody ever wants to hear, ");
  say (text, "and I will go on until somebody stops me, and on, and on, and on and on and on.");
  gst_object_unref (text);

  guint feed = g_timeout_add (20, hear_caller, &app);
  guint timeout = g_timeout_add_seconds (30, on_timeout, app.loop);
  g_main_loop_run (app.loop);

  g_source_remove (feed);
  if (app.interrupted)
    g_source_remove (timeout);
  g_source_remove (watch);
  gst_element_set_state (app.pipeline, GST_STATE_NULL);
  printf ("audible frames: %d\n", app.audible);
  gst_object_unref (bus);
  gst_object_unref (app.caller);
  gst_object_unref (app.mouth);
  gst_object_unref (app.pipeline);
  g_main_loop_unref (app.loop);
  fclose (app.recording);
  return app.interrupted ? 0 : 1;
}
