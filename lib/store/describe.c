/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a model file says of itself, for the registry.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "mi.h"

#define JSON_RULES (JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(15))

/* The text of a member, or of the first of two that is there; NULL where there is none. */
static char *dump_of(const json_t *root, const char *name, const char *other) {
    const json_t *value = json_object_get(root, name);
    value = value != NULL ? value : json_object_get(root, other);
    return value != NULL ? json_dumps(value, JSON_RULES | JSON_ENCODE_ANY) : NULL;
}

static char *string_of(const json_t *value) {
    const char *text = json_string_value(value);
    return text != NULL ? mi_text_copy(mi_text_of(text)) : NULL;
}

/* Parameters, or else what tells the model apart. */
static char *parameters_of(const json_t *root) {
    if (json_object_get(root, "parameters") != NULL) {
        return dump_of(root, "parameters", "parameters");
    }
    json_t *short_form = json_object();
    static const char *const names[] = {"kind", "columns"};
    for (size_t i = 0; i < 2 && short_form != NULL; i++) {
        json_t *value = json_object_get(root, names[i]);
        if (value != NULL) {
            json_object_set(short_form, names[i], value);
        }
    }
    char *text = short_form != NULL ? json_dumps(short_form, JSON_RULES) : NULL;
    json_decref(short_form);
    return text;
}

void mi_model_describe(struct mi_text file, struct mi_model_description *description) {
    *description = (struct mi_model_description){0};
    json_t *root = json_loadb(file.data, file.size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    if (json_is_object(root)) {
        description->tool = string_of(json_object_get(root, "tool"));
        description->metrics = dump_of(root, "metrics", "holdout");
        description->parameters = parameters_of(root);
        description->fingerprint =
            string_of(json_object_get(json_object_get(root, "training"), "fingerprint"));
    }
    json_decref(root);
}

void mi_model_description_clear(struct mi_model_description *description) {
    free(description->tool);
    free(description->metrics);
    free(description->parameters);
    free(description->fingerprint);
    *description = (struct mi_model_description){0};
}
