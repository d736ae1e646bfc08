/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi.h - the public header of libmi, the library behind the mi tools.
 *
 * Rules that hold for every function and are not said again below:
 *
 * Memory.   What mi_x_open(), mi_x_new(), mi_x_parse() or mi_x_fit() hands out belongs to the caller, who
 *           gives it back with mi_x_close() or mi_x_free(); both accept NULL. A struct mi_text and every
 *           `const char *` that a function returns is borrowed: it lives as long as the object it came from,
 *           or, for a batch, until the next mi_reader_next(). Arguments are copied where they must outlive
 *           the call.
 * Missing.  A missing number is NaN, a missing text has data == NULL, a missing date is MI_DATE_MISSING.
 *           Numbers that come out of the library are finite or missing, never infinite.
 * Errors.   A function that can fail returns enum mi_status and fills `error`, which may be NULL. On failure
 *           outputs are untouched unless said otherwise. Nothing prints, exits, or sets locale or signals.
 *           What a user should be told without the run failing goes to a struct mi_notes.
 * Threads.  Objects are not shared between threads unless said; there is no global mutable state but what
 *           mi_init() sets once.
 * Units.    Money is in one currency. Spend and budgets are per day. Dates are days since 1970-01-01 UTC.
 */
#ifndef MI_H
#define MI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MI_VERSION       "0.1.0"
#define MI_MONEY_LIMIT   1e15 /* money and counts beyond this are refused as impossible */
#define MI_DATE_MISSING  INT32_MIN
#define MI_INTERVAL      0.8 /* probability that an interval covers, unless an option says otherwise */
#define MI_NUMBER_LENGTH 32  /* bytes that hold any number's text and its NUL */

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#define MI_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define MI_PRINTF(text, first)
#endif

/* ---------------------------------------------------------------------------------------------------------
 * base: start, errors, notes
 * ------------------------------------------------------------------------------------------------------ */

enum mi_status {
    MI_OK = 0,
    MI_NO,         /* the answer is no: a limit broken, nothing feasible */
    MI_END,        /* no more input */
    MI_CLOSED,     /* the reader of our output went away: end quietly */
    MI_BAD_RECORD, /* one record is at fault, --rejects may take it */
    MI_BAD_INPUT,  /* the input as a whole is at fault */
    MI_BAD_ARGUMENT,
    MI_NUMERIC, /* a computation that did not converge or is not defined */
    MI_SYSTEM,  /* a file or the system refused */
    MI_NO_MEMORY
};

/* Where and what. file, line, column are empty, 0, empty where they do not apply. */
struct mi_error {
    enum mi_status code;
    uint64_t line; /* physical line in file, from 1 */
    char file[256];
    char column[128];
    char text[640];
};

/* Sets the text and the code, leaves the place alone; returns `code`. Bytes of the text that a terminal
 * could take for control sequences are shown escaped. error may be NULL. */
enum mi_status mi_error_set(struct mi_error *error, enum mi_status code, const char *format, ...)
    MI_PRINTF(3, 4);

/* Writes "file:line: column 'name': text" with the parts that are there into `out`, always NUL-terminated. */
void mi_error_format(const struct mi_error *error, char *out, size_t size);

/* Receives what the user should know without the run failing (a replaced column, a fallback). */
struct mi_notes {
    void (*say)(void *user, const char *text); /* NULL: not wanted */
    void *user;
};

/* Says one line to the notes; notes may be NULL. */
void mi_notes_say(const struct mi_notes *notes, const char *format, ...) MI_PRINTF(2, 3);

/* Sets process-wide state (GSL's error handler); call once before anything else. MI_BAD_ARGUMENT where
 * `version` (pass MI_VERSION) is not the library's own. */
enum mi_status mi_init(const char *version, struct mi_error *error);

/* The library's version, as MI_VERSION was when it was built. */
const char *mi_version(void);

/* Room for one more element of `size` bytes in an array that has `count` of them and room for *room: the
 * array, moved or not, and *room what it has room for now. NULL: no memory, and the array is as it was.
 * Starts with NULL and a *room of 0; to be freed by free(). */
void *mi_array_room(void *array, size_t count, size_t *room, size_t size);

/* A borrowed run of bytes, not NUL-terminated. data == NULL: missing. */
struct mi_text {
    const char *data;
    size_t size;
};

struct mi_text mi_text_of(const char *string);          /* of a C string; NULL gives missing */
bool mi_text_equal(struct mi_text a, struct mi_text b); /* same bytes; missing equals missing */
uint64_t mi_text_hash(struct mi_text text);             /* 64 bits, never 0; for tables of many texts */
char *mi_text_copy(struct mi_text text);                /* malloc'ed, NUL-terminated; NULL: no memory */

/* An ordered set of texts: each gets the number 0, 1, 2, ... in order of first appearance. Hash table;
 * copies its texts. */
struct mi_index;
enum mi_status mi_index_new(struct mi_index **index, struct mi_error *error);
void mi_index_free(struct mi_index *index);
/* Number of `text`, which is added if new; *added (may be NULL) says whether. Missing counts as "". */
enum mi_status mi_index_add(struct mi_index *index, struct mi_text text, size_t *number, bool *added,
                            struct mi_error *error);
/* Number of `text`, or SIZE_MAX. */
size_t mi_index_find(const struct mi_index *index, struct mi_text text);
size_t mi_index_size(const struct mi_index *index);
/* The text with this number, NUL-terminated. */
struct mi_text mi_index_text(const struct mi_index *index, size_t number);

/* ---------------------------------------------------------------------------------------------------------
 * num: numbers and dates as text, in the C locale whatever the process's locale is
 * ------------------------------------------------------------------------------------------------------ */

/* Reads a decimal number that fills `text` exactly: no spaces, no hexadecimal, no inf or nan. Correctly
 * rounded. false: not a number, or beyond the range of double. */
bool mi_number_parse(struct mi_text text, double *value);

/* Writes the shortest decimal that reads back to `value` (plain digits for 1e-6 <= |value| < 1e21, else with
 * exponent, as canonical JSON, RFC 8785) and a NUL; returns its length. A value that is not finite gives "".
 * out: MI_NUMBER_LENGTH. */
size_t mi_number_format(double value, char *out);

/* Reads an ISO 8601 calendar date, optionally followed by a time of day ("2026-11-24", "2026-11-24T07:00Z",
 * "2026-11-24 07:00:00"), as days since 1970-01-01. false: not such a date. */
bool mi_date_parse(struct mi_text text, int32_t *days);

/* Writes YYYY-MM-DD and a NUL; out: 11 bytes at least (years 0 to 9999). */
void mi_date_format(int32_t days, char *out);

/* 0 Monday ... 6 Sunday. */
int mi_date_weekday(int32_t days);

/* ---------------------------------------------------------------------------------------------------------
 * record: one reader, one writer; see mi-records(5)
 * ------------------------------------------------------------------------------------------------------ */

enum mi_format { MI_FORMAT_AUTO, MI_FORMAT_CSV, MI_FORMAT_TSV, MI_FORMAT_NDJSON };

struct mi_reader;
struct mi_batch; /* some thousand rows of a reader */
struct mi_writer;

#define MI_NO_COLUMN SIZE_MAX

/* What became of a map. */
enum mi_map_use {
    MI_MAP_ASKED = 1, /* NEW was asked for */
    MI_MAP_THERE = 2  /* and OLD was there */
};

struct mi_reader_options {
    enum mi_format format;
    const char *const *maps; /* "NEW=OLD": where a tool asks for NEW, OLD is read */
    size_t map_count;
    unsigned *map_use;      /* NULL, or per map: enum mi_map_use is or-ed to it as tools ask */
    const char *rejects;    /* file that takes bad records, or NULL: a bad record is an error */
    bool whole;             /* the first batch holds all rows and lives until mi_reader_close() */
    size_t buffer_size;     /* bytes asked of read() at once; 0: the default. Tests make it tiny */
    struct mi_text content; /* not missing: read instead of the file, whose path is only its name then; lives
                               until mi_reader_close() */
    struct mi_notes notes;
};

/* Opens `path` (NULL or "-": stdin) and reads its header (NDJSON: its first batch). options may be NULL.
 * Zero bytes of input: MI_BAD_INPUT. */
enum mi_status mi_reader_open(const char *path, const struct mi_reader_options *options,
                              struct mi_reader **reader, struct mi_error *error);
void mi_reader_close(struct mi_reader *reader);

/* Ends reading well: commits the rejects file and says how many rows it took. */
enum mi_status mi_reader_finish(struct mi_reader *reader, struct mi_error *error);

enum mi_format mi_reader_format(const struct mi_reader *reader);
const char *mi_reader_name(const struct mi_reader *reader); /* as messages name it: path, "-" for stdin */

/* Columns known so far, in order (NDJSON: the union of the keys seen). */
size_t mi_reader_column_count(const struct mi_reader *reader);
struct mi_text mi_reader_column_name(const struct mi_reader *reader, size_t column);

/* Whether a column is there under this name (after --map). */
bool mi_reader_has(const struct mi_reader *reader, const char *name);

/* Asks for a column by name (after --map) and gives its number for the functions below. A required column
 * that is not there is MI_BAD_INPUT; one that is not required gives MI_NO_COLUMN, which mi_batch_*() takes
 * and answers with missing. A name that stands twice in the header is refused here. */
enum mi_status mi_reader_column(struct mi_reader *reader, const char *name, bool required, size_t *column,
                                struct mi_error *error);

/* The next batch, or MI_END with a batch of no rows. It ends where read() returned short, so that a stream
 * does not stall. */
enum mi_status mi_reader_next(struct mi_reader *reader, struct mi_batch **batch, struct mi_error *error);

/* To be called with the error that a row caused: with --rejects and MI_BAD_RECORD the row goes to the file
 * and MI_OK comes back (skip the row); else error->code. */
enum mi_status mi_reader_reject(struct mi_reader *reader, const struct mi_batch *batch, size_t row,
                                struct mi_error *error);

size_t mi_batch_rows(const struct mi_batch *batch);
uint64_t mi_batch_line(const struct mi_batch *batch, size_t row); /* physical line where the row starts */

/* Decoded text of a cell; missing where empty, null or absent. NDJSON: numbers and nested values as written.
 */
enum mi_status mi_batch_text(const struct mi_batch *batch, size_t row, size_t column, struct mi_text *text,
                             struct mi_error *error);

/* What a number must be; or-ed together. */
enum mi_number_rule {
    MI_ANY = 0,
    MI_FILLED = 1,   /* missing is an error */
    MI_MONEY = 2,    /* 0 to MI_MONEY_LIMIT */
    MI_POSITIVE = 4, /* above 0 */
    MI_SIGNED = 8    /* with MI_MONEY: -MI_MONEY_LIMIT to MI_MONEY_LIMIT */
};

/* A cell as a number; NaN where missing. */
enum mi_status mi_batch_number(const struct mi_batch *batch, size_t row, size_t column, unsigned rules,
                               double *value, struct mi_error *error);

/* A cell as a date; MI_DATE_MISSING where missing, which is an error with MI_FILLED. */
enum mi_status mi_batch_date(const struct mi_batch *batch, size_t row, size_t column, unsigned rules,
                             int32_t *days, struct mi_error *error);

/* A cell as true/false, 1/0, yes/no in any case; `missing` where the column is not there. An empty cell in a
 * column that is there is an error. */
enum mi_status mi_batch_truth(const struct mi_batch *batch, size_t row, size_t column, bool missing,
                              bool *value, struct mi_error *error);

/* A cell's text, which may not be missing (ids). */
enum mi_status mi_batch_id(const struct mi_batch *batch, size_t row, size_t column, struct mi_text *text,
                           struct mi_error *error);

/* An MI_BAD_RECORD error about a cell: fills file, line and column. For checks that a tool adds. */
enum mi_status mi_batch_fault(const struct mi_batch *batch, size_t row, size_t column, struct mi_error *error,
                              const char *format, ...) MI_PRINTF(5, 6);

/* Numbers the rows by the text of a column; a text that comes twice is MI_BAD_INPUT that names it. For joins:
 * the number of a text is the row. */
enum mi_status mi_batch_index(const struct mi_batch *batch, size_t column, struct mi_index **index,
                              struct mi_error *error);

struct mi_writer_options {
    enum mi_format format; /* AUTO: the reader's, CSV where there is none */
    bool keep;             /* rename a column that would be replaced to NAME_in */
    const char
        *columns; /* NDJSON to CSV: the header of passed columns, by commas; NULL: keys of the first batch */
    struct mi_notes notes;
};

/* Opens the output: `path` (NULL or "-": stdout). A regular file appears whole at mi_writer_close() or not at
 * all. With a reader its columns pass through before the writer's own; with NULL only the writer's own are
 * written. options may be NULL. */
enum mi_status mi_writer_open(const char *path, struct mi_reader *reader,
                              const struct mi_writer_options *options, struct mi_writer **writer,
                              struct mi_error *error);

/* Declares a computed column, before the first row. A name that the reader has is replaced in place. */
enum mi_status mi_writer_column(struct mi_writer *writer, const char *name, size_t *slot,
                                struct mi_error *error);

/* Leaves a passed column out, before the first row. */
enum mi_status mi_writer_drop(struct mi_writer *writer, size_t column, struct mi_error *error);

/* The value of a computed column in the row being made; a slot that is not set is missing. */
void mi_writer_number(struct mi_writer *writer, size_t slot, double value);
void mi_writer_text(struct mi_writer *writer, size_t slot, struct mi_text value);
void mi_writer_date(struct mi_writer *writer, size_t slot, int32_t days);
/* A JSON text (object, array, true, null): nested in NDJSON, one quoted field in CSV. */
void mi_writer_json(struct mi_writer *writer, size_t slot, struct mi_text value);

/* Writes one row: the passed fields of (batch, row), then the computed ones, which are then unset. batch NULL
 * where the writer has no reader. */
enum mi_status mi_writer_row(struct mi_writer *writer, const struct mi_batch *batch, size_t row,
                             struct mi_error *error);

/* Hands what was written so far to the system. */
enum mi_status mi_writer_flush(struct mi_writer *writer, struct mi_error *error);

/* Ends well: header if no row came, all bytes out, the file fsync'ed and renamed. Frees the writer in any
 * case. */
enum mi_status mi_writer_close(struct mi_writer *writer, struct mi_error *error);

/* Ends badly: -o FILE does not appear; on stdout, once bytes went out, an unfinished record follows, which
 * every reader refuses. Frees the writer. */
void mi_writer_abort(struct mi_writer *writer);

/* A whole file at once, written beside, fsync'ed, renamed (summaries, models, plots). */
enum mi_status mi_file_write(const char *path, struct mi_text content, struct mi_error *error);

/* The whole of a file, NUL-terminated, malloc'ed. limit: MI_BAD_INPUT beyond that many bytes. */
enum mi_status mi_file_read(const char *path, size_t limit, char **content, size_t *size,
                            struct mi_error *error);

/* A fitted model is one JSON file, written by the tool that fitted it: format and its version, tool, kind,
 * what the kind needs, and a checksum over all values. Reading checks these; what is in it is read by the
 * function for its kind, as mi_ltv_model_of(). */
struct mi_model_file;
enum mi_status mi_model_file_read(const char *path, const char *tool, struct mi_model_file **file,
                                  struct mi_error *error);
/* The same from bytes; name: what messages call it. */
enum mi_status mi_model_file_parse(struct mi_text content, const char *name, const char *tool,
                                   struct mi_model_file **file, struct mi_error *error);
void mi_model_file_free(struct mi_model_file *file);
const char *mi_model_file_kind(const struct mi_model_file *file);

/* ---------------------------------------------------------------------------------------------------------
 * cost: spend to total costs, profit, ROI (SPEC 1.4)
 * ------------------------------------------------------------------------------------------------------ */

/* The defaults. */
#define MI_COST_ATTRIBUTION_PLATFORM   0.02
#define MI_COST_AGENCY                 0.15
#define MI_COST_INFRASTRUCTURE         0.01
#define MI_COST_TEAM                   0.02 /* one marketer at 10,000 a month for 500,000 of spend a month */
#define MI_COST_CREATIVE_LIFETIME_DAYS 30

/* Shares of spend, but for the last, which is days. */
struct mi_cost_rates {
    double attribution_platform;
    double agency; /* where the campaign has one */
    double infrastructure;
    double team;
    double creative_lifetime_days; /* where the campaign does not say */
};

struct mi_cost_rates mi_cost_rates_default(void);

/* Costs of one campaign. */
struct mi_campaign_costs {
    double rate;  /* total costs per unit of spend, the spend itself included: 1 and more */
    double fixed; /* a day, due at zero spend too */
};

struct mi_costs {
    double attribution_platform, agency, creative, infrastructure, team;
    double total; /* spend and all parts */
};

/* The parts at a spend; creative is `creative_cost` spread over `lifetime_days`. */
struct mi_costs mi_costs_at(const struct mi_cost_rates *rates, bool has_agency, double creative_cost,
                            double lifetime_days, double spend);
struct mi_campaign_costs mi_campaign_costs_of(const struct mi_cost_rates *rates, bool has_agency,
                                              double creative_cost, double lifetime_days);

/* ---------------------------------------------------------------------------------------------------------
 * cost: CAC, the fully loaded cost per new customer (lib/cost)
 * ------------------------------------------------------------------------------------------------------ */

/* New customers of a campaign's day have the mean costs * rate * ratio. The rate is the campaign's own up to
 * the day before, older days counting less, drawn towards the portfolio's (gamma-Poisson, empirical Bayes;
 * half life and prior by the deviance of the two weeks ahead); the ratio comes from boosted trees (Poisson)
 * on attributes, market columns and the calendar, left out where they do not help on later days. Intervals by
 * split conformal prediction on six blocks of days that come after those learnt from (Vovk and others
 * 2005). */
struct mi_cac_fit;
struct mi_cac_model;

struct mi_cac_options {
    const char *const *features; /* names of the columns that say something of a row */
    size_t feature_count;
    double level; /* of the interval, as MI_INTERVAL */
    uint64_t seed;
    unsigned long threads;
};

struct mi_cac_row {
    struct mi_text campaign_id;
    int32_t date;                 /* in fit: needed; in predict MI_DATE_MISSING is no known day */
    double costs;                 /* total, of the day */
    double customers;             /* new ones, not returning; not read in predict */
    const struct mi_text *values; /* one per feature */
};

enum mi_status mi_cac_fit_new(const struct mi_cac_options *options, struct mi_cac_fit **fit,
                              struct mi_error *error);
/* Adds a row, in any order. MI_BAD_RECORD: it has no date. */
enum mi_status mi_cac_fit_add(struct mi_cac_fit *fit, const struct mi_cac_row *row, struct mi_error *error);
/* Fits; the fit is then used up. Notes: what was left out. MI_BAD_INPUT: no costs, or no new customers. */
enum mi_status mi_cac_fit_run(struct mi_cac_fit *fit, const struct mi_notes *notes,
                              struct mi_cac_model **model, struct mi_error *error);
void mi_cac_fit_free(struct mi_cac_fit *fit);

enum mi_status mi_cac_model_write(const struct mi_cac_model *model, const char *path, struct mi_error *error);
enum mi_status mi_cac_model_of(const struct mi_model_file *file, struct mi_cac_model **model,
                               struct mi_error *error);
enum mi_status mi_cac_model_read(const char *path, struct mi_cac_model **model, struct mi_error *error);
void mi_cac_model_free(struct mi_cac_model *model);

size_t mi_cac_feature_count(const struct mi_cac_model *model);
const char *mi_cac_feature(const struct mi_cac_model *model, size_t number);

/* How well later days were predicted from earlier ones. WAPE of new customers, percent; NaN: not defined. */
struct mi_cac_holdout {
    double rows;
    double wape;           /* of the model */
    double wape_rate;      /* of each campaign's shrunk own rate alone */
    double wape_portfolio; /* of the portfolio's rate for all */
    double coverage;       /* share of rows within the interval */
};
struct mi_cac_holdout mi_cac_model_holdout(const struct mi_cac_model *model);

/* What moves the trees: mean size of each input's contribution to log CAC (SHAP), as shares of 1. */
size_t mi_cac_importance_count(const struct mi_cac_model *model);
const char *mi_cac_importance(const struct mi_cac_model *model, size_t number, double *share);

struct mi_cac_estimate {
    double cac; /* missing without costs */
    double low,
        high; /* interval of the day's own CAC; high is missing where no new customer at all is within it */
    double customers; /* expected new ones */
    bool known;       /* the model has seen this campaign */
};
/* For `count` rows an estimate each. */
enum mi_status mi_cac_predict(struct mi_cac_model *model, const struct mi_cac_row *rows, size_t count,
                              struct mi_cac_estimate *estimates, struct mi_error *error);

/* ---------------------------------------------------------------------------------------------------------
 * curve: spend per day to users per average weekday; see "A curve" in mi-records(5)
 * ------------------------------------------------------------------------------------------------------ */

enum mi_curve_family {
    MI_CURVE_HILL,     /* ceiling half shape */
    MI_CURVE_MM,       /* ceiling half */
    MI_CURVE_EXP,      /* ceiling half */
    MI_CURVE_GOMPERTZ, /* ceiling middle rate */
    MI_CURVE_LOGISTIC, /* ceiling middle rate */
    MI_CURVE_POWER,    /* scale exponent */
    MI_CURVE_LOG,      /* scale spread */
    MI_CURVE_POINTS,   /* spend:CPA pairs */
    MI_CURVE_MIX       /* weighted mean of curves */
};

struct mi_curve_point {
    double spend, cpa;
};

struct mi_curve {
    enum mi_curve_family family;
    double parameter[3]; /* in text order */
    size_t count;        /* points or parts */
    struct mi_curve_point *points;
    struct mi_curve *parts; /* of a mix */
    double *weights;        /* of a mix, as given; they are divided by their sum */
};

/* Reads a curve's text ("hill(ceiling=5321.4 half=18250 shape=1.31)"); MI_BAD_RECORD says what is wrong.
 * Parameters are above 0 and at most MI_MONEY_LIMIT (shape 100, exponent 10), the users of points may not
 * fall, a mix holds no mix. Free the insides with mi_curve_clear(). */
enum mi_status mi_curve_parse(struct mi_text text, struct mi_curve *curve, struct mi_error *error);
/* malloc'ed text, NUL-terminated; NULL: no memory.
 * What it wrote reads back to the same curve and the same text. */
char *mi_curve_format(const struct mi_curve *curve);
void mi_curve_clear(struct mi_curve *curve);
const char *mi_curve_family_name(enum mi_curve_family family);
bool mi_curve_family_parse(struct mi_text name, enum mi_curve_family *family);

/* Users a day at a spend a day: 0 at 0, increasing. */
double mi_curve_users(const struct mi_curve *curve, double spend);
/* d users / d spend: its inverse is the marginal CPA. points: the slope to the left of a knot, 0 beyond the
 * last. May be infinite at 0 (shapes below 1). */
double mi_curve_slope(const struct mi_curve *curve, double spend);
/* The most users there can be; NaN for families without a ceiling and points. */
double mi_curve_ceiling(const struct mi_curve *curve);
/* Share of the ceiling reached at a spend, 0 to 1; NaN where there is no ceiling. */
double mi_curve_saturation(const struct mi_curve *curve, double spend);
/* d slope / d spend above spend 0; 0 within the pieces of points. */
double mi_curve_second_derivative(const struct mi_curve *curve, double spend);
/* Number of parameters (of all parts, for a mix; 0 for points), and d users / d log(parameter) for each, in
 * text order: with `curve_cov` the variance of users by the delta method. */
size_t mi_curve_parameter_count(const struct mi_curve *curve);
void mi_curve_gradient(const struct mi_curve *curve, double spend, double *gradient);
/* How sure a curve is. curve_cov is the lower triangle of the covariance of its log parameters, in text
 * order, by spaces: so many numbers (0 for points, and for a mix of more than 12 parameters: no covariance).
 */
#define MI_CURVE_COVARIANCE_LIMIT 78
size_t mi_curve_covariance_size(const struct mi_curve *curve);
/* Reads them; MI_BAD_RECORD: too many, too few, no numbers, a variance below 0. */
enum mi_status mi_curve_covariance_parse(struct mi_text text, const struct mi_curve *curve,
                                         double triangle[MI_CURVE_COVARIANCE_LIMIT], struct mi_error *error);
/* Standard deviation of log users (log CPA has the same) and of the log slope (log marginal CPA) at a spend,
 * by the delta method; NaN without users or covariance. */
double mi_curve_log_users_sd(const struct mi_curve *curve, const double *triangle, double spend);
double mi_curve_log_slope_sd(const struct mi_curve *curve, const double *triangle, double spend);
/* So many standard deviations to either side hold this probability of a normal. */
double mi_curve_interval_z(double probability);
/* Interval of a period's counted users: the mean's own uncertainty, the day's dispersion (variance = mean +
 * dispersion * mean^2) and counting together, by a negative binomial of that mean and variance. */
void mi_curve_outcome(double mean, double log_sd, double dispersion, double probability, double *low,
                      double *high);

/* The last spend of points (of any part, for a mix); NaN where there are none. */
double mi_curve_last_point(const struct mi_curve *curve);

/* The spend within [low, high] where ltv * users(spend) - rate * spend is largest: global, kinks and S-shapes
 * included; the smallest where several are. high may be infinite: the search ends at MI_MONEY_LIMIT then. NaN
 * where low > high, ltv or rate is negative or anything is missing. */
double mi_curve_best_spend(const struct mi_curve *curve, double ltv, double rate, double low, double high);

/* ---------------------------------------------------------------------------------------------------------
 * fit: daily rows to curves (lib/curve)
 * ------------------------------------------------------------------------------------------------------ */

/* Fits one curve a campaign to the days of a portfolio. Users of a day are the curve at the day's spend times
 * a weekday factor and a factor of the date that campaigns of a widest group share, with variance poisson *
 * mean + dispersion * mean^2 and a share of outliers; the curve's level is that of the newest date. What a
 * campaign does not tell comes from the portfolio (and from the campaign's group within it): every parameter
 * has a normal prior, in logs, whose centre and spread are learnt from all campaigns (empirical Bayes, EM;
 * Efron & Morris 1975, Laird & Louis 1987); a smooth misfit about the family's curve is a Gaussian process
 * (Kennedy & O'Hagan 2001). Quasi-likelihood, reweighted for outliers and variance until it stands, the shape
 * integrated over a grid. What could not be fitted falls back to the portfolio and says so. */
struct mi_curve_fit;

struct mi_curve_fit_options {
    bool any_family;             /* take the family that extrapolates best in the portfolio's own backtest */
    enum mi_curve_family family; /* else this one; points and mix cannot be fitted */
    bool sum_duplicates;         /* add up the rows of a campaign and date, instead of refusing them */
    unsigned long threads;       /* 0: one */
};

/* How a curve came about. */
enum mi_curve_fit_status {
    MI_CURVE_FIT_OWN,      /* the shape is mostly the campaign's own */
    MI_CURVE_FIT_SHRUNK,   /* fitted, mostly the portfolio's shape */
    MI_CURVE_FIT_PORTFOLIO /* the portfolio's shape: the note says why */
};
const char *mi_curve_fit_status_name(enum mi_curve_fit_status status);

#define MI_CURVE_COVARIANCE_MOST 6

/* One campaign's result. */
struct mi_curve_fit_row {
    struct mi_text campaign_id; /* "*": the portfolio's pooled curve, a campaign that nothing is known of */
    struct mi_curve curve;      /* holds no memory of its own */
    double covariance[MI_CURVE_COVARIANCE_MOST]; /* of the log parameters: lower triangle, in text order */
    size_t covariance_count;
    double spend_min,
        spend_max;        /* lowest above 0 and highest spend of the rows used; pooled: their medians */
    double dispersion;    /* of a day's users: variance = mean + dispersion * mean^2 for counts */
    int32_t asof;         /* newest date used */
    size_t n, n_outliers; /* rows used; those that the fit takes for outliers */
    double error;         /* sum of |users - fitted| / sum of users, over the rows used */
    double aicc;          /* Akaike's criterion, corrected for few rows (Hurvich & Tsai 1989) */
    double weight_level, weight_shape; /* share that is the campaign's own, 0 to 1; the rest is prior */
    double adstock; /* rate of carry-over that was taken out, given or estimated; 0: none */
    enum mi_curve_fit_status status;
    char note[200]; /* why, in words; may be empty */
};

enum mi_status mi_curve_fit_new(const struct mi_curve_fit_options *options, struct mi_curve_fit **fit,
                                struct mi_error *error);
void mi_curve_fit_free(struct mi_curve_fit *fit);

/* Adds a row, in any order. date may be missing, in all rows or in none: then each row is one period and
 * there are no weekdays. line is for messages. MI_BAD_RECORD: the id is "*", an amount is impossible. */
enum mi_status mi_curve_fit_add(struct mi_curve_fit *fit, struct mi_text campaign_id, int32_t date,
                                double spend, double users, uint64_t line, struct mi_error *error);

/* Says to which group a campaign belongs: texts from the widest to the narrowest attribute. Each level's
 * prior is shrunk to the one above; and each value of each attribute has a part in the prior (ridge). The
 * last call for a campaign holds; unknown campaigns are ignored. */
enum mi_status mi_curve_fit_group(struct mi_curve_fit *fit, struct mi_text campaign_id,
                                  const struct mi_text *attributes, size_t count, struct mi_error *error);

/* Asks for a curve of a campaign without rows: from its attributes, of which mi_curve_fit_group() is to be
 * told. */
enum mi_status mi_curve_fit_campaign(struct mi_curve_fit *fit, struct mi_text campaign_id,
                                     struct mi_error *error);

/* Adds a row's covariates (as impressions and clicks: what goes with the spend) to a campaign's sums. The
 * logs of the sums per spend are regressors of the prior. count: the same in all calls, at most 4. */
enum mi_status mi_curve_fit_covariates(struct mi_curve_fit *fit, struct mi_text campaign_id,
                                       const double *values, size_t count, struct mi_error *error);

/* Curves are of this day, after the newest that comes: with its weekday, and what is expected of it as far as
 * days foretell the next. Without, they are of an average weekday, as of the day after the newest. */
void mi_curve_fit_for(struct mi_curve_fit *fit, int32_t date);

#define MI_CURVE_DELAY_AGES 400

/* Conversions come in late: shares[age] of a day's are known `age` days later (0: on the day itself), all at
 * age `count`. Rows then count by what can be known of them as of `asof` (MI_DATE_MISSING: the newest date
 * that comes); none may be later. MI_BAD_ARGUMENT: shares that fall, or are not within 0 and 1. */
enum mi_status mi_curve_fit_delay(struct mi_curve_fit *fit, int32_t asof, const double *shares, size_t count,
                                  struct mi_error *error);

/* After mi_curve_fit_delay, and after all campaigns have their groups: a widest group, the first attribute of
 * mi_curve_fit_group, has shares of its own. A group without campaigns is left. */
enum mi_status mi_curve_fit_group_delay(struct mi_curve_fit *fit, struct mi_text group, const double *shares,
                                        size_t count, struct mi_error *error);

/* What was known of days at several ages: the shares of a delay, by the chain ladder (Mack 1993). Starts
 * empty. */
struct mi_curve_delay {
    size_t count;
    double before[MI_CURVE_DELAY_AGES], after[MI_CURVE_DELAY_AGES]; /* sums known at an age and the next */
};
/* A day's conversions known at age 0, 1, ...; NaN where it is not that old yet. */
void mi_curve_delay_add(struct mi_curve_delay *delay, const double *known, size_t count);
/* delay->count shares; all are known at the last age. MI_BAD_INPUT: an age that no day with conversions
 * reached. */
enum mi_status mi_curve_delay_shares(const struct mi_curve_delay *delay, double shares[MI_CURVE_DELAY_AGES],
                                     struct mi_error *error);
/* all->count shares of a part, whose days are within those of `all`: from one age to the next drawn to what
 * all have, the more the fewer conversions the part has. */
enum mi_status mi_curve_delay_shares_of_part(const struct mi_curve_delay *part,
                                             const struct mi_curve_delay *all,
                                             double shares[MI_CURVE_DELAY_AGES], struct mi_error *error);

/* Spend works on later days too: (1 - rate) sum over k of rate^k spend(t - k), geometric adstock. Curves are
 * those of a spend that does not change. NaN: the rate is estimated (and 0 where the data show none). */
enum mi_status mi_curve_fit_adstock(struct mi_curve_fit *fit, double rate, struct mi_error *error);

/* Fits. Notes: what was left out and what fell back, with counts. MI_BAD_INPUT: a campaign has a date twice.
 */
enum mi_status mi_curve_fit_run(struct mi_curve_fit *fit, const struct mi_notes *notes,
                                struct mi_error *error);

/* Results after the run: campaigns in order of first appearance, then the pooled row; 0 where nothing was
 * added. */
size_t mi_curve_fit_count(const struct mi_curve_fit *fit);
void mi_curve_fit_row(const struct mi_curve_fit *fit, size_t number, struct mi_curve_fit_row *row);

/* ---------------------------------------------------------------------------------------------------------
 * lift: what experiments say of curves (lib/curve)
 * ------------------------------------------------------------------------------------------------------ */

#define MI_LIFT_EXPERIMENTS_MOST 1000

/* A campaign whose curve was fitted to attributed conversions. */
struct mi_lift_campaign {
    const struct mi_curve *curve; /* of a family that can be fitted */
    const double *covariance;     /* of its log parameters: lower triangle in text order */
    double spend;                 /* mean of its days: the spend of an experiment is shared out by it */
    const size_t *groups; /* its group at each level, the widest first: numbers below group_count, and a group
                           * belongs to one group of the level above */
};

/* What was found out by changing the spend of some campaigns, as by a holdout or in some regions only. */
struct mi_lift_experiment {
    const size_t *campaigns; /* their numbers */
    size_t campaign_count;
    double spend_before, spend_after; /* a day, of all of them together; 0 and more, and different */
    double conversions; /* a day, that the higher spend brought more than the lower: all, attributed or not */
    double standard_error; /* of these, above 0 */
    size_t target;         /* experiments of one target are of the same campaigns */
    bool contradicts;      /* out: it and others of its target differ by more than their errors */
};

struct mi_lift_result {
    bool measured;             /* it, or a group that it belongs to, was part of an experiment */
    double incrementality, se; /* incremental conversions over attributed ones; 1 and NaN: not measured */
    struct mi_curve curve;     /* of incremental users */
    double covariance[MI_CURVE_COVARIANCE_MOST];
};

struct mi_lift_summary {
    double incrementality, se; /* of a campaign of no measured group */
    double misfit; /* largest factor by which the errors of contradicting experiments were raised */
};

/* The curves of incremental users: attributed users at a spend times a share that the campaign has of its own
 * (incrementality). An experiment observes the difference of such curves at two spends with a normal error.
 * Logs of the share are normal with parts for the portfolio, for each group and for the campaign, whose
 * spreads are learnt where there are enough experiments; without any experiment the share is 1. Shares and
 * curves are found together (maximum a posteriori by Gauss-Newton steps in the space of the observations:
 * Tarantola 2005, section 3.2, the iterated extended Kalman filter of Bell & Cathey 1993). Errors of
 * experiments on the same campaigns that contradict each other are raised until they do not (Birge 1932).
 * results: one per campaign. MI_BAD_ARGUMENT: an experiment that says nothing, or too many. */
enum mi_status mi_lift_estimate(const struct mi_lift_campaign *campaigns, size_t campaign_count,
                                size_t level_count, size_t group_count,
                                struct mi_lift_experiment *experiments, size_t experiment_count,
                                struct mi_lift_result *results, struct mi_lift_summary *summary,
                                struct mi_error *error);

/* ---------------------------------------------------------------------------------------------------------
 * price: the funnel behind a CPA (lib/curve)
 * ------------------------------------------------------------------------------------------------------ */

#define MI_PRICE_MARKETS 5 /* most columns of the market */

/* CPA = CPM / 1000 / (CTR * CVR), campaign by campaign. Impressions and conversions are saturation curves of
 * spend (mi_curve_fit_*) in today's market, conversions with impressions and clicks as covariates; CPM goes
 * with powers of the market's columns, clicks per impression with impressions, conversions per click with
 * frequency (with impressions, where it is not known), all three with a trend. What a campaign's own days do
 * not tell comes from the portfolio (stage.c). */
struct mi_price;

struct mi_price_options {
    size_t market_count;
    const char *const *market_names; /* for the notes; borrowed while the price lives */
    int32_t since;                   /* what changed from this day on; MI_DATE_MISSING: not asked */
    int32_t before;                  /* against so many days before it */
    bool sum_duplicates;             /* add up the rows of a campaign and date, instead of refusing them */
    unsigned long threads;
};

struct mi_price_day {
    int32_t date; /* missing in all rows or in none */
    double spend, impressions, clicks, conversions;
    double reach;                    /* people who saw it; NaN: not known */
    double market[MI_PRICE_MARKETS]; /* what the market was like */
    uint64_t line;
};

enum mi_price_part {                         /* of a change of log CPA */
                     MI_PRICE_CPM_SPEND,     /* CPM, as spend moved along its curve */
                     MI_PRICE_CPM_MARKET,    /* CPM, as the market's columns moved */
                     MI_PRICE_CPM_OTHER,     /* CPM, else */
                     MI_PRICE_CTR,           /* fewer or more clicks per impression */
                     MI_PRICE_CVR_FREQUENCY, /* conversions per click, as frequency moved */
                     MI_PRICE_CVR_OTHER,     /* conversions per click, else */
                     MI_PRICE_PARTS
};
const char *mi_price_part_name(enum mi_price_part part);

/* Logs of ratios, since over before; NaN where a period has no days, or no conversions. */
struct mi_price_change {
    double cpa_before, cpa_since;
    double total, total_se;
    double part[MI_PRICE_PARTS], se[MI_PRICE_PARTS]; /* the parts sum to the total */
    bool driven;               /* the change is more than two standard errors, and so is the driver's part */
    enum mi_price_part driver; /* the largest part in the direction of the change */
};

struct mi_price_row {
    struct mi_curve_fit_row fit; /* the curve of conversions, as mi_curve_fit_row() has it */
    bool funnel;  /* else it has no impressions or clicks: the curve is that of conversions alone */
    double spend; /* mean of the last week with days */
    double cpm, ctr, cvr, cpa; /* of the curve at that spend, of an average weekday, in today's market */
    double cpm_spend, ctr_impressions, cvr_frequency;             /* elasticities there */
    double cpm_trend, ctr_trend, cvr_trend;                       /* change in 30 days, a fraction */
    double market[MI_PRICE_MARKETS], market_se[MI_PRICE_MARKETS]; /* elasticity of CPM; NaN: not to be told */
    struct mi_price_change change;
};

enum mi_status mi_price_new(const struct mi_price_options *options, struct mi_price **price,
                            struct mi_error *error);
void mi_price_free(struct mi_price *price);
/* Adds a row, in any order. MI_BAD_RECORD: the id is "*", an amount is impossible, more clicks than
 * impressions, more reach than impressions. */
enum mi_status mi_price_add(struct mi_price *price, struct mi_text campaign_id,
                            const struct mi_price_day *day, struct mi_error *error);
/* As mi_curve_fit_group(). */
enum mi_status mi_price_group(struct mi_price *price, struct mi_text campaign_id,
                              const struct mi_text *attributes, size_t count, struct mi_error *error);
enum mi_status mi_price_run(struct mi_price *price, const struct mi_notes *notes, struct mi_error *error);
/* Campaigns in order of first appearance, then the portfolio's row "*"; 0 where nothing was added. */
size_t mi_price_count(const struct mi_price *price);
void mi_price_row(const struct mi_price *price, size_t number, struct mi_price_row *row);

/* ---------------------------------------------------------------------------------------------------------
 * ltv: what a user will be worth (lib/ltv)
 * ------------------------------------------------------------------------------------------------------ */

/* Segments are the values of a few columns in an order from coarse to fine (network, targeting, geo,
 * creative). The model says what a user of a segment is worth: segment means shrunk up this hierarchy. */
#define MI_LTV_COLUMNS_MOST 16

/* A row of a history: one user, or users that are alike. */
struct mi_ltv_row {
    const struct mi_text *values; /* one per column; missing counts as "" */
    double users;                 /* 1 for one user; a row with 0 says nothing */
    double mean;                  /* LTV per user */
    double sd;                    /* standard deviation between them; NaN: not known */
    int32_t installed;            /* MI_DATE_MISSING: old enough */
};

struct mi_ltv_history;

struct mi_ltv_history_options {
    const char *const *columns; /* names, coarse to fine */
    size_t column_count;        /* 1 to MI_LTV_COLUMNS_MOST */
    int32_t as_of;              /* MI_DATE_MISSING: the newest installed */
    int min_age;                /* days from install to as_of that a user must have */
    bool folds;                 /* for a model file: keep folds apart and take a fingerprint */
};

struct mi_ltv_history_summary {
    uint64_t rows;
    double users, young_users;           /* old enough; not */
    size_t segments;                     /* with users who are old enough */
    int32_t as_of;                       /* MI_DATE_MISSING: no date was seen */
    int32_t first_install, last_install; /* of those who are old enough, where known */
};

/* A history is read row by row and kept as sums by segment (and by day for the last min_age days): memory
 * does not grow with the number of users. */
enum mi_status mi_ltv_history_new(const struct mi_ltv_history_options *options,
                                  struct mi_ltv_history **history, struct mi_error *error);
/* MI_BAD_RECORD: the row cannot be (more than MI_MONEY_LIMIT users in all). */
enum mi_status mi_ltv_history_add(struct mi_ltv_history *history, const struct mi_ltv_row *row,
                                  struct mi_error *error);
/* Ends the history; summary may be NULL. */
enum mi_status mi_ltv_history_finish(struct mi_ltv_history *history, struct mi_ltv_history_summary *summary,
                                     struct mi_error *error);
void mi_ltv_history_free(struct mi_ltv_history *history);

struct mi_ltv_model;

/* Fits the hierarchy to a finished history. A segment's mean lies about its parent's with a standard
 * deviation that is a share of it, one share per level, estimated by restricted maximum likelihood under a
 * weak prior (Chung and others 2013, Psychometrika 78); the variance between users is proportional to the
 * squared mean. Means and their variances then follow exactly, by two passes over the tree. Nobody old
 * enough: MI_BAD_INPUT. */
enum mi_status mi_ltv_fit(const struct mi_ltv_history *history, const struct mi_notes *notes,
                          struct mi_ltv_model **model, struct mi_error *error);
/* The same of each segment's mean as a multiple of what a prior says of it, which is a model of other figures
 * of these users and alike, as what an ensemble predicts of them. Where few users are known the prior's mean
 * stands, but for what the others show it to be off. The prior becomes the new model's; nobody old enough:
 * it is the model. */
enum mi_status mi_ltv_fit_about(const struct mi_ltv_history *history, struct mi_ltv_model *prior,
                                const struct mi_notes *notes, struct mi_ltv_model **model,
                                struct mi_error *error);
void mi_ltv_model_free(struct mi_ltv_model *model);

/* A model as one JSON file; reading checks format, version, tool, shape, ranges and the checksum. Writing
 * needs values in UTF-8. */
enum mi_status mi_ltv_model_write(const struct mi_ltv_model *model, const char *path, struct mi_error *error);
enum mi_status mi_ltv_model_of(const struct mi_model_file *file, struct mi_ltv_model **model,
                               struct mi_error *error); /* of the kind "segments" */
enum mi_status mi_ltv_model_read(const char *path, struct mi_ltv_model **model, struct mi_error *error);

size_t mi_ltv_model_column_count(const struct mi_ltv_model *model);
const char *mi_ltv_model_column(const struct mi_ltv_model *model, size_t column);

/* How well means are predicted that the model has not seen: five folds of the history's rows, each predicted
 * from the other four. NaN where a figure is not defined. */
struct mi_ltv_holdout {
    double users;          /* held out, over all folds */
    double rmse;           /* of the held-out segment means, weighted by users */
    double rmse_portfolio; /* the same, were every segment given the portfolio's mean */
    double rmse_segment;   /* the same, were it given its own mean (the portfolio's where it has none) */
    double wape;           /* percent: sum of users * |error| / sum of users * mean */
    double coverage;       /* share of held-out means within their 80 % interval */
};
struct mi_ltv_holdout mi_ltv_model_holdout(const struct mi_ltv_model *model);

/* Puts a history's segments in the place of the model's (or adds their users, where the two are known to
 * share none) and infers all means anew with the model's spreads. Columns must be the same. */
enum mi_status mi_ltv_model_update(struct mi_ltv_model *model, const struct mi_ltv_history *history,
                                   bool independent, struct mi_error *error);

struct mi_ltv_estimate {
    double ltv;       /* mean LTV of the segment's users */
    double se;        /* its standard error; NaN where not known, as the two below */
    double low, high; /* interval of the mean */
    size_t depth;     /* columns whose values are known, from the first; 0: the portfolio's mean */
};

/* What a user of the segment `values` is worth; level: of the interval, as MI_INTERVAL. A value never seen
 * falls back to its parent's mean, with the spread of what might lie below. The interval is lognormal, moved
 * up a little as Edgeworth's expansion has it for skewed data (Hall 1992). */
enum mi_status mi_ltv_predict(struct mi_ltv_model *model, const struct mi_text *values, double level,
                              struct mi_ltv_estimate *estimate, struct mi_error *error);

enum mi_ltv_confidence { MI_LTV_LOW, MI_LTV_MEDIUM, MI_LTV_HIGH };
const char *mi_ltv_confidence_name(enum mi_ltv_confidence confidence); /* low, medium, high */

/* LTV by source (SPEC 1.1). */
struct mi_ltv_rule {
    double high;   /* more users than this: confidence high */
    double medium; /* more than this: medium; else low */
    bool plain;    /* with confidence high the users' own mean, else the model; not set: always the model */
    double level;  /* of the interval */
};

struct mi_ltv_source {
    struct mi_ltv_estimate estimate;
    double users; /* of the segment in the history, old enough */
    enum mi_ltv_confidence confidence;
};

/* `history` counts the users (and with rule->plain gives their mean); `model` is its own fit, or one read and
 * (without rule->plain) updated with it. */
enum mi_status mi_ltv_by_source(struct mi_ltv_model *model, struct mi_ltv_history *history,
                                const struct mi_ltv_rule *rule, const struct mi_text *values,
                                struct mi_ltv_source *source, struct mi_error *error);

/* Repeat purchases (those after the day of the first), time from the first purchase to the last and to the
 * end of what was seen, mean value of the repeat purchases (NaN: not known). Any unit of time. */
struct mi_customer {
    double frequency, recency, T, monetary_value;
};

/* ---- a transaction log as frequency, recency, T, monetary value ---- */

struct mi_rfm; /* sums by customer */

struct mi_rfm_options {
    int32_t until;     /* last day that counts; MI_DATE_MISSING: the newest that comes */
    int32_t holdout;   /* last day before the holdout; MI_DATE_MISSING: none */
    bool drop_refunds; /* leave negative amounts out; else they are taken off */
};

/* What is known of a customer: sums that add up. Purchases of a day are one. */
struct mi_rfm_sums {
    int32_t first, last;              /* days of purchases until the holdout; MI_DATE_MISSING: none */
    double days;                      /* days with purchases */
    double first_value, repeat_value; /* of the first of these days, of the others; refunds taken off */
    double holdout_days, holdout_value;
};

struct mi_rfm_row {
    struct mi_text customer_id;
    struct mi_customer customer; /* times in days */
    double holdout_frequency, holdout_value, holdout_T;
    struct mi_rfm_sums sums;
};

struct mi_rfm_summary {
    uint64_t rows, late_rows;          /* read; after `until` */
    uint64_t refunds;                  /* negative amounts */
    uint64_t refunds_before_purchases; /* of these: nothing bought before, left out */
    size_t customers;                  /* in the output */
    size_t new_customers;              /* first seen in the holdout: left out */
    size_t without_purchases;          /* left out */
    int32_t until;
};

/* Takes a log in any order, or sums of parts of one, or both; 16 bytes a transaction until it is finished. */
enum mi_status mi_rfm_new(const struct mi_rfm_options *options, struct mi_rfm **rfm, struct mi_error *error);
void mi_rfm_free(struct mi_rfm *rfm);
/* amount: NaN where the log has none. */
enum mi_status mi_rfm_add(struct mi_rfm *rfm, struct mi_text customer_id, int32_t day, double amount,
                          struct mi_error *error);
/* until: newest day of the part. MI_BAD_RECORD: days of one customer that overlap with those of another part
 * (a log is to be split by customer, or at a date). */
enum mi_status mi_rfm_merge(struct mi_rfm *rfm, struct mi_text customer_id, const struct mi_rfm_sums *sums,
                            int32_t until, struct mi_error *error);
/* Ends it. Rows are in the order of their ids' bytes, whatever the order of the input. */
enum mi_status mi_rfm_finish(struct mi_rfm *rfm, struct mi_rfm_summary *summary, struct mi_error *error);
/* Row `number` of all customers, from 0; false: this one has no place in the output (its sums are filled). */
bool mi_rfm_row(const struct mi_rfm *rfm, size_t number, struct mi_rfm_row *row);
/* The same of one customer; false also where there is none of that id. */
bool mi_rfm_find(const struct mi_rfm *rfm, struct mi_text customer_id, struct mi_rfm_row *row);
size_t mi_rfm_count(const struct mi_rfm *rfm);

/* ---- buy till you die: customers from what they bought ----
 *
 * Customers buy at a rate of their own until they drop out, which is not seen. Three families: BG/NBD (Fader,
 * Hardie, Lee 2005), MBG/NBD (Batislam, Denizel, Filiztekin 2007), Pareto/NBD (Schmittlein, Morrison, Colombo
 * 1987), with Gamma-Gamma spend (Fader, Hardie 2013). */

enum mi_btyd_family { MI_BTYD_BG_NBD, MI_BTYD_MBG_NBD, MI_BTYD_PARETO_NBD, MI_BTYD_FAMILIES };
const char *mi_btyd_family_name(enum mi_btyd_family family); /* bg-nbd, mbg-nbd, pareto-nbd */

enum mi_customer_field { MI_CUSTOMER_FREQUENCY, MI_CUSTOMER_RECENCY, MI_CUSTOMER_T };
/* MI_BAD_RECORD where these figures cannot be: frequency not whole, recency > T, recency without repeats. */
enum mi_status mi_customer_check(const struct mi_customer *customer, enum mi_customer_field *field,
                                 struct mi_error *error);

/* Log likelihood of one customer, probability that one is alive at T, and purchases to be expected in
 * (T, T + horizon]. parameters: r, alpha, then a, b or (Pareto/NBD) s, beta; all above 0. */
double mi_btyd_log_likelihood(enum mi_btyd_family family, const double parameters[4],
                              const struct mi_customer *customer);
double mi_btyd_alive(enum mi_btyd_family family, const double parameters[4],
                     const struct mi_customer *customer);
double mi_btyd_expected(enum mi_btyd_family family, const double parameters[4],
                        const struct mi_customer *customer, double horizon);

struct mi_customers; /* those that a model is fitted to; equal ones are kept once */

struct mi_customers_summary {
    double customers, repeat_customers;
    double spend_not_positive; /* repeat buyers whose mean spend is 0 or less: no part of the spend model */
    double without_spend;      /* repeat buyers without a monetary value */
    double different;          /* rows kept */
    double correlation;        /* of frequency and mean spend among repeat buyers; NaN: not defined */
    double squares[3];         /* of use inside only */
    bool has_spend;
};

/* covariates: names of columns of categories that shift the scale parameters; at most MI_LTV_COLUMNS_MOST. */
enum mi_status mi_customers_new(const char *const *covariates, size_t covariate_count,
                                struct mi_customers **customers, struct mi_error *error);
void mi_customers_free(struct mi_customers *customers);
/* covariates: one value for each. */
enum mi_status mi_customers_add(struct mi_customers *customers, const struct mi_customer *customer,
                                const struct mi_text *covariates, struct mi_error *error);
struct mi_customers_summary mi_customers_summary(const struct mi_customers *customers);

struct mi_btyd; /* a fitted model */

struct mi_btyd_options {
    bool families[MI_BTYD_FAMILIES]; /* which to fit */
    bool spend;                      /* Gamma-Gamma too */
    bool automatic;                  /* choose among them, and adjust spend: see mi-ltv(1), auto */
};

/* Maximum likelihood by Newton's method from several starts; MI_NUMERIC where it does not converge,
 * MI_BAD_INPUT where the customers cannot tell (hardly any bought twice). What the data do not identify is
 * said. */
enum mi_status mi_btyd_fit(const struct mi_customers *customers, const struct mi_btyd_options *options,
                           const struct mi_notes *notes, struct mi_btyd **model, struct mi_error *error);
void mi_btyd_free(struct mi_btyd *model);
enum mi_status mi_btyd_write(const struct mi_btyd *model, const char *path, struct mi_error *error);
enum mi_status mi_btyd_of(const struct mi_model_file *file, struct mi_btyd **model, struct mi_error *error);

size_t mi_btyd_covariate_count(const struct mi_btyd *model);
const char *mi_btyd_covariate(const struct mi_btyd *model, size_t number);
bool mi_btyd_has_spend(const struct mi_btyd *model);
/* The parameters of a family, or where it was not fitted false. log_likelihood may be NULL. */
bool mi_btyd_parameters(const struct mi_btyd *model, enum mi_btyd_family family, double parameters[4],
                        double *log_likelihood);
enum mi_btyd_family mi_btyd_main(const struct mi_btyd *model); /* the family that predicts */
bool mi_btyd_spend_parameters(const struct mi_btyd *model, double parameters[3], double *log_likelihood);

struct mi_btyd_outlook {
    double horizon;  /* how far to predict, in the time unit of the customers */
    double discount; /* rate per period: what comes in a period is worth 1 / (1 + rate)^number at its end */
    double period;   /* length of one, in the same unit */
    double level;    /* of the interval; 0: none is wanted */
};

struct mi_btyd_prediction {
    double alive, purchases;
    double ltv, low, high; /* NaN without a spend model */
};

/* Predictions of one model for one outlook. The interval is the narrowest set that holds the level under the
 * posterior predictive distribution, over parameters too; it starts at 0 where nothing is likely. */
struct mi_btyd_predictor;
enum mi_status mi_btyd_predictor_new(const struct mi_btyd *model, const struct mi_btyd_outlook *outlook,
                                     struct mi_btyd_predictor **predictor, struct mi_error *error);
void mi_btyd_predictor_free(struct mi_btyd_predictor *predictor);
/* covariates: as the model names them. *known says whether the model has seen all their values; one that it
 * has not counts as its most frequent one. */
enum mi_status mi_btyd_predict(struct mi_btyd_predictor *predictor, const struct mi_customer *customer,
                               const struct mi_text *covariates, struct mi_btyd_prediction *prediction,
                               bool *known, struct mi_error *error);

/* ---------------------------------------------------------------------------------------------------------
 * forecast: daily series (lib/forecast)
 * ------------------------------------------------------------------------------------------------------ */

#define MI_FORECAST_DAYS_MOST 365 /* days ahead */

/* A daily series: value[i] is that of day start + i, NaN where it is not known. */
struct mi_series {
    int32_t start;
    size_t days;
    const double *value;
};

/* Told from the days alone; each kind is forecast in its own way. */
enum mi_forecast_kind {
    MI_FORECAST_REGULAR,      /* experts weighted by their errors in the backtest */
    MI_FORECAST_INTERMITTENT, /* days of zero among others: a mean that totals can be formed of */
    MI_FORECAST_WALK,         /* a random walk: the last day, with drift */
    MI_FORECAST_SHORT,        /* less than four weeks: a mean */
    MI_FORECAST_STOPPED       /* zero of late, for longer than chance would have it: zero */
};
const char *mi_forecast_kind_name(enum mi_forecast_kind kind);

/* A holiday's date, past or to come; the same holiday of other years has the same name. */
struct mi_holiday {
    int32_t date;
    size_t name;
};

struct mi_forecast;

struct mi_forecast_options {
    size_t days;  /* ahead, 1 to MI_FORECAST_DAYS_MOST */
    double level; /* of the intervals */
    /* What a holiday did to the series on its past dates (over the same weekdays of the two weeks before and
     * after, drawn to nothing as far as ordinary days differ so) is taken out of them, and put on those to
     * come. Lent; each date once; none where the count is 0. */
    const struct mi_holiday *holidays;
    size_t holiday_count;
    /* The spend of the same days, forecast by then as far ahead, for the regression among the forecasters;
     * NULL: there is none. One that ends on another day is not used. */
    const struct mi_forecast *spend;
};
struct mi_forecast_options mi_forecast_options_default(void); /* 90 days, MI_INTERVAL, no holidays */

struct mi_forecast_range {
    double predicted, low, high; /* low and high are missing where the series is too short to say */
};

/* Forecasts a series from its last day on: some fifty forecasters with fixed parameters (damped smoothing
 * with weekly season on values and logs, walks, trimmed weekday means, the year before) and a ridge
 * regression on lagged values, the calendar and spend, combined by rolling-origin errors of the series
 * itself; intervals are quantiles of the combination's own errors at like horizons (split conformal
 * prediction on rolling origins; Gardner, McKenzie 1985; Bates, Granger 1969; Vovk et al. 2005). A weekday
 * that is always zero stays zero. MI_BAD_ARGUMENT where no day is known. */
enum mi_status mi_forecast_series(const struct mi_series *series, const struct mi_forecast_options *options,
                                  struct mi_forecast **forecast, struct mi_error *error);
void mi_forecast_free(struct mi_forecast *forecast);
enum mi_forecast_kind mi_forecast_kind(const struct mi_forecast *forecast);
/* Whether the last day lies far beyond the two months before it, and so was taken at their edge. */
bool mi_forecast_last_odd(const struct mi_forecast *forecast);

/* Day `step` after the last, from 1; and the sum of days 1 to `days`, whose interval is that of the sum. */
void mi_forecast_day(const struct mi_forecast *forecast, size_t step, struct mi_forecast_range *range);
void mi_forecast_total(const struct mi_forecast *forecast, size_t days, struct mi_forecast_range *range);

/* The ratio of two totals (ROAS: revenue over spend) of days 1 to `days`, with the quantiles of that ratio's
 * own errors in the backtest, since both err together. Missing where the lower one is forecast at 0 or below.
 */
enum mi_status mi_forecast_ratio(const struct mi_forecast *top, const struct mi_forecast *bottom, size_t days,
                                 struct mi_forecast_range *range, struct mi_error *error);

/* Makes day `step` follow a plan: its forecast is multiplied by `factor`, whose logarithm is known with this
 * standard error. */
void mi_forecast_follow(struct mi_forecast *forecast, size_t step, double factor, double log_error);
/* Makes day `step` what is planned, without error. */
void mi_forecast_fix(struct mi_forecast *forecast, size_t step, double value);

/* By how much revenue follows spend: d log revenue / d log spend, from changes of the same weekday from week
 * to week, shrunk towards what holds across campaigns (0.7, standard deviation 0.2), with its standard error.
 */
struct mi_elasticity {
    double value, error;
    size_t days; /* that it was learnt from */
};
struct mi_elasticity mi_forecast_elasticity(const struct mi_series *revenue, const struct mi_series *spend);

/* ---- predictions of value against what came ---- */

struct mi_ltv_pair {
    double predicted, actual;
    double low, high; /* NaN: no interval */
};

struct mi_ltv_scores {
    double n, mean_predicted, mean_actual;
    double mae, rmse;
    double wape;  /* percent: sum of |error| / sum of |actual| */
    double ratio; /* sum of predicted / sum of actual */
    double gini;  /* area of the gain curve over that of the perfect order, ties averaged; NaN: not defined */
    double spearman; /* rank correlation */
    double pinball;  /* mean of the losses of low and high as the quantiles (1 -+ level) / 2 */
    double intervals,
        coverage; /* rows with an interval whose upper end is above 0, and share of these inside */
    double width; /* their mean width */
};

/* Scores of all pairs, and of tenths from the lowest predictions to the highest (deciles may be NULL; there
 * n, means, mae, rmse, wape, ratio are of the tenths of all pairs, the figures of intervals of the tenths of
 * those with an interval above 0; the others NaN). Equal predictions stay in the order that they came in.
 * Nothing judged: MI_BAD_INPUT. */
enum mi_status mi_ltv_evaluate(const struct mi_ltv_pair *pairs, size_t count, double level,
                               struct mi_ltv_scores *all, struct mi_ltv_scores deciles[10],
                               struct mi_error *error);

/* ---------------------------------------------------------------------------------------------------------
 * cohorts: what young ones will have brought (lib/forecast)
 * ------------------------------------------------------------------------------------------------------ */

#define MI_COHORT_AGE_MOST 730 /* days */

/* Users who came on one day, from one source. */
struct mi_cohort {
    int32_t install_date;
    size_t group;          /* the narrowest that it belongs to */
    double users;          /* above 0; where not known, 1 for every cohort */
    size_t age;            /* observed whole: the days of age 0 to this */
    const double *revenue; /* of each of these days */
};

struct mi_cohort_options {
    const size_t *targets; /* ages asked for, rising, at most MI_COHORT_AGE_MOST */
    size_t target_count;
    double level; /* of the intervals */
};

struct mi_cohorts;

/* Learns from cohorts how revenue develops with age, and forecasts each to the target ages. Groups form a
 * tree: parent[g] is the group around g and has a lower number; group 0, of all, is its own. Chain-ladder
 * factors shrunk along the tree, a power curve of age at its top (retention times value), and Bornhuetter and
 * Ferguson's (1972) way to believe the revenue seen so far only as far as it carries; strength of both, and
 * ladder or curve, are what errs least in a cross-validation by blocks of install dates, for each target and
 * age. Intervals are quantiles of its errors. Deterministic. Cohorts are borrowed for the call only.
 * MI_BAD_ARGUMENT where there is nothing to learn from. */
enum mi_status mi_cohorts_learn(const struct mi_cohort *cohorts, size_t count, const size_t *parent,
                                size_t groups, const struct mi_cohort_options *options,
                                struct mi_cohorts **learnt, struct mi_error *error);
void mi_cohorts_free(struct mi_cohorts *learnt);

/* Revenue of cohort `number` cumulated to the end of age `age`: as observed where it is that old. low and
 * high are missing where too few cohorts have reached the age to say. *ladder (may be NULL): by factors
 * rather than by the curve. */
void mi_cohort_revenue(const struct mi_cohorts *learnt, size_t number, size_t age,
                       struct mi_forecast_range *range, bool *ladder);
/* The age at whose end the revenue reaches `cost`: predicted, and by the two ends of the interval; missing
 * where that is not before the last target. */
void mi_cohort_payback(const struct mi_cohorts *learnt, size_t number, double cost,
                       struct mi_forecast_range *range);

/* ---------------------------------------------------------------------------------------------------------
 * ltv: an ensemble on users' behaviour (lib/ltv)
 * ------------------------------------------------------------------------------------------------------ */

/* Members: boosted trees grown leaf by leaf (Tweedie loss) and by depth (paying at all, then how much), a
 * neural net with the zero-inflated lognormal loss (Wang, Liu, Miao 2019), a prediction that came with the
 * data, and buy till you die where there is a log (fitted to the users that are learnt from). The second and
 * third start from a linear model of the same form. Weights are those that do best on out-of-fold predictions
 * (absolute error, normalised Gini, squared error), intervals are conformal. */
struct mi_ltv_ensemble;

struct mi_ltv_ensemble_options {
    const char *target;   /* column to predict: money, 0 and above */
    const char *features; /* columns by commas; NULL: all that can be */
    const char *exclude;  /* columns by commas that are no features; NULL: none */
    const char *time;     /* column of dates or numbers: validation on the latest; NULL: any fold */
    const char *segment;  /* column by whose values intervals are set apart; NULL: none */
    const char *given;    /* column that is a prediction of the target; NULL: none */
    const char *members;  /* of leaf, depth, net, given, btyd, by commas; NULL: all */
    int32_t cut;          /* dates after it tell of the future; MI_DATE_MISSING: none */
    const struct mi_rfm *transactions; /* a finished log until `cut`; NULL: none. Then also */
    const char *customer;              /* column of the users that joins it, */
    double horizon;                    /* and the days after `cut` that the target is of */
    bool allow_leak;                   /* a feature that alone tells the target is said, not refused */
    uint64_t seed;
    unsigned threads;
};

/* Fits it to a table that was read whole. MI_BAD_INPUT: a target that is missing, negative, constant or all
 * 0, too few users, a column that leaks. Same table, options and seed: the same model, whatever `threads`. */
enum mi_status mi_ltv_ensemble_fit(struct mi_reader *reader, const struct mi_batch *users,
                                   const struct mi_ltv_ensemble_options *options,
                                   const struct mi_notes *notes, struct mi_ltv_ensemble **ensemble,
                                   struct mi_error *error);
void mi_ltv_ensemble_free(struct mi_ltv_ensemble *ensemble);

enum mi_status mi_ltv_ensemble_write(const struct mi_ltv_ensemble *ensemble, const char *path,
                                     struct mi_error *error);
/* A model file of the kind "ensemble"; all that is in it is checked. */
enum mi_status mi_ltv_ensemble_of(const struct mi_model_file *file, struct mi_ltv_ensemble **ensemble,
                                  struct mi_error *error);

/* Says what was fitted: members, weights, what was held out. */
void mi_ltv_ensemble_say(const struct mi_ltv_ensemble *ensemble, const struct mi_notes *notes);

const char *mi_ltv_ensemble_target(const struct mi_ltv_ensemble *ensemble);
size_t mi_ltv_ensemble_feature_count(const struct mi_ltv_ensemble *ensemble);
const char *mi_ltv_ensemble_feature(const struct mi_ltv_ensemble *ensemble, size_t feature);

/* Whether it was fitted with a log: then one is to be given before it is opened (borrowed). */
bool mi_ltv_ensemble_has_log(const struct mi_ltv_ensemble *ensemble);
void mi_ltv_ensemble_take_log(struct mi_ltv_ensemble *ensemble, const struct mi_rfm *transactions);

/* Finds the features in a stream. Those that are not there are missing in every row, which is said; without
 * any of them MI_BAD_INPUT. */
enum mi_status mi_ltv_ensemble_open(struct mi_ltv_ensemble *ensemble, struct mi_reader *reader,
                                    const struct mi_notes *notes, struct mi_error *error);
/* Takes a row into the block to be predicted; MI_BAD_RECORD: a cell is no number, the row is not in. */
enum mi_status mi_ltv_ensemble_row(struct mi_ltv_ensemble *ensemble, const struct mi_batch *batch, size_t row,
                                   struct mi_error *error);
/* Predicts the block; mi_ltv_ensemble_user() then tells of its rows. */
enum mi_status mi_ltv_ensemble_predict(struct mi_ltv_ensemble *ensemble, struct mi_error *error);
/* Empties the block. */
void mi_ltv_ensemble_clear(struct mi_ltv_ensemble *ensemble);

struct mi_ltv_user {
    double ltv;       /* mean */
    double low, high; /* narrowest set that holds `level`; from 0 where zero is likely */
};

size_t mi_ltv_ensemble_rows(const struct mi_ltv_ensemble *ensemble); /* of the block */
struct mi_ltv_user mi_ltv_ensemble_user(const struct mi_ltv_ensemble *ensemble, size_t row, double level);
/* A quantile of a row's distribution. */
double mi_ltv_ensemble_quantile(const struct mi_ltv_ensemble *ensemble, size_t row, double share);

/* What moved the block's predictions most: for each row `most` features by the size of their contribution
 * (SHAP values of the trees) to the logarithm of the prediction; rows x most. */
struct mi_ltv_reason {
    size_t feature;
    double factor; /* by which it multiplies the prediction */
};
enum mi_status mi_ltv_ensemble_explain(struct mi_ltv_ensemble *ensemble, size_t most,
                                       struct mi_ltv_reason *reasons, struct mi_error *error);

/* Says what of the stream was not as at the fit: new categories, numbers that are distributed otherwise. */
void mi_ltv_ensemble_close(struct mi_ltv_ensemble *ensemble, const struct mi_notes *notes);

/* ---------------------------------------------------------------------------------------------------------
 * accuracy: predictions against actuals (lib/accuracy)
 * ------------------------------------------------------------------------------------------------------ */

/* Errors are predicted - actual. A row without an actual or without a prediction is counted, not judged. */
struct mi_accuracy;

struct mi_accuracy_options {
    bool by_campaign; /* rows are told apart by campaign: steps and scales within each */
    bool by_date;     /* rows are put in order of date within a campaign and horizon: keeps 40 bytes a row;
                         not set: as they come */
};

struct mi_accuracy_row {
    struct mi_text campaign;
    int32_t date;
    double predicted, actual;
    double low, high; /* the prediction's interval; NaN: none */
    double horizon;   /* with by_date: steps are between rows of one horizon; NaN: none, as 0 */
};

enum mi_figure {
    MI_FIGURE_MAE,       /* mean of |error| */
    MI_FIGURE_MAPE,      /* percent: mean of |error / actual|, actuals of 0 left out */
    MI_FIGURE_RMSE,      /* root of the mean of error^2 */
    MI_FIGURE_WAPE,      /* percent: sum of |error| / sum of |actual| */
    MI_FIGURE_SMAPE,     /* percent, 0 to 200: mean of 2 |error| / (|predicted| + |actual|) */
    MI_FIGURE_MASE,      /* mean of |error| / (mean step of the campaign's actuals): Hyndman, Koehler 2006 */
    MI_FIGURE_BIAS,      /* mean of error */
    MI_FIGURE_BIAS_PCT,  /* percent: sum of error / sum of |actual| */
    MI_FIGURE_DIRECTION, /* share of steps where predicted and actual move the same way */
    MI_FIGURE_COVERAGE,  /* share of actuals within [low, high] */
    MI_FIGURE_COUNT
};

struct mi_accuracy_result {
    uint64_t n;                                      /* rows judged */
    uint64_t n_campaigns;                            /* among them; 0 where they are not told apart */
    uint64_t n_zero_actual;                          /* among them */
    uint64_t n_missing_actual, n_missing_prediction; /* not judged */
    double figure[MI_FIGURE_COUNT];                  /* NaN: not defined */
    double error[MI_FIGURE_COUNT]; /* standard errors; with several campaigns each is a cluster of its rows */
};

const char *mi_figure_name(enum mi_figure figure);
/* Finds a figure by its name; false: no such. */
bool mi_figure_find(struct mi_text name, enum mi_figure *figure);

enum mi_status mi_accuracy_new(const struct mi_accuracy_options *options, struct mi_accuracy **accuracy,
                               struct mi_error *error);
enum mi_status mi_accuracy_add(struct mi_accuracy *accuracy, const struct mi_accuracy_row *row,
                               struct mi_error *error);
enum mi_status mi_accuracy_finish(struct mi_accuracy *accuracy, struct mi_accuracy_result *result,
                                  struct mi_error *error);
void mi_accuracy_free(struct mi_accuracy *accuracy);

/* A limit as text: "cpa.mape>30", with > >= < or <=. It is broken where the comparison holds. */
struct mi_accuracy_limit {
    struct mi_text metric; /* borrowed from the text parsed */
    enum mi_figure figure;
    char comparison[3];
    double bound;
};
enum mi_status mi_accuracy_limit_parse(const char *text, struct mi_accuracy_limit *limit,
                                       struct mi_error *error);
/* Whether `value` breaks the limit; false for NaN. */
bool mi_accuracy_limit_broken(const struct mi_accuracy_limit *limit, double value);

/* One figure of two runs. */
struct mi_accuracy_change {
    enum mi_figure figure;
    double before, before_error, before_freedom; /* value, standard error, its degrees of freedom */
    double after, after_error, after_freedom;
    double worse;  /* out: by how much `after` is worse (above 0), in the figure's units */
    double chance; /* out: of as much or more by noise alone; NaN: cannot be said */
    bool broken;   /* out: worse by more than noise, all changes taken together */
};

/* Judges changes together: one-sided Welch tests (runs taken as independent), and Holm's correction, so that
 * with no true change the chance that any is called broken is at most `significance`. Larger is worse but for
 * bias (its size), direction (smaller) and coverage (distance from `level`). */
void mi_accuracy_compare(struct mi_accuracy_change *changes, size_t count, double level, double significance);

/* Whether a challenger predicts better than a champion by more than noise: losses of both for the same
 * things. The mean difference is judged twice, by days (Diebold and Mariano 1995, Bartlett weights over the
 * longest horizon, the correction and t distribution of Harvey, Leybourne and Newbold 1997) and by campaigns
 * (clusters), and the more doubtful of the two counts. */
struct mi_duel;
struct mi_duel_result {
    uint64_t n, n_days, n_campaigns;
    double champion, challenger; /* mean losses */
    double difference;           /* challenger - champion: below 0, the challenger is better */
    double error;                /* its standard error; NaN: too little to say */
    double chance;               /* of a difference as large either way by noise alone; NaN: cannot be said */
};
enum mi_status mi_duel_new(struct mi_duel **duel, struct mi_error *error);
enum mi_status mi_duel_add(struct mi_duel *duel, struct mi_text campaign, int32_t date, double horizon,
                           double champion, double challenger, struct mi_error *error);
enum mi_status mi_duel_finish(struct mi_duel *duel, struct mi_duel_result *result, struct mi_error *error);
void mi_duel_free(struct mi_duel *duel);

/* ---------------------------------------------------------------------------------------------------------
 * store: what was predicted, what came, models, alerts and actions in one SQLite file (lib/store)
 * ------------------------------------------------------------------------------------------------------ */

/* One file in write-ahead mode, synchronous FULL: what was committed survives a power cut. Writers wait for
 * each other, readers for nobody; a visitor sees one moment. */
struct mi_store;

enum mi_store_mode {
    MI_STORE_READ,
    MI_STORE_WRITE,
    MI_STORE_CREATE /* made where it is not there, whole or not at all */
};

#define MI_STORE_WAIT 30 /* seconds that a writer waits for another */

struct mi_store_options {
    enum mi_store_mode mode;
    unsigned wait; /* seconds */
};

/* A file that is no store, is truncated or of a newer version is refused and never written to. An older one
 * is brought up to this version, unless it is only read. */
enum mi_status mi_store_open(const char *path, const struct mi_store_options *options,
                             struct mi_store **store, struct mi_error *error);
void mi_store_close(struct mi_store *store);

/* A put is one transaction: all of it is kept or nothing. The first waits for other writers (MI_SYSTEM after
 * `wait`). what: a word for the log; fingerprint: of the inputs, NULL for none. A put that changed nothing
 * leaves no trace. Times never go back, whatever the clock does, and notes say so. */
enum mi_status mi_store_put_begin(struct mi_store *store, const char *what, const char *fingerprint,
                                  const struct mi_notes *notes, struct mi_error *error);
enum mi_status mi_store_put_commit(struct mi_store *store, struct mi_error *error);
void mi_store_put_abort(struct mi_store *store);

/* What came of putting a row. Nothing is overwritten: a revision is kept beside what was known before. */
enum mi_put {
    MI_PUT_NEW,
    MI_PUT_SAME,       /* known already: one row stays one */
    MI_PUT_REVISED,    /* other values than an earlier put's */
    MI_PUT_CONTRADICTS /* other values for the same key within one put: not kept */
};

struct mi_prediction {
    struct mi_text campaign, metric;
    struct mi_text model; /* as mi-ltv/3; missing counts as "" */
    int32_t made;         /* the day when it was made */
    int32_t date;         /* the first day that it is about */
    double horizon;       /* days that it is about: it is due at made + horizon */
    double spend;         /* a day, that it is for; NaN: none given */
    double value, low, high;
};

struct mi_actual {
    struct mi_text campaign, metric;
    int32_t date;   /* the first day of the period */
    double horizon; /* its days, above 0 */
    double value;
};

enum mi_status mi_store_put_prediction(struct mi_store *store, const struct mi_prediction *prediction,
                                       enum mi_put *outcome, struct mi_error *error);
enum mi_status mi_store_put_actual(struct mi_store *store, const struct mi_actual *actual,
                                   enum mi_put *outcome, struct mi_error *error);

#define MI_STORE_ATTRIBUTES 5 /* ad_network, targeting_strategy, geo, creative_format, os */

struct mi_stored_campaign {
    struct mi_text id;
    struct mi_text attributes[MI_STORE_ATTRIBUTES]; /* missing: not known */
    double daily_budget, min_budget, max_budget;    /* NaN: not known */
    int auto_optimization;                          /* 0, 1; -1: not known */
};

/* What is not known leaves what was known. kept NULL: so does nothing else. Else the store's own daily budget
 * stays where there is one, and *kept says whether it is another one. */
enum mi_status mi_store_put_campaign(struct mi_store *store, const struct mi_stored_campaign *campaign,
                                     bool *kept, struct mi_error *error);

/* A visitor's texts live for the call. It ends the walk by another status than MI_OK, which comes back. */
typedef enum mi_status mi_store_campaign_visitor(void *context, const struct mi_stored_campaign *campaign,
                                                 struct mi_error *error);
/* In order of campaign_id; only: missing for all. */
enum mi_status mi_store_each_campaign(struct mi_store *store, struct mi_text only,
                                      mi_store_campaign_visitor *visit, void *context,
                                      struct mi_error *error);

struct mi_store_query {
    struct mi_text campaign, metric; /* missing: all */
    struct mi_text model;            /* "mi-ltv" (any version) or "mi-ltv/3"; missing: all */
    int32_t from, to;                /* predictions: made; outcomes: first day. MI_DATE_MISSING: open */
    int64_t known;                   /* as it was known at this time, in ms since 1970; INT64_MAX: now */
    bool outcomes;                   /* predictions: with what came of them */
    bool revisions;                  /* outcomes: all that were known, else the last */
};

struct mi_stored_prediction {
    const struct mi_stored_campaign *campaign;
    struct mi_prediction prediction;
    struct mi_text fingerprint; /* of the inputs, as its put had it */
    int64_t recorded;           /* ms since 1970 */
    double actual; /* with outcomes: the one of this metric, date and horizon, else, for cpa, users, spend,
                      forecast_revenue and forecast_roas, from spend, users and revenue of all its days; NaN:
                      not known */
    double
        actual_spend; /* with outcomes, where the prediction is for a spend: the mean a day; NaN: not known */
    double actual_least; /* with outcomes, of a cpa: where money was spent on its days and nobody came, what
                            was spent: the CPA that one user would have made, which it is above; else NaN */
};

typedef enum mi_status mi_store_prediction_visitor(void *context, const struct mi_stored_prediction *stored,
                                                   struct mi_error *error);
typedef enum mi_status mi_store_actual_visitor(void *context, const struct mi_stored_campaign *campaign,
                                               const struct mi_actual *actual, int64_t recorded,
                                               struct mi_error *error);
/* By campaign, metric and date; each in its last revision. */
enum mi_status mi_store_each_prediction(struct mi_store *store, const struct mi_store_query *query,
                                        mi_store_prediction_visitor *visit, void *context,
                                        struct mi_error *error);
enum mi_status mi_store_each_actual(struct mi_store *store, const struct mi_store_query *query,
                                    mi_store_actual_visitor *visit, void *context, struct mi_error *error);

/* Models: versions 1, 2, ... of a name, each with a stage; one of a name at most is in production. */
enum mi_stage { MI_STAGE_STAGING, MI_STAGE_PRODUCTION, MI_STAGE_ARCHIVED };
const char *mi_stage_name(enum mi_stage stage);

struct mi_stored_model {
    struct mi_text name;
    uint64_t version;
    enum mi_stage stage;
    int64_t recorded;
    struct mi_text metrics, parameters; /* JSON, missing: none */
    struct mi_text fingerprint;         /* of the training data */
    struct mi_text checksum;            /* SHA-256 of the file */
    struct mi_text file;
};

/* Adds a model in staging. The same file as the newest version's is not added again; *version is that one's
 * then. Within a put, as the two below. */
enum mi_status mi_store_model_add(struct mi_store *store, const struct mi_stored_model *model,
                                  uint64_t *version, bool *added, struct mi_error *error);
/* reference: NAME/VERSION, NAME/STAGE (its newest), or NAME for NAME/production, with or without @ before. To
 * production: the model that was there is archived. The checksum is checked. */
enum mi_status mi_store_model_promote(struct mi_store *store, const char *reference, enum mi_stage stage,
                                      struct mi_error *error);
/* Brings back the model that was in production before the present one. */
enum mi_status mi_store_model_rollback(struct mi_store *store, const char *name, struct mi_error *error);

typedef enum mi_status mi_store_model_visitor(void *context, const struct mi_stored_model *model,
                                              struct mi_error *error);
/* One model, its checksum checked; MI_BAD_INPUT where there is none. */
enum mi_status mi_store_model_find(struct mi_store *store, const char *reference,
                                   mi_store_model_visitor *visit, void *context, struct mi_error *error);
enum mi_status mi_store_each_model(struct mi_store *store, mi_store_model_visitor *visit, void *context,
                                   struct mi_error *error);
/* Whether the file is what its checksum says: MI_BAD_INPUT names a damaged one. */
enum mi_status mi_stored_model_verify(const struct mi_stored_model *model, struct mi_error *error);

/* What a model file says of itself: tool, held-out metrics, parameters (JSON) and the training data's
 * fingerprint; NULL where it does not. malloc'ed; clear it. */
struct mi_model_description {
    char *tool, *metrics, *parameters, *fingerprint;
};
void mi_model_describe(struct mi_text file, struct mi_model_description *description);
void mi_model_description_clear(struct mi_model_description *description);

struct mi_stage_change {
    struct mi_text name, before, after;
    uint64_t version;
    int64_t recorded;
    bool back; /* by a rollback */
};
typedef enum mi_status mi_store_stage_visitor(void *context, const struct mi_stage_change *change,
                                              struct mi_error *error);
enum mi_status mi_store_each_stage(struct mi_store *store, mi_store_stage_visitor *visit, void *context,
                                   struct mi_error *error);

struct mi_alert {
    int64_t id;
    struct mi_text campaign, metric, severity, message, action;
    double actual, predicted, variance; /* actual / predicted - 1 */
    struct mi_text causes;              /* JSON array, the likeliest first */
    int32_t since;                      /* the first day that counts */
    int32_t opened, seen, closed;       /* days; closed: MI_DATE_MISSING while it is open */
    bool told;                          /* --exec has taken it */
};

/* Raises an alert; where one is open for the campaign and metric, that is brought up to date instead. Within
 * a put, as what follows. */
enum mi_status mi_store_alert_raise(struct mi_store *store, struct mi_alert *alert, bool *raised,
                                    struct mi_error *error);
/* Closes the open alert of a campaign and metric; *closed: its id, 0: there was none. */
enum mi_status mi_store_alert_close(struct mi_store *store, struct mi_text campaign, struct mi_text metric,
                                    int32_t day, int64_t *closed, struct mi_error *error);
enum mi_status mi_store_alert_told(struct mi_store *store, int64_t alert, struct mi_error *error);
typedef enum mi_status mi_store_alert_visitor(void *context, const struct mi_alert *alert,
                                              struct mi_error *error);
enum mi_status mi_store_each_alert(struct mi_store *store, mi_store_alert_visitor *visit, void *context,
                                   struct mi_error *error);

struct mi_action {
    int64_t id, alert; /* 0: of no alert */
    struct mi_text campaign, kind;
    struct mi_text field; /* what is changed: daily_budget */
    double before, after;
    int32_t day;
    int64_t recorded;
    int64_t undoes, undone_by; /* ids of actions, 0: none */
};

/* Logs an action and sets the campaign's budget to `after`. An action can be undone once. */
enum mi_status mi_store_action_add(struct mi_store *store, struct mi_action *action, struct mi_error *error);
typedef enum mi_status mi_store_action_visitor(void *context, const struct mi_action *action,
                                               struct mi_error *error);
enum mi_status mi_store_each_action(struct mi_store *store, mi_store_action_visitor *visit, void *context,
                                    struct mi_error *error);

struct mi_stored_accuracy {
    int32_t as_of;
    struct mi_text by, value; /* the column that tells groups apart, and the group */
    struct mi_text metric;
    uint64_t n;
    double figure[MI_FIGURE_COUNT];
    int64_t recorded;
};
/* The same day, column, metric and group again takes the place of what was there. */
enum mi_status mi_store_put_accuracy(struct mi_store *store, const struct mi_stored_accuracy *accuracy,
                                     struct mi_error *error);
typedef enum mi_status mi_store_accuracy_visitor(void *context, const struct mi_stored_accuracy *accuracy,
                                                 struct mi_error *error);
enum mi_status mi_store_each_accuracy(struct mi_store *store, mi_store_accuracy_visitor *visit, void *context,
                                      struct mi_error *error);

struct mi_stored_put {
    int64_t id, recorded;
    struct mi_text what, fingerprint;
};
typedef enum mi_status mi_store_put_visitor(void *context, const struct mi_stored_put *put,
                                            struct mi_error *error);
enum mi_status mi_store_each_put(struct mi_store *store, mi_store_put_visitor *visit, void *context,
                                 struct mi_error *error);

/* Looks through the whole file; what is wrong goes to the visitor. MI_NO where there is anything. */
typedef void mi_store_fault_visitor(void *context, struct mi_text text);
enum mi_status mi_store_check(struct mi_store *store, mi_store_fault_visitor *visit, void *context,
                              struct mi_error *error);
/* Copies the store while others use it. The copy appears whole; a file that is no store is not overwritten.
 */
enum mi_status mi_store_backup(struct mi_store *store, const char *path, struct mi_error *error);

/* SHA-256 of bytes, as 64 hexadecimal digits and a NUL. */
void mi_checksum(struct mi_text bytes, char out[65]);

/* ---------------------------------------------------------------------------------------------------------
 * optimize: allocation of a budget (lib/optimize)
 * ------------------------------------------------------------------------------------------------------ */

/* What one spend on a campaign brings, a day; also the totals of a portfolio. */
struct mi_outcome {
    double spend, users;
    double cpa;          /* spend / users; missing without users */
    double marginal_cpa; /* of the next user; missing where no further one comes, and for a portfolio */
    double revenue;      /* users * ltv */
    double roas;         /* revenue / spend; missing at spend 0 */
    double total_costs;  /* spend and all that comes with it */
    double profit;       /* revenue - total_costs */
    double roi;          /* profit / total_costs * 100; missing at spend 0 */
};

struct mi_outcome mi_outcome_at(const struct mi_curve *curve, double ltv,
                                const struct mi_campaign_costs *costs, double spend);
/* The same from a number of users that is known; marginal_cpa is missing. */
struct mi_outcome mi_outcome_of(double spend, double users, double ltv,
                                const struct mi_campaign_costs *costs);
/* The totals of several, ratios formed of the sums. */
struct mi_outcome mi_outcome_sum(const struct mi_outcome *outcomes, size_t count);

/* What is maximised over the portfolio. users, revenue, costs: sums over the campaigns. */
enum mi_objective {
    MI_OBJECTIVE_PROFIT,
    MI_OBJECTIVE_WEIGHTED, /* per campaign roi * ROI% + revenue * revenue / 10000 + cac * 100 users / costs,
                              summed; below the floor spend the first and last term are those at the floor in
                              proportion to spend */
    MI_OBJECTIVE_REVENUE,
    MI_OBJECTIVE_USERS,
    MI_OBJECTIVE_ROI,  /* of the portfolio: (revenue / costs - 1) * 100 */
    MI_OBJECTIVE_ROAS, /* of the portfolio: revenue / spend */
    MI_OBJECTIVE_LEAST /* the least spend (its negative is maximised), for a limit on users; with at_most */
};

struct mi_objective_weights {
    double roi, revenue, cac; /* 0 and above, not all 0 */
};

/* A campaign that gets a share. */
struct mi_allocation_campaign {
    struct mi_text id; /* for messages */
    const struct mi_curve *curve;
    double ltv;
    struct mi_campaign_costs costs;
    double min_budget; /* 0: none */
    double max_budget; /* INFINITY: none */
    double today;      /* today's budget, NaN: not known */
    bool or_nothing;   /* may also get nothing, in spite of min_budget */
};

/* A limit on several campaigns together, or with `each` on every one of them alone. */
enum mi_limit_kind {
    MI_LIMIT_SPEND, /* their spend */
    MI_LIMIT_SHARE, /* the same as a share of the budget */
    MI_LIMIT_ROAS,  /* a floor: revenue / spend at least this, where there is spend */
    MI_LIMIT_CPA,   /* a ceiling: spend / users at most this, where there is spend */
    MI_LIMIT_USERS  /* a floor for their users */
};

struct mi_allocation_limit {
    struct mi_text name; /* for messages */
    enum mi_limit_kind kind;
    bool at_least; /* else at most: spend and share */
    bool each;     /* spend, share, roas, cpa */
    double value;
    const size_t *members; /* places of campaigns; NULL: all */
    size_t member_count;
};

enum mi_solver {
    MI_SOLVER_GLOBAL, /* the dual and branch and bound */
    MI_SOLVER_SLSQP   /* the local step alone, from the equal split and from today's; for comparison */
};

struct mi_allocation_problem {
    const struct mi_allocation_campaign *campaigns;
    size_t count;
    double budget; /* a day */
    bool at_most;  /* up to the budget; else it is spent whole */
    enum mi_objective objective;
    struct mi_objective_weights weights; /* of MI_OBJECTIVE_WEIGHTED */
    double floor_share; /* of today's budget, else of the equal split: where its terms become linear */
    const struct mi_allocation_limit *limits;
    size_t limit_count;
    double
        step;   /* budgets are multiples of this where limits let them, but for what is left over; 0: cents */
    double gap; /* relative: ends where value and bound are within; 0: 1e-6 */
    double seconds; /* time after which the best found is taken; 0: none */
    double calm;    /* fewest changes from today's budgets: what a unit moved must add; 0: any */
    enum mi_solver solver;
};

enum mi_binding { MI_BINDING_NONE, MI_BINDING_MIN, MI_BINDING_MAX, MI_BINDING_LIMIT };

/* What a limit came to. */
struct mi_limit_result {
    double reached; /* the figure that the limit is on; NaN: each */
    bool binds;
    double price; /* what the objective would gain if the value were relaxed by one unit; NaN: each */
};

struct mi_allocation {
    size_t count;
    double *spend; /* per campaign: whole cents (finer where budgets are small), summing to the budget */
    enum mi_binding *binding;
    size_t *limit_binding;          /* MI_BINDING_LIMIT: the number of the limit, else SIZE_MAX */
    struct mi_limit_result *limits; /* one per limit */
    double total;                   /* sum of spend */
    double objective;               /* value reached */
    double upper_bound;             /* no allocation has more (Lagrangian bound); NaN where none is known */
    double price; /* what one more unit of budget would add to the objective (the dual's multiplier) */
};

/* Allocates the budget. Separable objectives: Lagrangian dual with one-dimensional problems on concave
 * envelopes (Everett 1963; the gap is at most one campaign's, Shapley-Folkman), branch and bound on the
 * campaign that the envelope splits; portfolio ratios by Dinkelbach's iteration (1967) on top. Where the
 * bound leaves something to gain, NLopt SLSQP starts from that result, the equal split and today's budgets,
 * up to some hundred campaigns. Every candidate is checked against all limits; the best feasible one is kept.
 * With limits on groups, minimum or nothing, or calm: the convex relaxation in which every campaign has its
 * concave envelope is solved by an interior-point method (primal-dual, Wright 1997), whose multipliers give
 * the bound; campaigns that it splits are settled by diving and by branch and bound.
 *
 * MI_NO names limits that contradict; MI_BAD_ARGUMENT a number that cannot be (missing or negative ltv,
 * weights, budget), MI_NUMERIC a curve that gives no number; both name the campaign. Of equal campaigns the
 * one with the lower id gets more. Clear with mi_allocation_clear(). */
enum mi_status mi_allocate(const struct mi_allocation_problem *problem, struct mi_allocation *allocation,
                           struct mi_error *error);
void mi_allocation_clear(struct mi_allocation *allocation);

/* (upper_bound - objective) / |objective|, 0 and above; NaN where there is no bound. */
double mi_allocation_gap(const struct mi_allocation *allocation);

/* The allocation nearest to today's budgets (least sum of changes) whose objective is within `share` of the
 * best one's; all campaigns have a `today`. The bound is that of the best. Separable objectives only. */
enum mi_status mi_allocate_calm(const struct mi_allocation_problem *problem, double share,
                                struct mi_allocation *allocation, struct mi_error *error);

/* A plan for several days. What counts on a day is the effective spend, (1 - carry) * spend + carry * what
 * counted on the day before, beginning with today's budget. */
struct mi_day_plan {
    const struct mi_allocation_problem
        *problem; /* of a day: its budget is the days' mean, limits of a campaign
                     hold on every day; profit, revenue or users, no limits on
                     groups; with carry nothing but min and max budgets */
    size_t days;
    double carry;              /* 0 to below 1 */
    const double *factor;      /* of users: campaign by campaign, day by day */
    double *spend, *effective; /* out: room for the same */
    double objective;          /* out: summed over the days */
    double upper_bound;        /* out: NaN with carry */
};

/* Without carry a campaign's day is a campaign of its own: one allocation, with its bound. With it effective
 * spends are allocated as if they were free, with a total that is moved until the spends that make them add
 * up; then projected gradient steps (Barzilai, Borwein 1988) on the spends themselves. */
enum mi_status mi_allocate_days(struct mi_day_plan *plan, struct mi_error *error);

/* The value of the objective for given spends. */
double mi_objective_value(const struct mi_allocation_problem *problem, const double *spend);

/* ---------------------------------------------------------------------------------------------------------
 * scenario: what-if (lib/scenario)
 * ------------------------------------------------------------------------------------------------------ */

/* What changes in a scenario. */
struct mi_scenario {
    struct mi_text name;
    double budget_multiplier; /* of the budget, 0 and above */
    double ltv_adjustment;    /* fraction: 0.1 is 10 % more; above -1 */
    double cpa_adjustment;    /* of the CPA at the scenario's budget; above -1 */
    double probability;       /* in the expected value; missing or 0: none */
};

/* The five that come with the tools (share/scenarios/default.csv holds the same). */
const struct mi_scenario *mi_scenarios_default(size_t *count);

/* MI_BAD_ARGUMENT that names what cannot be: no name, a multiplier, adjustment or probability out of range.
 */
enum mi_status mi_scenario_check(const struct mi_scenario *scenario, struct mi_error *error);
/* Whether the probabilities make an expected value: they sum to 1 (to 1e-9). */
enum mi_status mi_scenarios_check_expected(const struct mi_scenario *scenarios, size_t count,
                                           struct mi_error *error);

/* What a campaign with this budget brings in the scenario: CPA = the curve's at the new budget * (1 +
 * cpa_adjustment), users = budget / CPA, ltv * (1 + ltv_adjustment). */
struct mi_outcome mi_scenario_outcome(const struct mi_scenario *scenario, const struct mi_curve *curve,
                                      double ltv, const struct mi_campaign_costs *costs, double budget);

/* The mean of one outcome per scenario, weighted by probability: spend, users, revenue, costs and profit are
 * expected values, the ratios are formed of them. */
struct mi_outcome mi_scenario_expected(const struct mi_scenario *scenarios, const struct mi_outcome *outcomes,
                                       size_t count);

/* ---- Monte Carlo over the models' own uncertainty ---- */

/* A campaign whose curve and LTV are known with error. */
struct mi_uncertain_campaign {
    struct mi_text id; /* its draws depend on the seed and on this alone */
    const struct mi_curve *curve;
    const double *covariance; /* of the curve's log parameters: lower triangle in text order; NULL: none */
    double ltv, ltv_se;       /* standard error; NaN: none */
    struct mi_campaign_costs costs;
    double budget; /* before the scenario */
    size_t group;  /* that shares a shock; SIZE_MAX: none */
};

/* MI_BAD_ARGUMENT where a triangle has not the curve's number of entries or is no covariance. */
enum mi_status mi_covariance_check(const struct mi_curve *curve, const double *triangle, size_t count,
                                   struct mi_error *error);

struct mi_monte_carlo {
    size_t draws;
    uint64_t seed;
    double shock_all,
        shock_group;           /* standard deviations of log users that all, or a group's, campaigns share */
    const char *const *groups; /* names of the groups, by number: a group's shocks depend on its name */
    size_t group_count;
    const double *quantiles; /* of profit that are asked for */
    size_t quantile_count;
    double var_level; /* confidence of the value at risk, as 0.95 */
    unsigned long threads;
};

#define MI_QUANTILES_MOST 16

/* What the draws of one profit come to. */
struct mi_risk_figures {
    double mean, sd;
    double quantile[MI_QUANTILES_MOST];
    double chance_of_loss; /* share of draws below 0 */
    double value_at_risk;  /* the loss that is passed with 1 - var_level only; below 0: no loss even then */
};

/* Draws curves (log parameters normal), LTVs (lognormal about the mean) and shocks, and computes profits.
 * changes: what each scenario does to each campaign, campaign by campaign. figures: room for count *
 * scenarios, in the same order, or NULL; totals: for scenarios, the portfolio's. profits: NULL, or room for
 * scenarios * draws, which gets the portfolio's. The same for any number of threads. */
enum mi_status mi_monte_carlo_run(const struct mi_monte_carlo *options,
                                  const struct mi_uncertain_campaign *campaigns, size_t count,
                                  const struct mi_scenario *changes, size_t scenarios,
                                  struct mi_risk_figures *figures, struct mi_risk_figures *totals,
                                  double *profits, struct mi_error *error);

/* Draws of one campaign, one after another. Users at a spend are lognormal about the curve, which is their
 * mean, with the variance of log users that the covariance gives there (the curve's band); draws at several
 * spends belong together. Of a mix each draw takes one part, with its weight as the chance: families that a
 * mix stands between are uncertain too. */
struct mi_draws;
enum mi_status mi_draws_new(const struct mi_uncertain_campaign *campaign, uint64_t seed,
                            struct mi_draws **draws, struct mi_error *error);
void mi_draws_free(struct mi_draws *draws);
/* The next draw: the users at each spend, and the LTV. */
void mi_draws_next(struct mi_draws *draws, const double *spends, size_t count, double *users, double *ltv);

/* The figures of a sample, which is put in another order. */
struct mi_risk_figures mi_risk_figures_of(const struct mi_monte_carlo *options, double *profits,
                                          size_t count);

/* ---- allocation under uncertainty (lib/optimize) ---- */

/* What is known of the curves' and LTVs' errors, one per campaign of the problem. */
struct mi_uncertainty {
    const double *const *covariance; /* as in mi_uncertain_campaign; NULL: none */
    const double *ltv_se;            /* NaN: none */
    size_t draws;                    /* 10 and more */
    uint64_t seed;
};

enum mi_risk_measure {
    MI_RISK_MEAN,   /* the mean of the objective over the draws */
    MI_RISK_SPREAD, /* mean - amount * standard deviation */
    MI_RISK_CVAR    /* the mean of the worst `amount` of the draws (Rockafellar, Uryasev 2000) */
};

/* Maximises a risk measure of profit, revenue or users. Both measures are the least of weighted means of the
 * draws over a convex set of weights: for given weights the problem separates, and the weights of the worst
 * case are averaged over the rounds (fictitious play); every round's bound is one of the measure. Campaigns'
 * means are tabulated at some hundred spends, closest around the answer. Limits: of spend and share only.
 * allocation->objective is the measure over the draws. */
enum mi_status mi_allocate_uncertain(const struct mi_allocation_problem *problem,
                                     const struct mi_uncertainty *uncertainty, enum mi_risk_measure measure,
                                     double amount, struct mi_allocation *allocation, struct mi_error *error);

/* What learning costs and is worth. */
struct mi_exploration {
    double *extra;       /* per campaign: money beyond the best allocation of the rest */
    double *information; /* per campaign: profit a day that knowing its curve would add at most, at the price
                            of the budget (expected value of perfect information) */
    double spent;        /* sum of extra */
    double cost;         /* expected profit a day that the best allocation of all has more */
    double worth;        /* sum of information over the campaigns explored */
    size_t count;        /* of these */
};

/* Spends `share` of the budget where knowing a curve is worth most for the money, towards what its best spend
 * may be (the 0.8 quantile over the draws), the rest as the most expected profit has it. Objective profit, no
 * limits on groups, no step. */
enum mi_status mi_explore(const struct mi_allocation_problem *problem,
                          const struct mi_uncertainty *uncertainty, double share,
                          struct mi_allocation *allocation, struct mi_exploration *exploration,
                          struct mi_error *error);
void mi_exploration_clear(struct mi_exploration *exploration);

/* ---------------------------------------------------------------------------------------------------------
 * monitor: when reality leaves the prediction (lib/monitor)
 * ------------------------------------------------------------------------------------------------------ */

enum mi_watch_kind {
    MI_WATCH_COST,  /* counts; what rises is expected / observed: a CPA */
    MI_WATCH_COUNT, /* counts: users */
    MI_WATCH_RATIO  /* observed / expected, about normal: a ROAS */
};

struct mi_watch_options {
    enum mi_watch_kind kind;
    double threshold;    /* variance that matters: 0.2, -0.15, -0.25 */
    double noise;        /* of counts: variance = mean + noise * mean^2; of a ratio: its standard deviation */
    double false_alarms; /* a day, where all goes as predicted: at most so many */
    bool plain;          /* no test: a day beyond the threshold is enough */
};

/* A sequential test, day by day: as predicted against a variance a quarter beyond the threshold, by the
 * Shiryaev-Roberts statistic R = (1 + R) * likelihood ratio, which is alarmed at A. R - days is a martingale
 * while all goes as predicted, so that the mean time between false alarms is at least A (Pollak 1985); A is
 * lowered by what the statistic overshoots and by what follows, so that the false alarms are those asked for
 * in the long run. An alarm also needs the variance since the change to be beyond the threshold. The same
 * test the other way round closes it. */
struct mi_watch {
    struct mi_watch_options options;
    double statistic;
    bool open;
    size_t days;               /* since the likeliest change */
    double expected, observed; /* sums of these days; of a ratio means over `days` are what counts */
    double evidence;           /* log likelihood ratio of these days */
};

void mi_watch_start(struct mi_watch *watch, const struct mi_watch_options *options);
/* One more day; what is missing changes nothing. true: the alarm opened or closed, see watch->open. */
bool mi_watch_day(struct mi_watch *watch, double expected, double observed);
/* actual / predicted - 1 over the days since the likeliest change, of a cost without a user as if there had
 * been half a one; NaN where there are no days. */
double mi_watch_variance(const struct mi_watch *watch);
/* What a day alone says: the logarithm of its likelihood ratio; NaN: nothing. */
double mi_watch_evidence(const struct mi_watch *watch, double expected, double observed);
/* Opens it for another reason, over the last `days` days with these sums. */
void mi_watch_raise(struct mi_watch *watch, size_t days, double expected, double observed);

/* Campaigns that one thing may hit at once, as a platform's change does those of a network. Each is watched
 * for itself. Where there are three and more, the sum of their counts is watched, too, with the noise that
 * they share, for a tenth of the false alarms. While that alarm is open, a campaign is alarmed that is beyond
 * the threshold over the same days and whose own evidence makes it, to 90 %, one of those that changed; the
 * share of these is the one of highest likelihood (the mixture of Xie and Siegmund 2013, 2.1). */
struct mi_watch_group;
/* `together`: noise of the sums. A group of ratios is watched one by one. */
enum mi_status mi_watch_group_new(const struct mi_watch_options *options, double together, size_t count,
                                  struct mi_watch_group **group, struct mi_error *error);
void mi_watch_group_free(struct mi_watch_group *group);
/* Noise of a member's own, where it is not the one of all. */
void mi_watch_group_noise(struct mi_watch_group *group, size_t member, double noise);
/* One more day, by member; what is missing (NaN) changes nothing. */
void mi_watch_group_day(struct mi_watch_group *group, const double *expected, const double *observed);
const struct mi_watch *mi_watch_group_member(const struct mi_watch_group *group, size_t member);
/* The watch over the sums. */
const struct mi_watch *mi_watch_group_sum(const struct mi_watch_group *group);

/* The noise of counts beyond chance, from how observed / expected changes from one day to the next, which a
 * lasting change touches once: the dispersion at which a quarter of the squared standard scores lie above the
 * upper quartile of a chi-squared, so that a few days out of line count little. A NaN among the days parts
 * series. NaN: fewer than 10 changes. */
double mi_watch_noise(const double *expected, const double *observed, size_t count);
/* The same of ratios: their median change, scaled to the standard deviation of a normal. */
double mi_watch_spread(const double *ratios, size_t count);

#define MI_CAUSES_MOST 8

/* A likely cause of a variance. */
struct mi_cause {
    const char *name; /* audience_exhaustion, competition, creative_fatigue, landing_page, platform_change,
                         season, user_value */
    double share;     /* of the variance's logarithm that it explains */
    char evidence[160];
};

/* What is known of a campaign's days, oldest first; NaN: not known. */
struct mi_monitored_day {
    int32_t date;
    double spend, users, revenue, impressions, clicks, frequency;
};

/* Causes of a variance (actual / predicted - 1 of a CPA, of users or of a ROAS) that began at `since`, the
 * strongest first: cost per impression, click rate and conversion rate, into which a CPA falls, for a ROAS
 * revenue a user, and frequency, each against the four weeks before and only where more than two standard
 * errors changed; the same days a year ago against the four weeks before them; others_variance: the median
 * variance of the `others` campaigns of the same network, NaN for none. Without any user the variance is
 * infinite, or -1. Returns their number, MI_CAUSES_MOST at most. */
size_t mi_causes_find(const struct mi_monitored_day *days, size_t count, int32_t since, double variance,
                      enum mi_watch_kind kind, double others_variance, size_t others,
                      struct mi_cause *causes);

/* ---------------------------------------------------------------------------------------------------------
 * simulate: data with known truth (lib/simulate)
 * ------------------------------------------------------------------------------------------------------ */

#define MI_BEHAVIOUR_MOST      200
#define MI_SIMULATE_DELAY_MOST 10.0

/* How the spends of a campaign lie to its half saturation, and what family its curve is of. */
enum mi_simulation_condition {
    MI_SIMULATE_STANDARD,    /* Hill, spends through 0.3 to 1.2 of half saturation */
    MI_SIMULATE_RANDOM_SPAN, /* Hill, highest spend log-uniform 0.3 to 2 of half, lowest 0.15 to 0.6 of that
                              */
    MI_SIMULATE_NO_HILL,     /* two steps, threshold, log, exponential in turn; spends as in the standard */
    MI_SIMULATE_LOW_SPEND    /* Hill, spends through 0.1 to 0.5 of half saturation */
};

enum mi_simulation_noise {
    MI_SIMULATE_COUNTS,    /* whole conversions: Poisson with a gamma mean, dispersion 20 */
    MI_SIMULATE_LOGNORMAL, /* conversions times a lognormal of 15 %, mean 1 */
    MI_SIMULATE_EXACT      /* none: the mean itself */
};

struct mi_simulation {
    uint64_t seed;
    int32_t start;     /* first day, or first install date */
    size_t days;       /* 1 and more */
    size_t history;    /* days over which users install, 1 and more */
    double attributes; /* 0 to 1: share of the curves' variance that the campaigns' attributes explain */
    size_t behaviour;  /* columns of users' behaviour, 0 to MI_BEHAVIOUR_MOST */
    double outliers;   /* share of days whose conversions are multiplied by 0 to 0.3 or 2.5 to 5 */
    enum mi_simulation_condition condition;
    enum mi_simulation_noise noise;
    bool funnel;          /* days have impressions, clicks, reach and the market's prices */
    double market_effect; /* elasticity of CPM to the market's price index; with a funnel */
    double drift;         /* standard deviation of a week's change of a campaign's log level, 0 to 1 */
    double delay;         /* mean days until a conversion is known, 0 to MI_SIMULATE_DELAY_MOST */
    double adstock;       /* spend that works on a day: (1 - adstock) sum over k of adstock^k spend(t - k) */
};

/* Seed 1, 90 days from 2026-01-01, installs over 365 days, attributes 0, outliers 0.02, standard, counts; no
 * drift, delay or carry-over. */
struct mi_simulation mi_simulation_default(void);
/* How many ages, from 0, of which conversions of a day become known at this mean delay: all are at the last,
 * and of those that are out a day before a share of 1 / (1 + delay) comes in. 0 without a delay. */
size_t mi_simulation_ages(double delay);

/* Where users come from. Its texts live as long as the program. */
struct mi_simulated_segment {
    const char *ad_network, *targeting_strategy, *geo, *creative_format;
    double ltv; /* the true mean of ltv_90d */
};

struct mi_simulated_day {
    int32_t date;
    double spend, conversions; /* known on the last day */
    double impressions, clicks, reach;
    double cpm_index,
        competition; /* the market's, about 100: an index of prices, and one that goes with it */
};

struct mi_simulated_campaign {
    char campaign_id[24];
    struct mi_simulated_segment segment;
    const char *os;
    double daily_budget; /* mean spend of the last week, rounded */
    double min_budget, max_budget;
    bool has_agency, auto_optimization;
    double creative_production_cost, creative_lifetime_days;
    struct mi_curve curve; /* the truth: mean users of an average weekday, at the level of the last day */
    double weekday[7];     /* factors of Monday to Sunday, 0.80 to 1.25, mean 1 */
    struct mi_simulated_day *days;
    size_t day_count;
    double spend_min, spend_max; /* of these days */
    size_t ages;                 /* at the last of which all conversions of a day are known; 0: at once */
    const double
        *known; /* [day * ages + age]: conversions known so many days later; NaN: after the last day */
};

struct mi_simulated_user {
    char user_id[24];
    struct mi_simulated_segment segment;
    int32_t install_date;
    double ltv_90d; /* accrued by the end of the history: a user younger than 90 days has a part of it */
    const double *behaviour; /* columns asked for, NaN: missing; borrowed until the next user */
};

/* A portfolio of campaigns and its users with known truth. Half saturation is log-uniform 500 to 30,000, CPA
 * at half saturation lognormal around 20, Hill shapes half uniform 0.7 to 1 and half 1 to 3; spend is an
 * AR(1) walk rescaled to its span. Three in four users never pay, payers are lognormal, the mean is that of
 * the segment. Campaign n has a random number generator of its own: it is the same whatever others are asked
 * for, and its truth whatever days and noise are. Nothing is shared between simulators. */
struct mi_simulator;
enum mi_status mi_simulator_new(const struct mi_simulation *options, struct mi_simulator **simulator,
                                struct mi_error *error);
void mi_simulator_free(struct mi_simulator *simulator);

/* Campaign `number`, from 0, with its days; borrowed until the next call. */
enum mi_status mi_simulator_campaign(struct mi_simulator *simulator, size_t number,
                                     const struct mi_simulated_campaign **campaign, struct mi_error *error);

/* An experiment with a campaign: half are holdouts (from no spend to the daily budget), half raise the budget
 * by half. */
struct mi_simulated_experiment {
    double spend_before, spend_after;
    double conversions;    /* a day, that the higher spend brought more: the truth and a normal error */
    double standard_error; /* of them */
};

/* Share of a campaign's attributed conversions that are incremental: lognormal about `mean`, with a part of
 * its network (25 %) and one of its own (15 %). The campaign is one of mi_simulator_campaign(). */
double mi_simulator_incrementality(const struct mi_simulator *simulator, size_t number, double mean,
                                   const struct mi_simulated_campaign *campaign);
/* Experiment `number` with a campaign, with an error of `error` times what is true. */
struct mi_simulated_experiment mi_simulator_experiment(const struct mi_simulator *simulator, size_t number,
                                                       double incrementality, double error,
                                                       const struct mi_simulated_campaign *campaign);

/* The next user. */
void mi_simulator_user(struct mi_simulator *simulator, struct mi_simulated_user *user);

/* The name of a column of behaviour, from 0; written into `out`. */
const char *mi_simulator_behaviour_name(size_t column, char out[32]);

/* All segments there are, in a fixed order. */
size_t mi_simulator_segment_count(const struct mi_simulator *simulator);
struct mi_simulated_segment mi_simulator_segment(const struct mi_simulator *simulator, size_t number);

/* A portfolio played day by day with a truth that only the market knows: curves of more families than any fit
 * assumes (Hill, exponential, two steps, thresholds, logarithms, powers, mixtures), times a level that drifts
 * and is shocked from week to week, a country's season, a network's weekdays, good and bad days and
 * competition. Conversions come in over eight days, their revenue over ninety; one day in a hundred is
 * recorded wrongly. The truth and the luck of a campaign's day do not depend on what is spent. */
struct mi_market;

struct mi_market_options {
    uint64_t seed;
    size_t campaigns;
    size_t history;    /* days that were played with budgets near the usual before the first decision */
    size_t days;       /* to decide */
    int32_t start;     /* first day of the history */
    double attributes; /* share of the variance of sizes and CPA that the attributes explain */
    double ltv_error;  /* standard deviation of log predicted LTV about the truth */
};

/* Seed 1, 60 campaigns, 28 days of history from 2026-01-01, 120 days, attributes 0.4, LTV known to 8 %. */
struct mi_market_options mi_market_default(void);

/* What a policy may know, and the truth. */
struct mi_market_campaign {
    char campaign_id[24];
    struct mi_simulated_segment segment;
    double daily_budget; /* today's: of the last day played; at first the usual */
    double predicted_ltv;
    bool has_agency;
    double creative_production_cost, creative_lifetime_days;
    double ltv;            /* the truth */
    struct mi_curve curve; /* the truth: at a level of 1 */
};

struct mi_market_observation {
    int32_t date;
    double spend, conversions, revenue; /* so far */
};

/* Who decides with what knowledge. */
enum mi_market_knowledge {
    MI_MARKET_ALL,    /* the curves of the very day: the oracle */
    MI_MARKET_LEVELS, /* the curves and their levels, but not what the day does to a network, nor weekdays */
    MI_MARKET_YESTERDAY /* the curves of the day before */
};

enum mi_status mi_market_new(const struct mi_market_options *options, struct mi_market **market,
                             struct mi_error *error);
void mi_market_free(struct mi_market *market);

/* Campaign `number`, from 0; what it says changes as days are played. */
const struct mi_market_campaign *mi_market_campaign(const struct mi_market *market, size_t number);
size_t mi_market_days_played(const struct mi_market *market); /* history included */
size_t mi_market_days_left(const struct mi_market *market);
double mi_market_budget(const struct mi_market *market); /* a day: the sum of the usual budgets */

/* What is known by now of a campaign's day (below mi_market_days_played()). */
struct mi_market_observation mi_market_observe(const struct mi_market *market, size_t campaign, size_t day);

/* The most profitable budgets of the next day, up to the market's budget. */
enum mi_status mi_market_best(const struct mi_market *market, enum mi_market_knowledge knowledge,
                              struct mi_allocation *allocation, struct mi_error *error);

/* The profit that is to be expected of these budgets on the next day: without luck, but with all that the day
 * does. total (may be NULL) gets all of it. */
double mi_market_profit(const struct mi_market *market, const double *budgets, struct mi_outcome *total);

/* What is true of a campaign on the next day: its curve is multiplied by factor, of which level is the part
 * that is its own, its country's and the competition's; the rest are weekday and day of the network. */
void mi_market_day_truth(const struct mi_market *market, size_t campaign, double *level, double *factor);

/* Plays the next day with these budgets; there is one left. */
void mi_market_play(struct mi_market *market, const double *budgets);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif
#endif
