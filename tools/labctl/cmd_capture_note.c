// SPDX-License-Identifier: GPL-2.0-or-later

/* capture note: a comment on the next packet. capture save: what has just passed, of a lab whose
 * topology says "capture: {keep: 60s}". */

#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/text.h"
#include "labctl/capture_params.h"
#include "labctl/lab.h"
#include "labctl/labctl.h"
#include "labctl/output.h"

static int run_note(struct invocation *invocation, struct error *err)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_json_ json_t *result = NULL;
    json_t *params;
    int r;

    for (size_t i = 0; i < invocation->word_count; i++)
        strbuf_printf(&text, "%s%s", i ? " " : "", invocation->words[i]);
    params = json_pack("{s:s}", "text", text.data);
    if (!params)
        return error_input(err, "the note is not UTF-8 text");
    r = lab_invoke(invocation, "capture.note", params, &result, err);
    if (r == 0 && invocation->json)
        print_json(json_incref(result));
    return r;
}

static int run_save(struct invocation *invocation, struct error *err)
{
    const char *last_text = invocation_value(invocation, "last");
    _cleanup_json_ json_t *result = NULL;
    _cleanup_free_ char *shown = NULL;
    json_t *params = NULL;
    uint64_t last_ms;
    int r = capture_params(invocation, &params, err);

    if (r < 0)
        return r;
    r = capture_file_param(invocation_value(invocation, "write"), params, err);
    if (r == 0 && last_text) {
        r = capture_duration("last", last_text, &last_ms, err);
        if (r == 0)
            (void)json_object_set_new(params, "last_ms", json_integer((json_int_t)last_ms));
    }
    if (r < 0) {
        json_decref(params);
        return r;
    }
    r = lab_invoke(invocation, "capture.save", params, &result, err);
    if (r < 0)
        return r;
    if (invocation->json) {
        print_json(json_incref(result));
        return 0;
    }
    shown = text_escape(json_text(result, "file"), strlen(json_text(result, "file")));
    (void)printf("%" JSON_INTEGER_FORMAT " packets in %s\n",
                 json_integer_value(json_object_get(result, "packets")), shown);
    return 0;
}

const struct command cmd_capture_note = {
    .group = "capture",
    .name = "note",
    .arguments = "TEXT…",
    .summary = "Put a comment on the next packet of every capture",
    .details = "labctl capture note 'here the designated router fails'",
    .words_least = 1,
    .words_most = WORDS_ANY,
    .run = run_note,
};

static const struct option_spec save_options[] = {
    {"write", 'w', "FILE", "where it goes (default: the lab's kept folder)"},
    {"last", 0, "TIME", "only what passed in the last 30s, say (default: all that is kept)"},
    {"filter", 'f', "BPF", "only packets that match"},
    {"side", 0, "before|after", "of a link: frames as they were sent, or as they arrived"},
    {0},
};

const struct command cmd_capture_save = {
    .group = "capture",
    .name = "save",
    .arguments = "[WHERE…]",
    .summary = "Write down what has just passed",
    .details = "For labs whose topology says 'capture: {keep: 60s}'.",
    .options = save_options,
    .words_most = WORDS_ANY,
    .words = WORD_WHERE,
    .run = run_save,
};
