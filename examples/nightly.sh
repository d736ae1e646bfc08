#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The nightly job: from what the ad platforms exported to tomorrow's budgets, and to knowing how right it was. A crontab:
#
#     MAILTO=marketing@example.org
#     BUDGET=20000
#     17 4 * * *  /usr/local/share/mi/examples/nightly.sh /srv/campaigns
#
# usage: nightly.sh [FOLDER [OPTION of mi-optimize ...]]     without any: twelve nights of a simulated market
#
# In FOLDER:
#     campaigns.csv      the campaigns as they are tonight, with daily_budget; see allocate and man mi-records
#     incoming/          exports: rows with date, campaign_id, spend, conversions, revenue ..., old days corrected or not
#     import             where exports are not like that: a program that is called with one and prints such rows
#     users.csv          users of the past, for their LTV, unless campaigns.csv has predicted_ltv
#     maturity.csv       where conversions come late: what share is known by which age (--maturity of mi-monitor)
#     alert              a program that is told of each alert (--exec of mi-monitor)
# Left there: mi.db, the store; allocation-DATE.csv with summary-DATE.json; latest.csv, a link to the newest, which
# changes only when a night went well; imported/; nights/DATE/ with all that the night made, and its log.
#
# One at a time. A failure is heard: the status is not 0, and the log goes to standard error, which cron mails. A step
# that is done leaves a mark and is not taken again; one that was cut short is taken from its start, and is such that
# this changes nothing. So a night that was killed and is started again ends as if nothing had been (make bench
# T=nightly kills it 200 times).
set -u
here=$(cd "$(dirname "$0")" && pwd)
today=${TODAY:-$(date +%F)}
mature=${MATURE:-8} # days until the conversions of a day are in

# ---- the steps ----

# Exports into the store; what it has already changes nothing, other values are kept as revisions.
import() {
    for export in incoming/*; do
        [ -f "$export" ] || continue
        if [ -x import ]; then ./import "$export" >"$night/rows"; else cp "$export" "$night/rows"; fi
        mi-store put actuals -s mi.db --inputs="$export" "$night/rows"
        mv "$export" "imported/$today-${export##*/}"
    done
    mi-store put campaigns -s mi.db campaigns.csv
}

# The first models; and where the predictions of four weeks were further off than they may be, a challenger, in staging.
# The curves are fitted anew every night: what is versioned is from how many days, all or, should old ones mislead, 28.
accuracy() {
    [ -n "$(version mi-cpa/production)" ] || { add_days 36500 && promote mi-cpa/1; }
    [ -n "$(version mi-ltv/production)" ] || [ ! -e users.csv ] || { add_ltv && promote mi-ltv/1; }
    is_right mi-cpa cpa || add_days "$([ "$(days_of production)" -gt 28 ] && echo 28 || echo 36500)"
    [ ! -e users.csv ] || is_right mi-ltv ltv || add_ltv
}

# A challenger takes the place of what is in production once it was better by more than noise.
contest() {
    ! beats mi-cpa cpa || promote mi-cpa/staging
    ! beats mi-ltv ltv || promote mi-ltv/staging
}

# Alerts where the days that came leave what was predicted; where a campaign allows it, its budget is cut.
monitor() {
    late='' told=''
    [ ! -e maturity.csv ] || late=--maturity=maturity.csv
    [ ! -x alert ] || told=--exec=./alert
    mi-monitor -s mi.db --as-of="$today" ${late:+"$late"} ${told:+"$told"} </dev/null || [ $? -eq 1 ]
    mi-store log -s mi.db --of=alerts -o "$night/alerts.csv"
}

# What tonight starts from: the days that have come, and the campaigns at the budgets that the monitor left.
gather() {
    days production "$night/days.csv"
    mi-store join -q -s mi.db --column=daily_budget -o "$night/budgets.csv" campaigns.csv
    add_value mi-ltv/production "$night/budgets.csv" "$night/campaigns.csv"
}

# Curves, predictions at several spends, and the best split. A campaign that the monitor cut is held there.
optimise() {
    held=$(mi-store log -s mi.db --of=actions -O tsv |
        awk -F '\t' -v day="$today" '$8 == day && $10 $11 == "" { printf "%s%s", comma, $3; comma = "," }')
    (cd "$night" && "$here/allocate" --summary=summary.json -o allocation.csv ${held:+"--hold=$held"} "$@")
    mi-store put campaigns -q -s mi.db --map=daily_budget=recommended_budget "$night/allocation.csv"
}

# What the models, and their challengers, say of tomorrow, for the night when it can be judged.
predict() {
    mi-store join -q -s mi.db --column=daily_budget -o "$night/tomorrow.csv" campaigns.csv
    predict_users production "$night/curves.csv"
    predict_value production
    if [ -n "$(version mi-cpa/staging)" ]; then
        days staging "$night/staging-days.csv"
        mi-cpa fit -q -o "$night/staging-curves.csv" "$night/staging-days.csv"
        predict_users staging "$night/staging-curves.csv"
    fi
    predict_value staging
}

# The files of the day appear whole, the link last.
publish() {
    cp "$night/summary.json" .new && mv -f .new "summary-$today.json"
    cp "$night/allocation.csv" .new && mv -f .new "allocation-$today.csv"
    ln -sf "allocation-$today.csv" .new && mv -f .new latest.csv
}

# ---- what the steps use ----

# NAME/STAGE: the model there, as mi-cpa/2; nothing where there is none.
version() {
    mi-store model show -s mi.db "$1" 2>/dev/null | sed -n '2s/,.*//p'
}

promote() {
    mi-store model promote -s mi.db "$1"
}

# STAGE: from how many days its curves are fitted.
days_of() {
    mi-store model show -s mi.db --file "mi-cpa/$1"
}

# STAGE FILE: those days.
days() {
    mi-store get days -s mi.db --before="$today" --last="$(days_of "$1")" -o "$2"
}

add_days() {
    echo "$1" >"$night/days" && mi-store model add -s mi.db --name=mi-cpa "$night/days"
}

add_ltv() {
    mi-ltv fit -q -o "$night/ltv.json" users.csv && mi-store model add -s mi.db "$night/ltv.json"
}

# MODEL METRIC: whether what is in production predicted within the limit.
is_right() {
    judge "$2" --model="$(version "$1/production")" --limit="$2.mape>30" -o "$night/accuracy-$2.csv"
}

# MODEL METRIC: whether there is a challenger, and it was better by more than noise.
beats() {
    [ -n "$(version "$1/staging")" ] &&
        judge "$2" --champion="$(version "$1/production")" --challenger="$(version "$1/staging")" -o "$night/contest-$2.csv"
}

# METRIC OPTION ...: status 0 yes, 1 no; trouble ends the night.
judge() {
    judged=$1 && shift
    mi-accuracy -s mi.db --as-of="$today" --min-age="$mature" --window=28 --metric="$judged" "$@" || {
        [ $? -eq 1 ] || exit 2
        return 1
    }
}

# MODEL FROM TO: campaigns with the LTV of that model; as they are where there are no users.
add_value() {
    if [ -e users.csv ]; then mi-ltv by-source -q -s mi.db -m "@$1" -H users.csv -o "$3" "$2"; else cp "$2" "$3"; fi
}

# STAGE CURVES: users and CPA of tomorrow, with a day's noise.
predict_users() {
    mi-cpa -q -c "$2" --missing-curve=pooled --at=daily_budget --band=outcome -o "$night/$1-users.csv" "$night/tomorrow.csv"
    mi-store put predictions -q -s mi.db --made="$today" --horizon=1 --map=users=num_users --metric=cpa,users \
        --model="$(version "mi-cpa/$1")" --inputs="$2" "$night/$1-users.csv"
}

# STAGE: what a user of each campaign will be worth.
predict_value() {
    if [ -e users.csv ] && [ -n "$(version "mi-ltv/$1")" ]; then
        add_value "mi-ltv/$1" campaigns.csv "$night/$1-ltv.csv"
        mi-store put predictions -q -s mi.db --made="$today" --horizon=90 --metric=ltv --model="$(version "mi-ltv/$1")" \
            "$night/$1-ltv.csv"
    fi
}

# ---- a night ----

# STEP ...: takes it unless it is done. -e holds within, since nothing looks at the status of the parentheses.
step() {
    [ ! -e "$night/$1.done" ] || return 0
    (
        set -e
        "$@"
    ) >>"$night/log" 2>&1
    status=$?
    if [ "$status" -ne 0 ]; then
        echo "nightly: $today: $1 failed (status $status): no allocation, $PWD/latest.csv stays as it was" >&2
        cat "$night/log" >&2
        exit "$status"
    fi
    : >"$night/$1.done"
}

# A policy for mi-simulate market, whose files are what platforms export.
if [ "${1-}" = --simulated ]; then
    TODAY=$(date -u -d "$(tail -n 1 days.csv | cut -d, -f1) + 1 day" +%F)
    export TODAY
    mkdir -p ../incoming
    cp days.csv ../incoming/
    sed '1s/$/,auto_optimization/; 1!s/$/,true/' campaigns.csv >../campaigns.csv
    "$0" .. >&2 && exec cat ../latest.csv
fi

if [ $# -eq 0 ]; then
    folder=${EXAMPLE_OUTPUT:-.}/mi-nightly
    mkdir -p "$folder"
    awk 'BEGIN { print "metric,age_days,share"
        for (m = split("cpa users", metric); m > 0; m--)
            for (age = 1; age <= 8; age++) print metric[m] "," age "," 1 - 0.25 * 0.45 ^ (age - 1) * (age < 8) }' >"$folder/maturity.csv"
    echo "SIMULATED: 12 campaigns of a market, which get what is recommended, for 12 nights, in $folder"
    exec mi-simulate market --campaigns=12 --days=12 --folder="$folder/market" --policy="'$here/nightly.sh' --simulated" \
        -o "$folder/profit.csv"
fi

cd "$1" && shift || exit 2
exec 9>.lock
if ! flock -w "${WAIT:-600}" 9; then
    echo "nightly: another run holds $PWD/.lock" >&2
    exit 2
fi
night=nights/$today
mkdir -p "$night" incoming imported
for name in import accuracy contest monitor gather optimise predict publish; do step "$name" "$@"; done
alerts=$(mi-store log -s mi.db --of=alerts -O tsv | awk -F '\t' -v day="$today" '$12 == day { n++ } END { print n + 0 }')
echo "$today: $(($(wc -l <latest.csv) - 1)) campaigns, $alerts new alerts"
