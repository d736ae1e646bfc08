/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Campaigns watched together; see mi.h.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "mi.h"

#define MEMBERS_LEAST  3
#define SHARE_OF_SUM   0.1  /* of the false alarms */
#define SURE           0.9  /* that a campaign is one of those that changed */
#define SHARE_STEPS    30   /* of expectation and maximisation */
#define SHARE_LEAST    1e-6 /* of campaigns that changed, and that did not */
#define EVIDENCE_RANGE 50.0 /* of a logarithm, so that nothing overflows */

/* A campaign's days since the change of all. */
struct member {
    struct mi_watch watch;
    size_t days;
    double expected, observed, evidence;
};

struct mi_watch_group {
    struct mi_watch sum;
    bool watches_sum;
    size_t count;
    struct member *members;
};

enum mi_status mi_watch_group_new(const struct mi_watch_options *options, double together, size_t count,
                                  struct mi_watch_group **group, struct mi_error *error) {
    struct mi_watch_group *made = calloc(1, sizeof *made);
    struct member *members = calloc(count + 1, sizeof *members);
    if (made == NULL || members == NULL) {
        free(made);
        free(members);
        return mi_no_memory(error);
    }
    struct mi_watch_options each = *options, sum = *options;
    *made = (struct mi_watch_group){.count = count, .members = members};
    made->watches_sum = count >= MEMBERS_LEAST && options->kind != MI_WATCH_RATIO && !options->plain;
    if (made->watches_sum) {
        sum.noise = together;
        sum.false_alarms = SHARE_OF_SUM * options->false_alarms;
        each.false_alarms = (1 - SHARE_OF_SUM) * options->false_alarms;
    }
    mi_watch_start(&made->sum, &sum);
    for (size_t i = 0; i < count; i++) {
        mi_watch_start(&members[i].watch, &each);
    }
    *group = made;
    return MI_OK;
}

void mi_watch_group_free(struct mi_watch_group *group) {
    if (group != NULL) {
        free(group->members);
        free(group);
    }
}

void mi_watch_group_noise(struct mi_watch_group *group, size_t member, double noise) {
    group->members[member].watch.options.noise = noise;
}

const struct mi_watch *mi_watch_group_member(const struct mi_watch_group *group, size_t member) {
    return &group->members[member].watch;
}

const struct mi_watch *mi_watch_group_sum(const struct mi_watch_group *group) {
    return &group->sum;
}

/* ---- together ---- */

static void forget(struct member *member) {
    member->days = 0;
    member->expected = member->observed = member->evidence = 0;
}

static double likelihood_ratio(const struct member *member) {
    return exp(fmax(-EVIDENCE_RANGE, fmin(EVIDENCE_RANGE, member->evidence)));
}

/* Probability of a change where this share of all changed. */
static double probability(const struct member *member, double share) {
    double changed = share * likelihood_ratio(member);
    return changed / (changed + 1 - share);
}

/* The share of campaigns that changed, of highest likelihood. */
static double share_changed(const struct mi_watch_group *group) {
    double share = 0.5;
    for (int step = 0; step < SHARE_STEPS; step++) {
        double sum = 0;
        size_t known = 0;
        for (size_t i = 0; i < group->count; i++) {
            if (group->members[i].days > 0) {
                sum += probability(&group->members[i], share);
                known++;
            }
        }
        if (known == 0) {
            return SHARE_LEAST;
        }
        share = fmax(SHARE_LEAST, fmin(1 - SHARE_LEAST, sum / (double)known));
    }
    return share;
}

static bool is_beyond(const struct mi_watch *watch, double expected, double observed) {
    struct mi_watch probe = *watch;
    probe.days = 1;
    probe.expected = expected;
    probe.observed = observed;
    double variance = mi_watch_variance(&probe), threshold = watch->options.threshold;
    return threshold > 0 ? variance > threshold : variance < threshold;
}

static void raise_members(struct mi_watch_group *group) {
    double share = share_changed(group);
    for (size_t i = 0; i < group->count; i++) {
        struct member *member = &group->members[i];
        if (!member->watch.open && member->days > 0 &&
            is_beyond(&member->watch, member->expected, member->observed) &&
            probability(member, share) >= SURE) {
            mi_watch_raise(&member->watch, member->days, member->expected, member->observed);
        }
    }
}

/* Adds a day to those since the change of all; returns false where it is not known. */
static void add_day(struct member *member, double expected, double observed) {
    double evidence = mi_watch_evidence(&member->watch, expected, observed);
    if (!isnan(evidence)) {
        member->days++;
        member->expected += expected;
        member->observed += observed;
        member->evidence += evidence;
    }
}

void mi_watch_group_day(struct mi_watch_group *group, const double *expected, const double *observed) {
    double all_expected = 0, all_observed = 0;
    /* The days of the sum start anew where they speak for no change: those of the members with them. */
    bool anew = group->sum.days == 0 || (!group->sum.open && group->sum.evidence <= 0);
    for (size_t i = 0; i < group->count; i++) {
        struct member *member = &group->members[i];
        bool was = member->watch.open;
        mi_watch_day(&member->watch, expected[i], observed[i]);
        if (anew || (was && !member->watch.open)) {
            forget(member);
        }
        if (!was || member->watch.open) {
            add_day(member, expected[i], observed[i]);
        }
        if (expected[i] > 0 && !isnan(observed[i])) {
            all_expected += expected[i];
            all_observed += observed[i];
        }
    }
    if (group->watches_sum && all_expected > 0) {
        mi_watch_day(&group->sum, all_expected, all_observed);
        if (group->sum.open) {
            raise_members(group);
        }
    }
}
