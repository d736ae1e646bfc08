/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From an option table to parsed options, by getopt_long.
 */
#include "common/options.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct common_options common;
struct asked asked;

#define FORMATS "auto|csv|tsv|ndjson" /* in the order of enum mi_format */

/* Of commands that read a stream. */
static const struct option_spec stream_table[] = {
    {.name = "input-format",
     .letter = 'I',
     .kind = OPTION_CHOICE,
     .target = &common.input_format,
     .choices = FORMATS,
     .argument = "FORMAT",
     .help = "of the input: csv, tsv or ndjson; auto looks at its first line",
     .otherwise = "auto"},
    {.name = "map",
     .kind = OPTION_LIST,
     .target = &common.maps,
     .argument = "NEW=OLD",
     .help = "read column OLD where the tool asks for NEW; may be given several times"},
    {.name = "keep",
     .kind = OPTION_FLAG,
     .target = &common.keep,
     .help = "rename a column that would be replaced to NAME_in"},
    {.name = "columns",
     .kind = OPTION_TEXT,
     .target = &common.columns,
     .argument = "LIST",
     .help = "from NDJSON to CSV or TSV: the header (else the keys of the first batch)"},
    {.name = "rejects",
     .kind = OPTION_TEXT,
     .target = &common.rejects,
     .argument = "FILE",
     .help = "put bad records there, with line and reason, and go on"},
    {.name = NULL},
};

/* Of every command. */
static const struct option_spec common_table[] = {
    {.name = "output",
     .letter = 'o',
     .kind = OPTION_TEXT,
     .target = &common.output,
     .argument = "FILE",
     .help = "write there, whole or not at all (else standard output)"},
    {.name = "output-format",
     .letter = 'O',
     .kind = OPTION_CHOICE,
     .target = &common.output_format,
     .choices = FORMATS,
     .argument = "FORMAT",
     .help = "of the output: csv, tsv or ndjson; auto is the input's",
     .otherwise = "auto"},
    {.name = "threads",
     .letter = 'j',
     .kind = OPTION_COUNT,
     .target = &common.threads,
     .low = 1,
     .high = 1024,
     .argument = "N",
     .help = "threads, where the tool can use them; the output is the same",
     .otherwise = "1"},
    {.name = "quiet",
     .letter = 'q',
     .kind = OPTION_FLAG,
     .target = &common.quiet,
     .help = "say nothing on standard error but what is wrong"},
    {.name = "verbose",
     .letter = 'v',
     .kind = OPTION_FLAG,
     .target = &common.verbose,
     .help = "say more on standard error"},
    {.name = "help", .letter = 'h', .kind = OPTION_FLAG, .target = &asked.help, .help = "show this help"},
    {.name = "version",
     .letter = 'V',
     .kind = OPTION_FLAG,
     .target = &asked.version,
     .help = "show the version"},
    {.name = "completion",
     .kind = OPTION_TEXT,
     .target = &asked.completion,
     .argument = "SHELL",
     .help = "write a completion script for bash"},
    {.name = NULL},
};

static void each_of(const struct option_spec *table, bool own, option_visitor *visit, void *context) {
    for (; table && table->name; table++)
        visit(context, table, own);
}

void options_each(const struct command *command, option_visitor *visit, void *context) {
    each_of(command->options, true, visit, context);
    if (command->input)
        each_of(stream_table, false, visit, context);
    each_of(common_table, false, visit, context);
}

/* ---- values ---- */

static enum mi_status bad_value(const struct option_spec *option, const char *text, const char *what,
                                struct mi_error *error) {
    return mi_error_set(error, MI_BAD_ARGUMENT, "option --%s: %s: \"%s\"", option->name, what, text);
}

static enum mi_status set_number(const struct option_spec *option, const char *text, struct mi_error *error) {
    double value;
    if (!mi_number_parse(mi_text_of(text), &value))
        return bad_value(option, text, "not a number", error);
    if (option->kind == OPTION_COUNT && value != floor(value))
        return bad_value(option, text, "not a whole number", error);
    bool ranged = option->low != 0 || option->high != 0;
    if (ranged && !(value >= option->low && value <= option->high)) {
        char what[96];
        snprintf(what, sizeof what, "out of range (%.15g to %.15g)", option->low, option->high);
        return bad_value(option, text, what, error);
    }
    if (option->kind == OPTION_COUNT)
        *(unsigned long *)option->target = (unsigned long)value;
    else
        *(double *)option->target = value;
    return MI_OK;
}

static enum mi_status set_choice(const struct option_spec *option, const char *text, struct mi_error *error) {
    unsigned place = 0;
    for (const char *word = option->choices;; word++, place++) {
        size_t size = strcspn(word, "|");
        if (strlen(text) == size && memcmp(text, word, size) == 0) {
            *(unsigned *)option->target = place;
            return MI_OK;
        }
        word += size;
        if (!*word)
            break;
    }
    char what[160];
    snprintf(what, sizeof what, "none of %s", option->choices);
    return bad_value(option, text, what, error);
}

static enum mi_status add_item(const struct option_spec *option, const char *text, struct mi_error *error) {
    struct text_list *list = option->target;
    const char **items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (!items)
        return no_memory(error);
    list->items = items;
    list->items[list->count++] = text;
    return MI_OK;
}

static enum mi_status set_option(const struct option_spec *option, const char *text, struct mi_error *error) {
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)option->target = true;
        return MI_OK;
    case OPTION_TEXT:
        *(const char **)option->target = text;
        return MI_OK;
    case OPTION_NUMBER:
    case OPTION_COUNT:
        return set_number(option, text, error);
    case OPTION_CHOICE:
        return set_choice(option, text, error);
    case OPTION_LIST:
        return add_item(option, text, error);
    }
    return MI_OK;
}

/* ---- parsing ---- */

#define OPTIONS_MOST 80
#define FIRST_LONG   256

struct parsing {
    const struct option_spec *options[OPTIONS_MOST];
    struct option longs[OPTIONS_MOST + 1];
    char shorts[2 * OPTIONS_MOST + 2];
    size_t count;
    enum mi_status status;
    struct mi_error *error;
};

static void collect(void *context, const struct option_spec *option, bool own) {
    (void)own;
    struct parsing *p = context;
    if (p->status || p->count == OPTIONS_MOST)
        return;
    int argument = option->kind == OPTION_FLAG ? no_argument : required_argument;
    p->options[p->count] = option;
    p->longs[p->count] =
        (struct option){.name = option->name, .has_arg = argument, .val = FIRST_LONG + (int)p->count};
    p->count++;
    if (option->letter) {
        size_t used = strlen(p->shorts);
        p->shorts[used++] = option->letter;
        if (argument == required_argument)
            p->shorts[used++] = ':';
        p->shorts[used] = '\0';
    }
    if (option->kind == OPTION_NUMBER)
        *(double *)option->target = NAN;
    if (option->otherwise)
        p->status = set_option(option, option->otherwise, p->error);
}

static const struct option_spec *found(const struct parsing *p, int code) {
    if (code >= FIRST_LONG)
        return p->options[code - FIRST_LONG];
    for (size_t i = 0; i < p->count; i++)
        if (p->options[i]->letter == code)
            return p->options[i];
    return NULL;
}

/* What getopt_long() did not like: code '?' or ':'. */
static enum mi_status refuse(const struct parsing *p, int code, char **argv, struct mi_error *error) {
    const char *word = argv[optind - 1];
    const struct option_spec *option = found(p, optopt);
    if (code == ':')
        return mi_error_set(error, MI_BAD_ARGUMENT, "option --%s needs an argument (%s)",
                            option ? option->name : word, option ? option->argument : "");
    if (option && option->kind == OPTION_FLAG)
        return mi_error_set(error, MI_BAD_ARGUMENT, "option --%s takes no argument", option->name);
    if (optopt)
        return mi_error_set(error, MI_BAD_ARGUMENT, "unknown option '-%c'", optopt);
    for (size_t i = 0; i < p->count; i++)
        if (strncmp(word, "--", 2) == 0 &&
            strncmp(p->options[i]->name, word + 2, strcspn(word + 2, "=")) == 0)
            return mi_error_set(error, MI_BAD_ARGUMENT, "option '%s' could be several", word);
    return mi_error_set(error, MI_BAD_ARGUMENT, "unknown option '%s'", word);
}

static enum mi_status take_operand(const struct command *command, int argc, char **argv,
                                   struct mi_error *error) {
    if (optind < argc && !command->input && !command->operand)
        return mi_error_set(error, MI_BAD_ARGUMENT, "takes no file: \"%s\"", argv[optind]);
    if (optind + 1 < argc)
        return mi_error_set(error, MI_BAD_ARGUMENT, "one %s at most: \"%s\"",
                            command->input ? "file" : command->operand, argv[optind + 1]);
    common.input = optind < argc ? argv[optind] : NULL;
    return MI_OK;
}

enum mi_status options_parse(const struct command *command, int argc, char **argv, bool *try_help,
                             struct mi_error *error) {
    static struct parsing p; /* the option texts point to argv and to literals, not in here */
    int code;
    p.shorts[0] = ':';
    p.error = error;
    *try_help = false;
    options_each(command, collect, &p);
    opterr = 0;
    optind = 1;
    while (!p.status && (code = getopt_long(argc, argv, p.shorts, p.longs, NULL)) != -1) {
        if (code == '?' || code == ':') {
            *try_help = true;
            return refuse(&p, code, argv, error);
        }
        const struct option_spec *option = found(&p, code);
        p.status = set_option(option, optarg, error);
    }
    if (p.status || asked.help || asked.version || asked.completion)
        return p.status;
    *try_help = true;
    return take_operand(command, argc, argv, error);
}
