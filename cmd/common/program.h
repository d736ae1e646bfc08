/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What every tool shares: the option table (parsing, --help, completion), messages, exit status, and the loop
 * of a filter. A tool fills a struct program with its sub-commands and its main() is one call of
 * program_main().
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "mi.h"

enum option_kind {
    OPTION_FLAG,   /* bool: no argument */
    OPTION_TEXT,   /* const char * */
    OPTION_NUMBER, /* double within [low, high] */
    OPTION_COUNT,  /* unsigned long within [low, high] */
    OPTION_CHOICE, /* unsigned: place of the word within `choices` */
    OPTION_LIST    /* struct text_list: may be given several times */
};

struct text_list {
    const char **items;
    size_t count;
};

/* One option. The default is given as text and goes through the same parser as an argument would, so that it
 * stands once, here. */
struct option_spec {
    const char *name; /* long name, NULL ends a table */
    char letter;      /* short name or 0 */
    enum option_kind kind;
    void *target;          /* variable of the kind's type */
    double low, high;      /* range of a number; both 0: any */
    const char *choices;   /* words of a choice by '|' */
    const char *argument;  /* its name in the help: FILE, DATE, LIST; NULL for a flag */
    const char *help;      /* one line; a '\n' starts a further one */
    const char *otherwise; /* the default as text, NULL: none (flag false, text NULL, number NaN, count 0) */
};

/* A sub-command. */
struct command {
    const char *name;    /* one word, or two: "model add"; NULL ends the list */
    const char *purpose; /* one line */
    const char *input;   /* its operand in the usage: "[FILE]", or NULL where it reads no records */
    const char *operand; /* an operand that is no file of records: "MODEL", or NULL */
    const char
        *details; /* paragraphs of the help after the options: columns read and written, memory and passes */
    const char *example;               /* one command line */
    const struct option_spec *options; /* its own; those of options_common and options_stream are added */
    enum mi_status (*run)(struct mi_error *error);
};

struct program {
    const char *name;               /* mi-roi */
    const char *purpose;            /* one line */
    const struct command *commands; /* the first is the default */
};

/* Parses, runs, reports; returns the exit status: 0 done, 1 the answer is no, 2 trouble. */
int program_main(const struct program *program, int argc, char **argv);

/* The options that every tool has, already parsed when run() is called. */
struct common_options {
    bool quiet, verbose;
    unsigned long threads;
    const char *input; /* the operand, NULL: stdin */
    const char *output;
    unsigned input_format, output_format; /* enum mi_format */
    struct text_list maps;
    unsigned *map_use; /* per map, for mi_reader_options */
    bool keep;
    const char *columns;
    const char *rejects;
};
extern struct common_options common;

/* Says a line on stderr as "program: text", unless --quiet. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, only with --verbose. */
void detail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The notes to hand to the library: each line goes to note(). */
struct mi_notes common_notes(void);

/* Memory that is not there: fills *error, returns MI_NO_MEMORY. */
enum mi_status no_memory(struct mi_error *error);

/* How the input and joined tables are read by the common options. */
struct mi_reader_options common_reading(void);

/* Reader and writer of a filter, made of the common options. */
struct stream {
    struct mi_reader *reader;
    struct mi_writer *writer;
};

/* Opens the input (common.input) with the common options; whole: see mi_reader_options. */
enum mi_status stream_open(struct stream *stream, bool whole, struct mi_error *error);
/* Opens the output (common.output); passing: the reader's columns pass through. */
enum mi_status stream_output(struct stream *stream, bool passing, struct mi_error *error);
/* Ends both: well where status is MI_OK or MI_NO, else the unfinished record. Returns the final status. */
enum mi_status stream_close(struct stream *stream, enum mi_status status, struct mi_error *error);

/* Sets a cell to the text of another: what is written as a number stays one (in NDJSON), what is not stays a
 * text. */
void write_cell(struct mi_writer *writer, size_t slot, struct mi_text text);

/* Calls `row` for every row, takes rejected rows out, flushes with each batch. */
typedef enum mi_status row_function(void *context, struct stream *stream, const struct mi_batch *batch,
                                    size_t row, struct mi_error *error);
enum mi_status stream_each_row(struct stream *stream, row_function *row, void *context,
                               struct mi_error *error);

/* Reads a joined table whole with the common --map and returns its only batch; close with mi_reader_close().
 */
enum mi_status table_open(const char *path, struct mi_reader **reader, struct mi_batch **batch,
                          struct mi_error *error);

/* The same, of bytes that are there already: `name` is for messages, `content` lives until mi_reader_close().
 */
enum mi_status table_open_content(const char *name, struct mi_text content, struct mi_reader **reader,
                                  struct mi_batch **batch, struct mi_error *error);

#endif
