// SPDX-License-Identifier: GPL-2.0-or-later

/* image verify: are the files of images still what they were when they came in? */

#include <stdio.h>
#include <string.h>

#include "appliance/appliance.h"
#include "appliance/sums.h"
#include "base/alloc.h"
#include "base/text.h"
#include "labctl/lab.h"
#include "labctl/labctl.h"
#include "labctl/output.h"

/**
 * state_of() - One word for an image
 * @appliance:	Its definition
 * @files:	What was found of its files
 *
 * Return: "damaged", "incomplete", "unrecorded" or "ok"
 */
static const char *state_of(const struct appliance *appliance, const json_t *files)
{
    const json_t *file;
    bool unrecorded = false;
    size_t i;

    json_array_foreach (files, i, file) {
        const char *state = json_string_value(json_object_get(file, "state"));

        if (strcmp(state, "unrecorded") == 0)
            unrecorded = true;
        else if (strcmp(state, "ok") != 0)
            return "damaged";
    }
    return appliance_missing(appliance) ? "incomplete" : unrecorded ? "unrecorded" : "ok";
}

/**
 * verify_one() - Verify one image
 * @library:	Library
 * @name:	Its name
 * @err:	Error to fill
 *
 * Return: new document, or NULL with @err if there is no such image
 */
static json_t *verify_one(struct image_library *library, const char *name, struct error *err)
{
    _cleanup_error_ struct error fault = ERROR_INIT;
    const struct appliance *appliance = NULL;
    json_t *files = NULL;
    int r = image_library_get(library, name, &appliance, &fault);

    if (r == -ENOENT) {
        error_move(err, &fault);
        if (err)
            err->kind = ERROR_KIND_FAILED;
        return NULL;
    }
    if (r == 0)
        r = image_sums_verify(appliance->dir, &files, &fault);
    if (r < 0) {
        _cleanup_free_ char *why =
            text_escape(error_message(&fault), strlen(error_message(&fault)));

        return json_pack("{s:s, s:s, s:s, s:[]}", "name", name, "state", "broken", "error", why,
                         "files");
    }
    return json_pack("{s:s, s:s, s:o}", "name", name, "state", state_of(appliance, files), "files",
                     files);
}

/**
 * print_one() - What came of one image, for people
 * @image:	Its document
 */
static void print_one(json_t *image)
{
    json_t *file;
    size_t i;

    (void)printf("%s: %s", json_text(image, "name"), json_text(image, "state"));
    if (json_object_get(image, "error"))
        (void)printf(": %s", json_text(image, "error"));
    (void)printf("\n");
    json_array_foreach (json_object_get(image, "files"), i, file)
        if (strcmp(json_text(file, "state"), "ok") != 0) {
            _cleanup_free_ char *name =
                text_escape(json_text(file, "name"), strlen(json_text(file, "name")));

            (void)printf("  %s: %s\n", name, json_text(file, "state"));
        }
    (void)fflush(stdout);
}

/**
 * is_bad() - Whether an image's files cannot be relied on
 * @image:	Its document
 *
 * Return: true if so
 */
static bool is_bad(json_t *image)
{
    const char *state = json_text(image, "state");

    return strcmp(state, "damaged") == 0 || strcmp(state, "broken") == 0;
}

static int run_verify(struct invocation *invocation, struct error *err)
{
    _cleanup_image_library_ struct image_library *library = NULL;
    json_t *images = json_array();
    size_t bad = 0;
    int r = image_library_open(&library, err);
    const char *const *names = r == 0 ? image_library_names(library) : NULL;

    for (size_t i = 0;
         r == 0 && (invocation->word_count ? i < invocation->word_count : names[i] != NULL); i++) {
        json_t *image =
            verify_one(library, invocation->word_count ? invocation->words[i] : names[i], err);

        if (!image) {
            r = -ENOENT;
            break;
        }
        bad += is_bad(image);
        if (!invocation->json)
            print_one(image);
        (void)json_array_append_new(images, image);
    }
    if (r == 0 && invocation->json)
        print_json(json_pack("{s:O}", "images", images));
    json_decref(images);
    if (r == 0 && bad) {
        r = error_set(err, EBADMSG, "%zu image%s not what %s when made or imported", bad,
                      bad == 1 ? " is" : "s are", bad == 1 ? "it was" : "they were");
        error_hint(err, "make them anew: labctl image build --force IMAGE, labctl image import "
                        "--replace FILE");
    }
    return r;
}

const struct command cmd_image_verify = {
    .group = "image",
    .name = "verify",
    .arguments = "[IMAGE…]",
    .summary = "Hold the files of images against their checksums",
    .details = "Checksums are noted when an image is built or imported (MD5SUMS in its folder).",
    .words_least = 0,
    .words_most = WORDS_ANY,
    .words = WORD_IMAGE,
    .run = run_verify,
};
