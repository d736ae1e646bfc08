/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads scenarios; see scenarios.h.
 */
#include "scenario/scenarios.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EXPECTED "expected" /* the name of the row of expected values */

const char *const scenario_fields[FIELDS] = {"scenario", "budget_multiplier", "ltv_adjustment",
                                             "cpa_adjustment", "probability"};

static enum mi_status read_scenario(const struct mi_batch *batch, size_t row, const size_t *columns,
                                    struct mi_scenario *scenario, struct mi_error *error) {
    struct mi_error reason = {0};
    double value[FIELDS] = {0};
    enum mi_status status = mi_batch_id(batch, row, columns[NAME], &scenario->name, error);
    for (size_t i = MULTIPLIER; i < FIELDS && !status; i++) {
        unsigned filled = columns[i] == MI_NO_COLUMN || i == PROBABILITY ? MI_ANY : MI_FILLED;
        status = mi_batch_number(batch, row, columns[i], filled, &value[i], error);
    }
    if (status)
        return status;
    scenario->budget_multiplier = columns[MULTIPLIER] == MI_NO_COLUMN ? 1 : value[MULTIPLIER];
    scenario->ltv_adjustment = columns[LTV] == MI_NO_COLUMN ? 0 : value[LTV];
    scenario->cpa_adjustment = columns[CPA] == MI_NO_COLUMN ? 0 : value[CPA];
    scenario->probability = value[PROBABILITY];
    if (mi_scenario_check(scenario, &reason))
        return mi_batch_fault(batch, row, MI_NO_COLUMN, error, "%s", reason.text);
    if (mi_text_equal(scenario->name, mi_text_of(EXPECTED)))
        return mi_batch_fault(batch, row, columns[NAME], error, "'" EXPECTED "' names the expected value");
    return MI_OK;
}

/* Columns that are none of the scenario's own name groups. */
static enum mi_status find_conditions(struct scenarios *s, const size_t *columns, struct mi_error *error) {
    size_t count = mi_reader_column_count(s->reader);
    s->conditions = calloc(count + 1, sizeof *s->conditions);
    if (!s->conditions)
        return no_memory(error);
    for (size_t c = 0; c < count; c++) {
        bool own = false;
        for (size_t i = 0; i < FIELDS; i++)
            own |= columns[i] == c;
        if (!own)
            s->conditions[s->condition_count++] = c;
    }
    return MI_OK;
}

/* A further row of a scenario: its groups may be others, its probability may not. */
static enum mi_status merge(struct scenarios *s, const struct mi_scenario *row, size_t at, size_t column,
                            struct mi_scenario *scenario, struct mi_error *error) {
    if (s->condition_count == 0)
        return mi_batch_fault(s->batch, at, column, error, "stands twice: \"%.*s\"", (int)row->name.size,
                              row->name.data);
    bool same = row->budget_multiplier == scenario->budget_multiplier &&
                row->ltv_adjustment == scenario->ltv_adjustment &&
                row->cpa_adjustment == scenario->cpa_adjustment;
    if (!same)
        scenario->budget_multiplier = scenario->ltv_adjustment = scenario->cpa_adjustment = NAN;
    if (isnan(scenario->probability))
        scenario->probability = row->probability;
    else if (!isnan(row->probability) && row->probability != scenario->probability)
        return mi_batch_fault(s->batch, at, MI_NO_COLUMN, error,
                              "scenario '%.*s': its rows have two probabilities", (int)row->name.size,
                              row->name.data);
    return MI_OK;
}

static bool for_all(const struct scenarios *s, size_t row) {
    for (size_t c = 0; c < s->condition_count; c++) {
        struct mi_text value;
        if (mi_batch_text(s->batch, row, s->conditions[c], &value, NULL) || value.data)
            return false;
    }
    return true;
}

static enum mi_status add_row(struct scenarios *s, size_t row, const size_t *columns, struct mi_index *names,
                              struct mi_error *error) {
    struct change *change = &s->changes[row];
    bool added;
    size_t number;
    enum mi_status status = read_scenario(s->batch, row, columns, &change->scenario, error);
    if (!status)
        status = mi_index_add(names, change->scenario.name, &number, &added, error);
    if (status)
        return status;
    change->row = row;
    change->scenario_number = number;
    s->change_count++;
    if (!added)
        return merge(s, &change->scenario, row, columns[NAME], &s->items[number], error);
    s->items[s->count++] = change->scenario;
    if (!for_all(s, row)) {
        struct mi_scenario *item = &s->items[number];
        item->budget_multiplier = item->ltv_adjustment = item->cpa_adjustment = NAN;
    }
    return MI_OK;
}

static enum mi_status read_file(struct scenarios *s, struct mi_error *error) {
    struct mi_index *names = NULL;
    size_t columns[FIELDS];
    enum mi_status status = table_open(scenario_options.scenarios, &s->reader, &s->batch, error);
    for (size_t i = 0; i < FIELDS && !status; i++)
        status = mi_reader_column(s->reader, scenario_fields[i], i == NAME, &columns[i], error);
    if (!status)
        status = find_conditions(s, columns, error);
    if (!status && s->condition_count == 0)
        status =
            mi_batch_index(s->batch, columns[NAME], &names, error); /* refuses a name that is there twice */
    mi_index_free(names);
    names = NULL;
    if (!status)
        status = mi_index_new(&names, error);
    size_t rows = status ? 0 : mi_batch_rows(s->batch);
    s->items = calloc(rows + 1, sizeof *s->items);
    s->changes = calloc(rows + 1, sizeof *s->changes);
    if (!status && (!s->items || !s->changes))
        status = no_memory(error);
    for (size_t row = 0; row < rows && !status; row++)
        status = add_row(s, row, columns, names, error);
    mi_index_free(names);
    if (!status && s->count == 0)
        status =
            mi_error_set(error, MI_BAD_INPUT, "--scenarios=%s holds no scenario", scenario_options.scenarios);
    return status;
}

enum mi_status scenarios_open(struct scenarios *s, struct mi_error *error) {
    if (scenario_options.scenarios)
        return read_file(s, error);
    const struct mi_scenario *standard = mi_scenarios_default(&s->count);
    s->items = calloc(s->count + 1, sizeof *s->items);
    s->changes = calloc(s->count + 1, sizeof *s->changes);
    if (!s->items || !s->changes)
        return no_memory(error);
    s->change_count = s->count;
    for (size_t i = 0; i < s->count; i++) {
        s->items[i] = standard[i];
        s->changes[i] = (struct change){standard[i], i, i};
    }
    return MI_OK;
}

void scenarios_close(struct scenarios *s) {
    free(s->items);
    free(s->changes);
    free(s->conditions);
    mi_reader_close(s->reader);
}

/* ---- groups ---- */

/* The campaigns' columns that the conditions are on. */
static enum mi_status find_columns(const struct scenarios *s, const struct campaigns *campaigns,
                                   struct mi_reader *reader, size_t *columns, struct mi_error *error) {
    for (size_t c = 0; c < s->condition_count; c++) {
        char *name = mi_text_copy(mi_reader_column_name(s->reader, s->conditions[c]));
        if (!name)
            return no_memory(error);
        enum mi_status status = MI_OK;
        if (!mi_reader_has(reader, name))
            status = mi_error_set(error, MI_BAD_INPUT,
                                  "--scenarios=%s: column '%s' is none of a scenario's, nor of the campaigns",
                                  scenario_options.scenarios, name);
        else
            status = mi_reader_column(reader, name, true, &columns[c], error);
        if (!status && campaigns->varies[columns[c]])
            status = mi_error_set(error, MI_BAD_INPUT,
                                  "column '%s' differs within a campaign: it makes no groups", name);
        free(name);
        if (status)
            return status;
    }
    return MI_OK;
}

/* Whether a row of the file names a campaign. */
static enum mi_status names(const struct scenarios *s, size_t row, const struct campaigns *campaigns,
                            const struct campaign *campaign, const size_t *columns, bool *answer,
                            struct mi_error *error) {
    enum mi_status status = MI_OK;
    *answer = true;
    for (size_t c = 0; c < s->condition_count && !status && *answer; c++) {
        struct mi_text wanted, here;
        status = mi_batch_text(s->batch, row, s->conditions[c], &wanted, error);
        if (!status)
            status = mi_batch_text(campaigns->batch, campaign->row, columns[c], &here, error);
        *answer = !status && (!wanted.data || mi_text_equal(wanted, here));
    }
    return status;
}

enum mi_status scenarios_apply(const struct scenarios *s, const struct campaigns *campaigns,
                               struct mi_reader *reader, struct mi_scenario *changes,
                               struct mi_error *error) {
    size_t *columns = calloc(s->condition_count + 1, sizeof *columns);
    bool *used = calloc(s->change_count + 1, sizeof *used);
    enum mi_status status = columns && used ? MI_OK : no_memory(error);
    if (!status)
        status = find_columns(s, campaigns, reader, columns, error);
    for (size_t i = 0; i < campaigns->count && !status; i++) {
        for (size_t k = 0; k < s->count; k++)
            changes[i * s->count + k] = (struct mi_scenario){
                .name = s->items[k].name, .budget_multiplier = 1, .probability = s->items[k].probability};
        for (size_t k = 0; k < s->change_count && !status; k++) {
            bool named;
            status = names(s, s->changes[k].row, campaigns, &campaigns->items[i], columns, &named, error);
            if (status || !named)
                continue;
            struct mi_scenario *change = &changes[i * s->count + s->changes[k].scenario_number];
            double probability = change->probability;
            *change = s->changes[k].scenario;
            change->probability = probability;
            used[k] = true;
        }
    }
    for (size_t k = 0; k < s->change_count && !status && campaigns->count > 0; k++)
        if (!used[k])
            status = mi_batch_fault(s->batch, s->changes[k].row, MI_NO_COLUMN, error,
                                    "scenario '%.*s': names no campaign",
                                    (int)s->changes[k].scenario.name.size, s->changes[k].scenario.name.data);
    free(columns);
    free(used);
    return status;
}
